//! `aionctl local start`.

use std::{
    env, fs,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use aion_abi::admin::NodeStatus;
use aion_client::Node;
use aion_folders::Folder;
use rustix::process::Signal;

use crate::{
    context::Context,
    failure::{Failure, Status},
    home::Home,
    process::{PAUSE, Program, Running, StartError},
    render::screen::Tone,
};

use super::{
    StartArgs, folders, recipe,
    recipe::{Recipe, Recipes},
    service::{AtBoot, By, Service, Standing, Systemd, Told, told},
    settings,
};

/// What of a log is shown where a program ended at once.
const LOG_LINES: usize = 12;

pub(super) async fn run(context: &Context, args: StartArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let path = recipe::find(super::node(&home).name, home.trust())?;
    let user = folders::prepare(context, &home, &path)?;
    let _held = lock(&home)?;
    let bound = Duration::from_secs(args.timeout);
    let recipes = Recipes::find(&home, user)?;
    let before = running(&home);
    let service = Service::choose(&home, (!args.no_service).then_some(args.service))?;
    if let (Service::Aionctl | Service::Nobody, Some(units)) = (&service, installed(&home)) {
        take_away(context, &units, &before).await?;
    }

    let watch = match (&service, &before) {
        (Service::Systemd(units), Before { by_hand: true, .. }) => {
            context.warn(&format!(
                "the node runs, but not as {}, so nothing starts it again; to change that: aionctl local stop, then aionctl local start",
                units.node
            ));
            Watch::Programs
        }
        (Service::Systemd(units), _) => {
            units.install(context, &recipes)?;
            units.start()?;
            Watch::Units {
                before: [&units.launcher, &units.node].map(|unit| units.show(unit).restarts),
                units: units.clone(),
            }
        }
        (Service::Aionctl, _) => {
            let before = told(&home).unwrap_or_default();
            start_supervisor(context, &home)?;
            Watch::Supervisor { before }
        }
        (Service::Nobody, _) => {
            start(context, &recipes.launcher)?;
            start(context, &recipes.node)?;
            Watch::Programs
        }
    };
    let status = await_node(&home, &watch, &context.node()?, bound).await?;
    let word = if before.both {
        "runs already"
    } else {
        "is ready"
    };
    context.print(&format!(
        "{}  node {} ({}), {} of {} agents ready\n",
        context.screen.paint(word, Tone::Good),
        status.node,
        status.version,
        status.agents_ready,
        status.agents,
    ))?;
    if let Some(pid) = before.node {
        note_settings(context, pid, &home, &status);
    }
    if !before.both {
        tell_service(context, &home);
    }
    Ok(())
}

/// What runs when a start begins.
struct Before {
    node: Option<i32>,
    both: bool,
    /// Without a unit.
    by_hand: bool,
}

fn running(home: &Home) -> Before {
    let (node, launcher) = (super::node(home).running(), super::launcher(home).running());
    let by_hand = node.is_some() || launcher.is_some();
    let pid = |running: Option<Running>| running.map(|it| it.pid);
    let (mut node, mut launcher) = (pid(node), pid(launcher));
    if let Some(units) = installed(home) {
        node = node.or(units.show(&units.node).pid);
        launcher = launcher.or(units.show(&units.launcher).pid);
    }
    Before {
        node,
        both: node.is_some() && launcher.is_some(),
        by_hand,
    }
}

/// The units of this home, where they are installed.
pub(super) fn installed(home: &Home) -> Option<Systemd> {
    Systemd::of(home).filter(Systemd::is_installed)
}

/// A start without units where some are: they are not to start it a second time.
async fn take_away(context: &Context, units: &Systemd, before: &Before) -> Result<(), Failure> {
    if before.node.is_some() && !before.by_hand {
        return Err(Failure::new(format!("the node runs as {}", units.node))
            .remedy("aionctl local stop --no-service, then start it as you want it"));
    }
    units.remove(context)
}

/// What was there before keeps what it was started with.
fn note_settings(context: &Context, pid: i32, home: &Home, status: &NodeStatus) {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
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

/// Who starts it again, and whether at boot.
fn tell_service(context: &Context, home: &Home) {
    let standing = Standing::find(home);
    let again = match &standing.by {
        By::Systemd { units, .. } => {
            format!("systemd starts it again when it ends ({})", units.node)
        }
        By::Aionctl(..) => "aionctl local supervise starts it again when it ends".to_owned(),
        By::Nobody => "nothing starts it again when it ends".to_owned(),
    };
    let at_boot = match &standing.at_boot {
        AtBoot::Yes(how) => format!("at boot it is started by {how}"),
        AtBoot::No(advice) => format!("nothing starts it at boot: {advice}"),
    };
    context.note(&format!("{again}; {at_boot}"));
}

/// Two starts at once would start everything twice.
fn lock(home: &Home) -> Result<OwnedFd, Failure> {
    let folder = Folder::make(&home.pids(), home.trust(), 0o700);
    let held = folder.and_then(|folder| folder.lock("start.lock", true));
    match held {
        Ok(Some(held)) => Ok(held),
        Ok(None) => Err(Failure::new("another start is under way").at(home.root().display())),
        Err(why) => Err(folders::unfit(home, &why)),
    }
}

fn start(context: &Context, recipe: &Recipe) -> Result<(), Failure> {
    if recipe.program.running().is_some() {
        return Ok(());
    }
    let started = recipe.program.start(recipe.detached()?);
    say_started(context, &recipe.program, started)
}

fn start_supervisor(context: &Context, home: &Home) -> Result<(), Failure> {
    let supervisor = super::supervisor(home);
    if let Some(running) = supervisor.running() {
        // What waits to be started again waits no longer.
        return running.signal(Signal::HUP).map_err(|why| {
            Failure::new(format!("cannot wake the supervisor: {why}"))
                .at(format!("pid {}", running.pid))
        });
    }
    let own =
        env::current_exe().map_err(|why| Failure::new(format!("cannot find myself: {why}")))?;
    let mut command = recipe::detached(&own)?;
    command.args(["local", "supervise"]);
    command
        .env("AION_HOME", home.root())
        .current_dir(home.root());
    let started = supervisor.start(command);
    say_started(context, &supervisor, started)
}

fn say_started(
    context: &Context,
    program: &Program,
    started: Result<Running, StartError>,
) -> Result<(), Failure> {
    let started = started.map_err(|why| {
        Failure::new(format!("cannot start {}: {why}", program.name)).at(program.log().display())
    })?;
    if context.screen.live {
        let line = format!("started {} (pid {})", program.name, started.pid);
        eprintln!("{}", context.screen.paint_err(&line, Tone::Faint));
    }
    Ok(())
}

/// By what it is seen whether waiting makes sense.
enum Watch {
    Units {
        units: Systemd,
        /// How often the launcher and the node had been started again.
        before: [u64; 2],
    },
    /// What the supervisor had told before it was asked.
    Supervisor {
        before: Told,
    },
    Programs,
}

/// Until it answers and has its launcher: without, no agent can run.
async fn await_node(
    home: &Home,
    watch: &Watch,
    node: &Node,
    bound: Duration,
) -> Result<NodeStatus, Failure> {
    let until = Instant::now() + bound;
    loop {
        let waits_for = match node.status().await {
            Ok(status) if status.launcher == "ready" => return Ok(status),
            Ok(_) => super::launcher(home),
            Err(_) => super::node(home),
        };
        if let Some(what) = watch.has_failed(home, &waits_for) {
            return Err(watch.failure(&waits_for, what));
        }
        if Instant::now() >= until {
            let what = format!("{} does not answer yet", waits_for.name);
            return Err(watch.failure(&waits_for, what).status(Status::Unreachable));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Watch {
    /// Whether it will not come up by itself.
    fn has_failed(&self, home: &Home, program: &Program) -> Option<String> {
        let name = program.name;
        match self {
            Self::Programs => {
                let ended = program.running().is_none();
                ended.then(|| format!("{name} ended at once"))
            }
            Self::Supervisor { before } => {
                if super::supervisor(home).running().is_none() {
                    return Some("the supervisor ended at once".to_owned());
                }
                // Once may be chance, such as a port that the one before has only just left.
                let told = told(home)?.programs.remove(name)?;
                let earlier = before.programs.get(name).and_then(|it| it.last_end_ms);
                let fails = told.in_a_row >= 2 && told.last_end_ms != earlier;
                let end = told.last_end.filter(|_| fails)?;
                Some(format!(
                    "{name} does not stay ({end}); it is started again and again, more and more rarely"
                ))
            }
            Self::Units { units, before } => {
                let unit = units.of_program(name);
                let shown = units.show(unit);
                let before = before[usize::from(unit == units.node)];
                let loops = shown.state == "failed" || shown.restarts >= before + 2;
                loops.then(|| format!("{name} does not stay ({})", shown.result))
            }
        }
    }

    fn failure(&self, program: &Program, what: String) -> Failure {
        let (tail, place) = match self {
            Self::Units { units, .. } => {
                let unit = units.of_program(program.name);
                (units.log_tail(unit, LOG_LINES), units.log_of(unit))
            }
            Self::Supervisor { .. } | Self::Programs => (
                program.log_tail(LOG_LINES),
                program.log().display().to_string(),
            ),
        };
        let tail = if tail.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            tail
        };
        Failure::new(format!("{what}; the end of its log:\n{tail}"))
            .at(place)
            .remedy("mend what the log says, then: aionctl local start")
    }
}
