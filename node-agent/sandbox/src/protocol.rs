//! The launcher's protocol: every message the daemon and the launcher exchange.
//! One message is one packet on a `SOCK_SEQPACKET` Unix socket, JSON of at most
//! [`MAX_MESSAGE`] bytes, with descriptors beside it by `SCM_RIGHTS`. Types and
//! their bounds only; sending is in [`crate::wire`], acting in `server`.
//!
//! Requests may be answered in any order: an answer names its worker and, where
//! it is a refusal, the kind of request. At most one request of a kind is in
//! flight for a worker.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::layer::LayerReading;

/// The version that both sides say in their first message. There is no
/// negotiation: daemon and launcher are installed together.
pub const VERSION: u32 = 3;

/// The longest message in bytes; a longer one closes the connection.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// The most folders that a [`Role::Tool`] is shown.
pub const MAX_MOUNTS: usize = 16;

/// The most descriptors that ride with one message: those of a [`Start`] of a tool,
/// and in a plan the gate and its groups beside them.
pub const MAX_FDS: usize = 9 + MAX_MOUNTS;

/// The most workers in one [`Reply::Workers`] page.
pub const WORKERS_PER_PAGE: usize = 64;

/// The longest path of a socket, without its terminating zero byte.
pub const MAX_SOCKET_PATH: usize = 107;

/// Which worker: one turn of one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerId {
    /// The instance's UID: 1–63 characters of `a-z`, `0-9` and `-`.
    pub instance: String,
    /// The instance's incarnation, one for each worker that is started for it.
    pub incarnation: u32,
}

impl std::fmt::Display for WorkerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.instance, self.incarnation)
    }
}

/// What a confined process is: the program of an instance, by its runtime, or one of the two that serve instances.
/// Each has a system call filter and descriptors of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The loop over model, tools and memory.
    Declarative,
    /// A WASM guest, from a module that was compiled.
    Wasm,
    /// Not a program of an instance: the compiler, which makes of a module what
    /// [`Role::Wasm`] runs. It makes no syscalls, so it has no socket.
    Compile,
    /// Not a program of an instance either: a server of somebody else's, such as
    /// one that speaks MCP over its standard input and output. It has the
    /// machine's programs and libraries to read, a folder of its own to write to,
    /// and no socket.
    Tool,
}

/// Limits of one worker. What is `None` comes from the profile; a profile that
/// says nothing either leaves the limit, and with it the layer, unrequested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory in bytes, page cache included.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    #[serde(default)]
    pub pids: Option<u32>,
    /// CPU in thousandths of one core.
    #[serde(default)]
    pub cpu_milli: Option<u32>,
}

/// Start one worker. Beside it ride the read end of the boot document, the
/// write ends for its standard output and standard error and then: nothing for
/// [`Role::Declarative`]; for [`Role::Wasm`] and [`Role::Compile`] the
/// module; for [`Role::Tool`] the read end of its standard input, its program
/// and its folders, both opened by the daemon with what it may open itself.
/// Exactly [`Start::fds`] descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Which worker; refused while one of the same id runs.
    pub id: WorkerId,
    /// What it runs.
    #[serde(rename = "runtime")]
    pub role: Role,
    /// A profile of `cgroup_profiles.yaml` by name.
    pub profile: String,
    /// What differs from the profile.
    #[serde(default)]
    pub limits: Limits,
    /// The daemon's listening socket for this worker: absolute, at most
    /// [`MAX_SOCKET_PATH`] bytes, called `aion_abi::boot::SOCKET_NAME`. The worker
    /// runs as another user and is shown the folder that it is in, so the socket
    /// has mode 0666, its folder 0711, and one above it 0700. None for
    /// [`Role::Compile`] and [`Role::Tool`], and for nothing else.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// For [`Role::Tool`], the names of its folders, at most [`MAX_MOUNTS`]:
    /// it finds them at `/mnt/NAME`.
    #[serde(default)]
    pub mounts: Vec<String>,
}

impl Start {
    /// How many descriptors must ride with the message.
    pub fn fds(&self) -> usize {
        match self.role {
            Role::Declarative => 3,
            Role::Wasm | Role::Compile => 4,
            Role::Tool => 5 + self.mounts.len(),
        }
    }
}

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
    Start(Start),
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
    /// CPU time used, user and system, in microseconds, where known.
    pub cpu_us: Option<u64>,
    /// The most memory it held in bytes, where known.
    pub peak_memory_bytes: Option<u64>,
    /// What the worker itself said about its end, one line of at most 1,024
    /// bytes; written by a confined process and not to be trusted beyond that.
    pub note: Option<String>,
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
    /// The worker is confined, was read back and waits at its gate.
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
    },
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

/// A message that breaks a bound of the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// See [`WorkerId::instance`].
    #[error("instance id must be 1 to 63 characters of a-z, 0-9 and -")]
    InstanceId,
    /// See [`Start::profile`].
    #[error("profile must be 1 to 63 characters of a-z, 0-9 and -")]
    Profile,
    /// See [`Start::socket`].
    #[error("socket must be an absolute path of at most {MAX_SOCKET_PATH} bytes")]
    Socket,
    /// See [`Start::socket`].
    #[error("a compiler or a tool takes no socket, and every other worker takes one")]
    SocketForRuntime,
    /// See [`Start::mounts`].
    #[error(
        "a tool takes at most {MAX_MOUNTS} mounts, named with 1 to 63 characters of a-z, 0-9 and -, and no other worker takes any"
    )]
    Mounts,
    /// See [`Request::Kill`].
    #[error("grace must be at most 600000 ms")]
    Grace,
    /// A limit of zero would forbid the worker to exist.
    #[error("limit {0} must be greater than 0")]
    Limit(&'static str),
}

fn is_name(s: &str) -> bool {
    (1..=63).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl WorkerId {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), Invalid> {
        is_name(&self.instance)
            .then_some(())
            .ok_or(Invalid::InstanceId)
    }
}

impl Start {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), Invalid> {
        self.id.check()?;
        if !is_name(&self.profile) {
            return Err(Invalid::Profile);
        }
        if self.socket.is_none() != matches!(self.role, Role::Compile | Role::Tool) {
            return Err(Invalid::SocketForRuntime);
        }
        let mounts = self.mounts.iter().all(|name| is_name(name));
        let most = match self.role {
            Role::Tool => MAX_MOUNTS,
            _ => 0,
        };
        if !mounts || self.mounts.len() > most {
            return Err(Invalid::Mounts);
        }
        if let Some(path) = &self.socket {
            let bytes = path.as_os_str().as_encoded_bytes();
            if !path.is_absolute() || bytes.len() > MAX_SOCKET_PATH || bytes.contains(&0) {
                return Err(Invalid::Socket);
            }
        }
        if self.limits.memory_bytes == Some(0) {
            return Err(Invalid::Limit("memory_bytes"));
        }
        if self.limits.pids == Some(0) {
            return Err(Invalid::Limit("pids"));
        }
        if self.limits.cpu_milli == Some(0) {
            return Err(Invalid::Limit("cpu_milli"));
        }
        Ok(())
    }
}

impl Request {
    /// Checks the bounds that the types do not hold by themselves.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Hello { .. } | Self::List | Self::Features => Ok(()),
            Self::Start(start) => start.check(),
            Self::OpenGate { id } | Self::Acknowledge { id } => id.check(),
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

    fn start() -> Start {
        Start {
            id: WorkerId {
                instance: "0198c1c5-7f0e-7d22-9c11-1f2a3b4c5d6e".into(),
                incarnation: 3,
            },
            role: Role::Declarative,
            profile: "declarative".into(),
            limits: Limits::default(),
            socket: Some("/run/aion/s/7.sock".into()),
            mounts: Vec::new(),
        }
    }

    #[test]
    fn a_start_within_its_bounds_is_accepted() {
        assert_eq!(Request::Start(start()).check(), Ok(()));
    }

    #[test]
    fn a_start_outside_its_bounds_is_refused_by_field() {
        let mut it = start();
        it.id.instance = "../../etc".into();
        assert_eq!(it.check(), Err(Invalid::InstanceId));
        let mut it = start();
        it.profile = String::new();
        assert_eq!(it.check(), Err(Invalid::Profile));
        let mut it = start();
        it.socket = Some("relative.sock".into());
        assert_eq!(it.check(), Err(Invalid::Socket));
        it.socket = Some(format!("/{}", "s".repeat(MAX_SOCKET_PATH)).into());
        assert_eq!(it.check(), Err(Invalid::Socket));
        it.socket = None;
        assert_eq!(it.check(), Err(Invalid::SocketForRuntime));
        let mut it = start();
        it.role = Role::Compile;
        assert_eq!(it.check(), Err(Invalid::SocketForRuntime));
        let mut it = start();
        it.mounts = vec!["docs".into()];
        assert_eq!(it.check(), Err(Invalid::Mounts));
        (it.role, it.socket) = (Role::Tool, None);
        assert_eq!(it.check(), Ok(()));
        it.mounts = vec!["../x".into()];
        assert_eq!(it.check(), Err(Invalid::Mounts));
        let mut it = start();
        it.limits.pids = Some(0);
        assert_eq!(it.check(), Err(Invalid::Limit("pids")));
    }

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
}
