//! `aionctl local start`.

use std::{env, fs, os::fd::OwnedFd, time::Duration};

use aion_abi::admin::NodeStatus;
use aion_folders::Folder;
use rustix::process::Signal;

use crate::{
    context::Context,
    failure::Failure,
    home::Home,
    process::{Program, Running, StartError},
    render::screen::Tone,
};

use super::{
    StartArgs, folders, recipe,
    recipe::{Recipe, Recipes},
    service::{AtBoot, By, Service, Standing, Systemd, told},
    settings,
    watch::{Watch, await_gateway, await_node},
};

pub(super) async fn run(context: &Context, args: StartArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let path = recipe::find(super::node(&home).name, home.trust())?;
    let _held = lock(&home)?;
    let users = folders::prepare(context, &home, &path)?;
    let bound = Duration::from_secs(args.timeout);
    let wanted = settings::gateway()? && !args.no_gateway;
    let recipes = Recipes::find(&home, users, wanted, |why| context.warn(why))?;
    let before = running(&home);
    let service = Service::choose(&home, (!args.no_service).then_some(args.service))?;
    if let (Service::Aionctl | Service::Nobody, Some(units)) = (&service, installed(&home)) {
        take_away(context, &units, &before).await?;
    }
    let watch = begin(context, &home, &recipes, &service, &before)?;
    let status = await_node(&home, &watch, &context.node()?, bound).await?;
    let word = if before.both {
        "runs already"
    } else {
        "is ready"
    };
    context.print(&format!(
        "node {} {} (version {}), {} of {} agents ready\n",
        status.node,
        context.screen.paint(word, Tone::Good),
        status.version,
        status.agents_ready,
        status.agents,
    ))?;
    tell_gateway(context, &home, &recipes, &watch, bound).await?;
    if let Some(pid) = before.node {
        note_settings(context, pid, &home, &status);
    }
    if !before.both || !before.watched {
        tell_service(context, &home);
    }
    Ok(())
}

/// Starts what is missing, as `service` does it.
fn begin(
    context: &Context,
    home: &Home,
    recipes: &Recipes,
    service: &Service,
    before: &Before,
) -> Result<Watch, Failure> {
    match (service, &before.supervisor) {
        (Service::Systemd(units), supervisor) if before.by_hand => {
            let again = match supervisor {
                Some(_) => "aionctl local supervise starts it again",
                None => "nothing starts it again",
            };
            context.warn(&format!(
                "the node runs, but not as {}: {again}; to change that: aionctl local stop, then aionctl local start",
                units.node
            ));
            match supervisor {
                Some(_) => supervised(context, home, recipes, before),
                None => by_hand(context, recipes),
            }
        }
        (Service::Systemd(units), _) => {
            units.install(context, recipes)?;
            units.start()?;
            let programs = [
                super::launcher(home),
                super::node(home),
                super::gateway(home),
            ];
            let restarts = |name| (name, units.show(units.of_program(name)).restarts);
            Ok(Watch::Units {
                before: programs.map(|it| restarts(it.name)).into(),
                units: units.clone(),
            })
        }
        (Service::Aionctl, _) => supervised(context, home, recipes, before),
        (Service::Nobody, Some(supervisor)) => Err(Failure::new(
            "the node runs, and aionctl local supervise starts it again",
        )
        .at(format!("pid {}", supervisor.pid))
        .remedy("aionctl local stop, then aionctl local start --no-service")),
        (Service::Nobody, None) => by_hand(context, recipes),
    }
}

fn supervised(
    context: &Context,
    home: &Home,
    recipes: &Recipes,
    before: &Before,
) -> Result<Watch, Failure> {
    let supervisor = before.supervisor.as_ref();
    let told = supervisor.and_then(|it| told(home, it)).unwrap_or_default();
    start_supervisor(context, home, recipes.gateway.is_some())?;
    Ok(Watch::Supervisor { before: told })
}

fn by_hand(context: &Context, recipes: &Recipes) -> Result<Watch, Failure> {
    start(context, &recipes.launcher)?;
    start(context, &recipes.node)?;
    if let Some(gateway) = &recipes.gateway
        && let Err(why) = start(context, gateway)
    {
        context.warn(&why.what);
    }
    Ok(Watch::Programs)
}

/// What runs when a start begins.
struct Before {
    node: Option<i32>,
    both: bool,
    /// Without a unit.
    by_hand: bool,
    supervisor: Option<Running>,
    /// Something starts it again.
    watched: bool,
}

fn running(home: &Home) -> Before {
    let (node, launcher) = (super::node(home).running(), super::launcher(home).running());
    let supervisor = super::supervisor(home).running();
    let by_hand = node.is_some() || launcher.is_some() || supervisor.is_some();
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
        watched: supervisor.is_some() || (node.is_some() && !by_hand),
        supervisor,
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

/// Where programs ask. A node without its gateway is a node all the same.
async fn tell_gateway(
    context: &Context,
    home: &Home,
    recipes: &Recipes,
    watch: &Watch,
    bound: Duration,
) -> Result<(), Failure> {
    if recipes.gateway.is_none() {
        let left = super::gateway(home).running();
        if let Some(left) = left {
            context.warn(&format!(
                "the gateway runs (pid {}); to have it no more: aionctl local stop, then aionctl local start --no-gateway",
                left.pid
            ));
        }
        return Ok(());
    }
    match await_gateway(home, watch, bound).await {
        Ok(serving) => context.print(&format!(
            "programs ask at {} with the token in {}\n",
            serving.url(),
            home.gateway_token().display(),
        )),
        Err(why) => {
            context.warn(&format!("the node runs without its gateway: {why}"));
            Ok(())
        }
    }
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

/// Two starts at once would start everything twice, and mend the same folders.
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

fn start_supervisor(context: &Context, home: &Home, gateway: bool) -> Result<(), Failure> {
    let supervisor = super::supervisor(home);
    if let Some(running) = supervisor.running() {
        // What waits to be started again waits no longer.
        return running.signal(Signal::HUP).map_err(|why| {
            Failure::new(format!("cannot wake the supervisor: {why}"))
                .at(format!("pid {}", running.pid))
        });
    }
    let mut command = recipe::detached(&recipe::own()?)?;
    command.args(["local", "supervise"]);
    command
        .env(settings::OF_GATEWAY[0], gateway.to_string())
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
