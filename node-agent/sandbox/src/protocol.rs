//! The launcher's protocol: every message the daemon and the launcher exchange.
//! One message is one packet on a `SOCK_SEQPACKET` Unix socket, JSON of at most
//! [`MAX_MESSAGE`] bytes, with descriptors beside it by `SCM_RIGHTS`. Types and
//! their bounds only; sending is in [`crate::wire`], acting in `server`.
//!
//! Requests may be answered in any order: an answer names its worker and, where
//! it is a refusal, the kind of request. At most one request of a kind is in
//! flight for a worker.

mod start;
mod traced;
mod used;

use serde::{Deserialize, Serialize};

use aion_abi::kernel_event::{KernelEvent, KernelHook};

use crate::layer::LayerReading;

pub use start::{
    DEFAULT_SCRATCH, InsideUser, Invalid, Limits, MAX_MOUNTS, MAX_PORTS, MAX_PROGRAM, MAX_PROGRAMS,
    MAX_REACH, MAX_SOCKET_PATH, MAX_VARIANTS, NAMES_PORT, Role, Rules, Start, WorkerId, doors,
};
pub use traced::{EVENTS_PER_MESSAGE, Traced};
pub use used::{Measured, Pressure, Throttled};

/// The version that both sides say in their first message. There is no
/// negotiation: daemon and launcher are installed together.
pub const VERSION: u32 = 6;

/// The longest message in bytes; a longer one closes the connection.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// The most descriptors that ride with one message: those of a [`Start`] of a tool or an image's program, and in a
/// plan the gate, the socket and its groups beside them.
pub const MAX_FDS: usize = 10 + MAX_MOUNTS;

/// The most workers in one [`Reply::Workers`] page.
pub const WORKERS_PER_PAGE: usize = 64;

/// What the daemon asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The first message on a connection.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Start a worker; answered by [`Reply::Started`] or [`Reply::StartFailed`].
    Start(Box<Start>),
    /// Let a started worker run; answered by [`Reply::GateOpened`].
    OpenGate {
        /// Which worker.
        id: WorkerId,
    },
    /// End a worker: a request to stop, and after `grace_ms` the kill. Answered
    /// by [`Reply::Stopping`]; the end itself is told by [`Reply::Exited`].
    Kill {
        /// Which worker.
        id: WorkerId,
        /// Milliseconds between the two, at most 600,000; 0 kills at once.
        grace_ms: u32,
    },
    /// Name the workers that run; answered by one or more [`Reply::Workers`].
    List,
    /// The exit of this worker is recorded; the launcher forgets it.
    Acknowledge {
        /// Which worker.
        id: WorkerId,
    },
    /// Say what a worker used since it was last asked; answered by [`Reply::Measured`].
    Measure {
        /// Which worker.
        id: WorkerId,
    },
    /// Say what this machine can enforce; answered by [`Reply::Features`].
    Features,
}

/// A worker that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Which worker.
    pub id: WorkerId,
    /// Its process id in the launcher's process-id namespace.
    pub pid: u32,
    /// Its start in clock ticks since boot (`/proc/PID/stat`, field 22), which
    /// tells it from a later process with the same id.
    pub start_time: u64,
    /// Whether its gate was opened.
    pub running: bool,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// It exited by itself; see [`crate::exit::describe`].
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone and its status is not known: it was started by an earlier
    /// launcher, and the kernel is older than Linux 6.15.
    Unknown,
    /// The launcher ended it as it was stopped itself: nothing that the program did.
    Evicted,
}

/// The end of a worker. Repeated on each new connection until acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exited {
    /// Which worker.
    pub id: WorkerId,
    /// How it ended.
    pub status: ExitStatus,
    /// Whether its cgroup ran out of memory; `None` where it has none.
    pub oom: Option<bool>,
    /// Whether it was refused a process or a thread, having as many as it may; `None` where no cgroup counts them.
    #[serde(default)]
    pub process_refused: Option<bool>,
    /// For which breach of its rules it was killed.
    #[serde(default)]
    pub violation: Option<KernelEvent>,
    /// How much it waited for CPU that its quota did not give; `None` without a quota.
    #[serde(default)]
    pub throttled: Option<Throttled>,
    /// CPU time used, user and system, in microseconds, where known.
    pub cpu_us: Option<u64>,
    /// The most memory it held in bytes, where known.
    pub peak_memory_bytes: Option<u64>,
    /// What the worker itself said about its end, one line of at most 1,024
    /// bytes; written by a confined process and not to be trusted beyond that.
    pub note: Option<String>,
}

impl Exited {
    /// An end of which nothing else is known.
    #[must_use]
    pub fn of(id: WorkerId, status: ExitStatus) -> Self {
        Self {
            id,
            status,
            oom: None,
            process_refused: None,
            violation: None,
            throttled: None,
            cpu_us: None,
            peak_memory_bytes: None,
            note: None,
        }
    }
}

/// Why a worker did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartFailure {
    /// The request is not acceptable: unknown profile, id in use, bad socket.
    Invalid,
    /// The launcher has as many workers as it may.
    Busy,
    /// The program that the runtime needs is not installed.
    NoProgram,
    /// The process could not be made.
    Spawn,
    /// The process ended, or stayed silent, before it was confined.
    NotReady,
}

/// Requests that [`Reply::Refused`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusable {
    /// [`Request::OpenGate`].
    OpenGate,
    /// [`Request::Kill`].
    Kill,
    /// [`Request::Measure`].
    Measure,
}

/// What the launcher answers and tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// The answer to [`Request::Hello`]; exits not yet acknowledged follow it.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The launcher's own process id.
        pid: u32,
    },
    /// The worker is confined, was read back and waits at its gate. Beside it ride [`Start::doors`] descriptors.
    Started {
        /// Which worker.
        id: WorkerId,
        /// See [`Worker::pid`].
        pid: u32,
        /// See [`Worker::start_time`].
        start_time: u64,
        /// Every layer of [`crate::Layer::ALL`], in that order.
        layers: Vec<LayerReading>,
    },
    /// The worker did not start, and nothing of it is left.
    StartFailed {
        /// Which worker.
        id: WorkerId,
        /// What kind of failure.
        failure: StartFailure,
        /// What happened, in one line.
        why: String,
    },
    /// The worker runs.
    GateOpened {
        /// Which worker.
        id: WorkerId,
    },
    /// The worker was asked to stop, or killed.
    Stopping {
        /// Which worker.
        id: WorkerId,
    },
    /// One page of the workers that run.
    Workers {
        /// At most [`WORKERS_PER_PAGE`].
        workers: Vec<Worker>,
        /// Whether another page follows.
        more: bool,
    },
    /// A worker ended.
    Exited(Exited),
    /// What this machine can enforce, found once when the launcher started.
    Features {
        /// Every layer, as a worker started now would have it.
        layers: Vec<LayerReading>,
        /// What workers are followed by.
        hooks: Vec<KernelHook>,
    },
    /// A worker's memory is close to its limit. Told at most once a second, and not again to a later connection.
    Pressure(Pressure),
    /// What a worker used.
    Measured {
        /// Which worker.
        id: WorkerId,
        /// What.
        measured: Measured,
    },
    /// What the kernel was seen to do with a worker. Where the daemon does not keep up some are left out, and counted.
    Traced(Traced),
    /// The request about this worker cannot be done.
    Refused {
        /// Which worker.
        id: WorkerId,
        /// Which request.
        request: Refusable,
        /// Why, in one line.
        why: String,
    },
}

impl Request {
    /// Checks the bounds that the types do not hold by themselves.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Hello { .. } | Self::List | Self::Features => Ok(()),
            Self::Start(start) => start.check(),
            Self::OpenGate { id } | Self::Acknowledge { id } | Self::Measure { id } => id.check(),
            Self::Kill { id, grace_ms } => {
                id.check()?;
                (*grace_ms <= 600_000).then_some(()).ok_or(Invalid::Grace)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unknown_field_is_not_ignored() {
        let text = r#"{"kill":{"id":{"instance":"a","incarnation":1},"grace_ms":0,"force":true}}"#;
        assert!(serde_json::from_str::<Request>(text).is_err());
    }

    #[test]
    fn a_full_page_and_a_full_report_fit_into_a_message() {
        let worker = Worker {
            id: WorkerId {
                instance: "i".repeat(63),
                incarnation: u32::MAX,
            },
            pid: u32::MAX,
            start_time: u64::MAX,
            running: false,
        };
        let page = Reply::Workers {
            workers: vec![worker; WORKERS_PER_PAGE],
            more: true,
        };
        assert!(serde_json::to_vec(&page).unwrap().len() <= MAX_MESSAGE);
    }

    #[test]
    fn as_many_events_as_ride_together_fit_into_a_message_whatever_is_in_them() {
        use aion_abi::kernel_event::{KernelCounts, KernelEvent, KernelEventKind, OnViolation};
        let event = KernelEvent {
            at_ms: aion_abi::date::UnixMillis(u64::MAX),
            kind: KernelEventKind::OutOfMemory,
            pid: u32::MAX,
            process: "\u{1}".repeat(15),
            call: Some("c".repeat(32)),
            result: i32::MIN,
            violation: Some(OnViolation::Alert),
            text: "\u{1}".repeat(191),
        };
        let row = |value: u64| (0..12).map(|at| (format!("class-{at}"), value)).collect();
        let counts = KernelCounts {
            calls: row(u64::MAX),
            denied: row(u64::MAX),
            lost: row(u64::MAX),
            latency: (0..12)
                .map(|at| (format!("class-{at}"), vec![u32::MAX; 24]))
                .collect(),
            ..KernelCounts::default()
        };
        let traced = Reply::Traced(Traced {
            id: WorkerId {
                instance: "i".repeat(63),
                incarnation: u32::MAX,
            },
            events: vec![event; EVENTS_PER_MESSAGE],
            counts: Some(counts),
        });
        assert!(serde_json::to_vec(&traced).unwrap().len() <= MAX_MESSAGE);
    }
}
