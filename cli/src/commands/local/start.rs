//! `aionctl local start`.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aion_abi::admin::NodeStatus;
use aion_client::Node;
use rustix::fs::{FlockOperation, flock};

use crate::{
    context::Context,
    failure::{Failure, Status},
    home::Home,
    process::{PAUSE, Program, Running},
    render::screen::Tone,
};

use super::{StartArgs, settings};

/// What of a log is shown where a program ended at once.
const LOG_LINES: usize = 12;

pub(super) async fn run(context: &Context, args: StartArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let _held = lock(&home)?;
    let bound = Duration::from_secs(args.timeout);
    let (node, launcher) = (super::node(&home), super::launcher(&home));
    let ran = node.running();
    let both = ran.is_some() && launcher.running().is_some();

    start(context, &launcher, &home, &launcher_arguments(&home))?;
    await_launcher(&launcher, &home, bound).await?;
    start(context, &node, &home, &node_arguments(&home))?;
    let status = await_node(&node, &launcher, &context.node()?, bound).await?;

    let word = if both { "runs already" } else { "is ready" };
    context.print(&format!(
        "{}  node {} ({}), {} of {} agents ready\n",
        context.screen.paint(word, Tone::Good),
        status.node,
        status.version,
        status.agents_ready,
        status.agents,
    ))?;
    if let Some(ran) = ran {
        note_settings(context, &ran, &home, &status);
    }
    Ok(())
}

/// What was there before keeps what it was started with.
fn note_settings(context: &Context, ran: &Running, home: &Home, status: &NodeStatus) {
    let environ = fs::read(format!("/proc/{}/environ", ran.pid)).unwrap_or_default();
    let mut other = settings::written_since(home.root(), status.started_at_ms);
    if !environ.is_empty() {
        other.extend(settings::differing(&environ, |name| env::var(name).ok()));
    }
    if !other.is_empty() {
        context.warn(&format!(
            "the node runs with other settings: {}; to have it take these: aionctl local stop, then aionctl local start",
            other.join(", ")
        ));
    }
}

/// Two starts at once would start everything twice.
fn lock(home: &Home) -> Result<File, Failure> {
    let run = home.run();
    let failed = |why: std::io::Error| Failure::io("use the state folder", &run, &why);
    fs::create_dir_all(&run).map_err(failed)?;
    for folder in [home.root(), &run] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    let lock = File::create(run.join("start.lock")).map_err(failed)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|why| failed(why.into()))?;
    Ok(lock)
}

fn start(
    context: &Context,
    program: &Program,
    home: &Home,
    arguments: &[OsString],
) -> Result<Option<Running>, Failure> {
    if program.running().is_some() {
        return Ok(None);
    }
    let path = find(program.name)?;
    let own =
        env::current_exe().map_err(|why| Failure::new(format!("cannot find myself: {why}")))?;
    let mut command = Command::new(own);
    command.args(["local", "become"]).arg(&path).args(arguments);
    command
        .env("AION_HOME", home.root())
        .current_dir(home.root());
    let started = program
        .start(command)
        .map_err(|why| Failure::io("start the program", &path, &why))?;
    if context.screen.live {
        let line = format!("started {} (pid {})", program.name, started.pid);
        eprintln!("{}", context.screen.paint_err(&line, Tone::Faint));
    }
    Ok(Some(started))
}

/// Beside aionctl, else on the PATH.
fn find(name: &str) -> Result<PathBuf, Failure> {
    let own = env::current_exe()
        .ok()
        .and_then(|own| own.canonicalize().ok());
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = beside.into_iter().chain(env::split_paths(&path));
    places
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .ok_or_else(|| {
            Failure::new(format!("the program {name} is not installed"))
                .at("beside aionctl, and on the PATH")
                .remedy("run ./install.sh --local in a copy of the project")
        })
}

fn launcher_arguments(home: &Home) -> Vec<OsString> {
    vec![
        "serve".into(),
        "--socket".into(),
        home.launcher_socket().into(),
        "--state".into(),
        home.launcher_state().into(),
    ]
}

fn node_arguments(home: &Home) -> Vec<OsString> {
    vec!["--home".into(), home.root().into()]
}

async fn await_launcher(launcher: &Program, home: &Home, bound: Duration) -> Result<(), Failure> {
    let until = Instant::now() + bound;
    loop {
        let connected = listens(&home.launcher_socket());
        if connected {
            return Ok(());
        }
        still_trying(launcher, until)?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether somebody listens. The connection is closed at once.
fn listens(path: &Path) -> bool {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let Ok(address) = SocketAddrUnix::new(path) else {
        return false;
    };
    socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)
        .and_then(|socket| connect(&socket, &address))
        .is_ok()
}

/// Until it answers and has its launcher: without, no agent can run.
async fn await_node(
    program: &Program,
    launcher: &Program,
    node: &Node,
    bound: Duration,
) -> Result<NodeStatus, Failure> {
    let until = Instant::now() + bound;
    loop {
        match node.status().await {
            Ok(status) if status.launcher == "ready" => return Ok(status),
            Ok(_) => still_trying(launcher, until)?,
            Err(_) => still_trying(program, until)?,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether it makes sense to wait on.
fn still_trying(program: &Program, until: Instant) -> Result<(), Failure> {
    let failure = |what: String| {
        let tail = program.log_tail(LOG_LINES);
        let tail = if tail.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            tail
        };
        Failure::new(format!("{what}; the end of its log:\n{tail}"))
            .at(program.log.display())
            .remedy("mend what the log says, then: aionctl local start")
    };
    if program.running().is_none() {
        return Err(failure(format!("{} ended at once", program.name)));
    }
    if Instant::now() >= until {
        return Err(
            failure(format!("{} does not answer yet", program.name)).status(Status::Unreachable)
        );
    }
    Ok(())
}
