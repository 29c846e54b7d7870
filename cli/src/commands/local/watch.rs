//! The wait for a node that was started: until it answers, or until it is seen that it will not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aion_abi::{admin::NodeStatus, gateway::Serving};
use aion_client::Node;

use crate::{
    failure::{Failure, Status},
    home::Home,
    process::{PAUSE, Program},
};

use super::{
    gateway::serving,
    service::{Systemd, Told, told},
};

/// What of a log is shown where a program ended at once.
const LOG_LINES: usize = 12;

/// By what it is seen whether waiting makes sense.
pub(super) enum Watch {
    Units {
        units: Systemd,
        /// How often each program had been started again.
        before: BTreeMap<&'static str, u64>,
    },
    /// What the supervisor had told before it was asked.
    Supervisor {
        before: Told,
    },
    Programs,
}

/// Until it answers and has its launcher: without, no agent can run.
pub(super) async fn await_node(
    home: &Home,
    watch: &Watch,
    node: &Node,
    bound: Duration,
) -> Result<NodeStatus, Failure> {
    let until = Instant::now() + bound;
    loop {
        let waits_for = match node.status().await {
            Ok(status) if status.launcher == "ready" && watch.watches(home) => return Ok(status),
            Ok(status) if status.launcher == "ready" => super::supervisor(home),
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

/// Until the gateway says where it serves.
///
/// # Errors
/// Why it does not, in words.
pub(super) async fn await_gateway(
    home: &Home,
    watch: &Watch,
    bound: Duration,
) -> Result<Serving, String> {
    let program = super::gateway(home);
    let until = Instant::now() + bound;
    loop {
        let pid = match watch {
            Watch::Units { units, .. } => units.show(&units.gateway).pid,
            Watch::Supervisor { .. } | Watch::Programs => program.running().map(|it| it.pid),
        };
        if let Some(serving) = pid.and_then(|pid| serving(home, pid)) {
            return Ok(serving);
        }
        if watch.goes_without(home, &program) {
            return Err("the node was started without one; to have it: aionctl local stop, then aionctl local start".to_owned());
        }
        let late = Instant::now() >= until;
        let failed = watch.has_failed(home, &program);
        if let Some(what) = failed.or(late.then(|| "it does not answer yet".to_owned())) {
            let failure = watch.failure(&program, what);
            let place = failure.place.unwrap_or_default();
            return Err(format!("{} ({place})", failure.what));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Watch {
    /// A supervisor that was started without the program does not start it later.
    fn goes_without(&self, home: &Home, program: &Program) -> bool {
        let Self::Supervisor { .. } = self else {
            return false;
        };
        let supervisor = super::supervisor(home).running();
        let told = supervisor.and_then(|it| told(home, &it));
        told.is_some_and(|it| !it.programs.contains_key(program.name))
    }

    /// A supervisor that takes over what runs is not there yet when that answers.
    fn watches(&self, home: &Home) -> bool {
        match self {
            Self::Supervisor { .. } => super::supervisor(home)
                .running()
                .is_some_and(|it| told(home, &it).is_some()),
            Self::Units { .. } | Self::Programs => true,
        }
    }

    /// Whether it will not come up by itself.
    fn has_failed(&self, home: &Home, program: &Program) -> Option<String> {
        let name = program.name;
        match self {
            Self::Programs => {
                let ended = program.running().is_none();
                ended.then(|| format!("{name} ended at once"))
            }
            Self::Supervisor { before } => {
                let Some(supervisor) = super::supervisor(home).running() else {
                    return Some("the supervisor ended at once".to_owned());
                };
                // Once may be chance, such as a port that the one before has only just left.
                let told = told(home, &supervisor)?.programs.remove(name)?;
                let earlier = before.programs.get(name).and_then(|it| it.last_end_ms);
                let fails = told.in_a_row >= 2 && told.last_end_ms != earlier;
                let end = told.last_end.filter(|_| fails)?;
                Some(format!(
                    "{name} keeps ending ({end}); it is started again with growing delays"
                ))
            }
            Self::Units { units, before } => {
                let unit = units.of_program(name);
                let shown = units.show(unit);
                let before = before.get(name).copied().unwrap_or_default();
                let loops = shown.state == "failed" || shown.restarts >= before + 2;
                loops.then(|| format!("{name} keeps ending ({})", shown.result))
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
            .remedy("fix what the log says, then: aionctl local start")
    }
}
