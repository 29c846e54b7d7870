//! `aionctl local supervise`: the node's programs are started, watched, and started again when they end, until this
//! process is asked to stop. For machines without a service manager, and as one for containers and runit.
//!
//! What runs already is taken over by its pid file, so a supervisor that was killed loses nothing. What may not enter:
//! how a program works, or why it ended: each end is answered by a start.

use std::{
    io,
    pin::pin,
    process::{ExitStatus, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use aion_folders::Folder;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::Signal,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::{Notify, oneshot, watch},
};

use super::super::{
    folders, recipe,
    recipe::{Recipe, Recipes},
    settings,
    stop::GATEWAY,
};
use super::{
    pace::{Pace, STAYED},
    report::{Report, after},
};
use crate::{
    context::Context,
    failure::Failure,
    process::{AFTER_KILL, Running, StartError},
};

/// How much of a stop is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    /// Let turns under way end.
    Asked,
    /// Now.
    AtOnce,
}

/// A program that runs.
enum Process {
    /// Started here.
    Own(Box<Child>, Running),
    /// Found by its pid file, with its end: of another parent, so that how is not known.
    Adopted(Running, oneshot::Receiver<io::Result<()>>),
}

/// What the loops of the programs share.
struct Shared {
    report: Report,
    /// Somebody wants what does not run to be started now.
    now: Notify,
}

/// Runs until it is asked to stop and its programs have ended.
pub(in super::super) async fn run(context: &Context) -> Result<(), Failure> {
    let home = context.home()?;
    let own = super::super::supervisor(&home);
    let unfit = |why: StartError| Failure::new(format!("cannot supervise: {why}"));
    let node = recipe::find(super::super::node(&home).name, home.trust())?;
    let folder =
        Folder::make(&home.pids(), home.trust(), 0o700).map_err(|why| unfit(why.into()))?;
    let lock = folder.lock("supervisor.lock", false);
    let Some(_lock) = lock.map_err(|why| unfit(why.into()))? else {
        return Err(Failure::new("the node is supervised already")
            .at(home.root().display())
            .remedy("check it: aionctl local status"));
    };
    let users = folders::prepare(context, &home, &node)?;
    let recipes = Recipes::find(&home, users, settings::gateway()?, |why| eprintln!("{why}"))?;
    let mut signals = Signals::listen().map_err(|why| unfit(why.into()))?;
    let myself = Running::of(std::process::id()).map_err(|why| unfit(why.into()))?;
    own.note(&myself).map_err(unfit)?;

    let all = [
        Some(&recipes.node),
        Some(&recipes.launcher),
        recipes.gateway.as_ref(),
    ];
    let names: Vec<_> = all
        .into_iter()
        .flatten()
        .map(|it| it.program.name)
        .collect();
    let shared = Rc::new(Shared {
        report: Report::begin(folder, &myself, &names),
        now: Notify::new(),
    });
    let (stop_gateway, gateway_stops) = watch::channel(Stop::No);
    let (stop_node, node_stops) = watch::channel(Stop::No);
    let (stop_launcher, launcher_stops) = watch::channel(Stop::No);
    let gateway = async {
        match &recipes.gateway {
            Some(gateway) => keep(gateway, &shared, gateway_stops).await,
            None => true,
        }
    };
    let all = async {
        tokio::join!(
            // Nobody new asks while the node drains.
            before(gateway, &stop_gateway, &stop_node, Some(GATEWAY)),
            // The launcher last: the node needs it while it drains.
            before(
                keep(&recipes.node, &shared, node_stops),
                &stop_node,
                &stop_launcher,
                None
            ),
            keep(&recipes.launcher, &shared, launcher_stops),
        )
    };
    let left = tokio::select! {
        (gateway, node, launcher) = all => !(node && launcher && gateway),
        () = signals.pass_on(&shared.now, [&stop_gateway, &stop_node, &stop_launcher]) => false,
    };
    shared.report.end();
    own.forget();
    match left {
        false => Ok(()),
        true => Err(Failure::new("cannot stop the node: it does not end")
            .at(home.root().display())
            .remedy("see what is left of it: aionctl local status")),
    }
}

/// Until `kept` has ended what comes after it is not stopped, and no longer than `most` from when it is asked to.
async fn before(
    kept: impl Future<Output = bool>,
    stop: &watch::Sender<Stop>,
    next: &watch::Sender<Stop>,
    most: Option<Duration>,
) -> bool {
    let mut asked = stop.subscribe();
    let mut kept = pin!(kept);
    let late = async {
        // The sender is there.
        let _ = asked.wait_for(|it| *it != Stop::No).await;
        match most {
            Some(most) => tokio::time::sleep(most).await,
            None => std::future::pending().await,
        }
    };
    let pass_on = || next.send_replace((*stop.borrow()).max(Stop::Asked));
    tokio::select! {
        ended = &mut kept => {
            let _ = stop.subscribe().wait_for(|it| *it != Stop::No).await;
            pass_on();
            ended
        }
        () = late => {
            pass_on();
            kept.await
        }
    }
}

/// The signals that a supervisor takes.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// To the first of `stops`, and to those whose turn it is. Never ends by itself.
    async fn pass_on(&mut self, now: &Notify, [first, later @ ..]: [&watch::Sender<Stop>; 3]) {
        loop {
            let asked = *first.borrow();
            let next = tokio::select! {
                _ = self.terminate.recv() => asked.max(Stop::Asked),
                // Of who types it twice.
                _ = self.interrupt.recv() => match asked {
                    Stop::No => Stop::Asked,
                    Stop::Asked | Stop::AtOnce => Stop::AtOnce,
                },
                _ = self.quit.recv() => Stop::AtOnce,
                _ = self.hang_up.recv() => {
                    now.notify_waiters();
                    continue;
                }
            };
            if next > asked {
                eprintln!("stopping");
                first.send_replace(next);
                for stop in later {
                    if *stop.borrow() != Stop::No {
                        stop.send_replace(next);
                    }
                }
            }
        }
    }
}

/// Keeps one program running until it is to stop. `false`: it does not.
async fn keep(recipe: &Recipe, shared: &Shared, mut stop: watch::Receiver<Stop>) -> bool {
    let name = recipe.program.name;
    let mut pace = Pace::default();
    let mut begun = false;
    while *stop.borrow_and_update() == Stop::No {
        let since = Instant::now();
        let end = match start(recipe) {
            Ok(mut process) => {
                let (again, pid) = (begun, process.running().pid);
                eprintln!("{name} runs (pid {pid})");
                shared.report.change(name, |kept| {
                    kept.restarts += u64::from(again);
                    kept.next_start_ms = None;
                });
                let stays = async {
                    tokio::time::sleep(STAYED).await;
                    shared.report.change(name, |kept| kept.in_a_row = 0);
                    std::future::pending::<String>().await
                };
                tokio::select! {
                    end = process.ended() => end,
                    end = stays => end,
                    _ = stop.changed() => {
                        let ended = process.stop(name, &mut stop).await;
                        if ended {
                            recipe.program.forget();
                        }
                        return ended;
                    }
                }
            }
            Err(why) => format!("it was not started: {why}"),
        };
        begun = true;
        let pause = pace.ended(since.elapsed());
        tell(recipe, shared, &end, pause, pace.in_a_row());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.now.notified() => pace = Pace::default(),
            _ = stop.changed() => {}
        }
    }
    true
}

fn tell(recipe: &Recipe, shared: &Shared, end: &str, pause: Duration, in_a_row: u32) {
    let name = recipe.program.name;
    let times = match in_a_row {
        1 => String::new(),
        n => format!(", {n} times in a row now"),
    };
    eprintln!(
        "{name}: {end}{times}; it is started again in {:.1} s; its log: {}",
        pause.as_secs_f64(),
        recipe.program.log().display()
    );
    shared.report.change(name, |kept| {
        kept.in_a_row = in_a_row;
        kept.last_end = Some(end.to_owned());
        kept.last_end_ms = Some(after(Duration::ZERO));
        kept.next_start_ms = Some(after(pause));
    });
}

fn start(recipe: &Recipe) -> Result<Process, StartError> {
    if let Some(running) = recipe.program.running() {
        return Ok(Process::adopted(running));
    }
    let log = recipe.program.open_log()?;
    let mut command = Command::from(recipe.command());
    // Of a group of its own: Ctrl-C is for the supervisor, which stops them in their order.
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let child = command.spawn()?;
    let pid = child
        .id()
        .ok_or_else(|| io::Error::other("it ended at once"))?;
    let running = recipe.program.noted(pid)?;
    Ok(Process::Own(Box::new(child), running))
}

impl Process {
    fn adopted(running: Running) -> Self {
        let (gone, end) = oneshot::channel();
        let held = running.hold();
        // It sleeps until then. This process may end before it.
        std::thread::spawn(move || {
            let waited = held.and_then(|held| {
                let Some(held) = held else { return Ok(()) };
                let mut fds = [PollFd::new(&held, PollFlags::IN)];
                loop {
                    match poll(&mut fds, None) {
                        Err(Errno::INTR) => {}
                        other => return Ok(other.map(drop)?),
                    }
                }
            });
            let _ = gone.send(waited);
        });
        Self::Adopted(running, end)
    }

    fn running(&self) -> &Running {
        match self {
            Self::Own(_, running) | Self::Adopted(running, _) => running,
        }
    }

    /// Waits for its end, and says how that was.
    async fn ended(&mut self) -> String {
        match self {
            Self::Own(child, _) => match child.wait().await {
                Ok(status) => how(status),
                Err(why) => format!("it cannot be waited for: {why}"),
            },
            Self::Adopted(_, gone) => match gone.await {
                Ok(Ok(())) => "it ended".to_owned(),
                Ok(Err(why)) => format!("it cannot be waited for: {why}"),
                Err(why) => format!("it cannot be waited for: {why}"),
            },
        }
    }

    /// Whether it ended. One that hangs in the kernel is not waited for, and that is said.
    async fn stop(&mut self, name: &str, stop: &mut watch::Receiver<Stop>) -> bool {
        loop {
            let at_once = *stop.borrow_and_update() == Stop::AtOnce;
            let wanted = if at_once { Signal::KILL } else { Signal::TERM };
            if let Err(why) = self.running().signal(wanted) {
                eprintln!("cannot stop {name}: {why}");
            }
            let pid = self.running().pid;
            tokio::select! {
                end = self.ended() => {
                    eprintln!("{name}: {end}");
                    return true;
                }
                () = tokio::time::sleep(AFTER_KILL), if at_once => {
                    eprintln!("cannot stop {name} (pid {pid}): it does not end");
                    return false;
                }
                _ = stop.changed() => {}
            }
        }
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A process of this machine, whose end is told by the test.
    fn adopted() -> (
        std::process::Child,
        oneshot::Sender<io::Result<()>>,
        Process,
    ) {
        let child = std::process::Command::new("sleep").arg("600").spawn();
        let child = child.unwrap();
        let (gone, end) = oneshot::channel();
        let running = Running::of(child.id()).unwrap();
        (child, gone, Process::Adopted(running, end))
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_gateway_stops_once_that_has_ended_or_had_its_time() {
        let second = Duration::from_secs(1);
        for ends in [true, false] {
            let (first, next) = (watch::channel(Stop::No).0, watch::channel(Stop::No).0);
            let (end, ended) = oneshot::channel::<bool>();
            let kept = async { ended.await.unwrap() };
            let all = before(kept, &first, &next, Some(GATEWAY));
            let story = async {
                tokio::time::sleep(100 * GATEWAY).await;
                first.send_replace(Stop::Asked);
                tokio::time::sleep(GATEWAY - second).await;
                assert_eq!(*next.borrow(), Stop::No);
                match ends {
                    true => {
                        end.send(true).unwrap();
                        tokio::time::sleep(second / 2).await;
                        assert_eq!(*next.borrow(), Stop::Asked);
                    }
                    false => {
                        tokio::time::sleep(2 * second).await;
                        assert_eq!(*next.borrow(), Stop::Asked);
                        end.send(true).unwrap();
                    }
                }
            };
            assert!(tokio::join!(all, story).0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_is_no_gateway_the_node_runs_until_it_is_to_stop() {
        let (first, next) = (watch::channel(Stop::No).0, watch::channel(Stop::No).0);
        let all = before(std::future::ready(true), &first, &next, Some(GATEWAY));
        let story = async {
            tokio::time::sleep(100 * GATEWAY).await;
            assert_eq!(*next.borrow(), Stop::No);
            first.send_replace(Stop::AtOnce);
        };
        tokio::join!(all, story);
        assert_eq!(*next.borrow(), Stop::AtOnce);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_does_not_end_though_it_was_killed_is_left() {
        let (mut child, _gone, mut process) = adopted();
        let (_asked, mut stop) = watch::channel(Stop::AtOnce);
        assert!(!process.stop("hangs", &mut stop).await);
        child.wait().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_asked_may_take_its_time_until_it_is_to_end_at_once() {
        let (mut child, gone, mut process) = adopted();
        let (asked, mut stop) = watch::channel(Stop::Asked);
        let waits = process.stop("drains", &mut stop);
        let waits = async { tokio::time::timeout(10 * AFTER_KILL, waits).await };
        assert!(waits.await.is_err(), "it was given up");
        asked.send_replace(Stop::AtOnce);
        gone.send(Ok(())).unwrap();
        assert!(process.stop("drains", &mut stop).await);
        child.wait().unwrap();
    }
}
