//! What the daemon needs of a launcher. The real one is [`super::Link`]; whoever hosts the daemon for a
//! measurement may bring another.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use aion_abi::kernel_event::KernelHook;
use aion_sandbox::{
    LayerReading,
    protocol::{Exited, Measured, Pressure, Start, StartFailure, Traced, Worker, WorkerId},
};
use futures::future::BoxFuture;

/// The descriptors of a worker.
#[derive(Debug)]
pub struct WorkerFds {
    /// The boot document.
    pub boot: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
    /// What further the runtime takes; see [`Start`].
    pub rest: Vec<OwnedFd>,
}

impl WorkerFds {
    pub(super) fn borrow(&self) -> aion_sandbox::StartFds<'_> {
        aion_sandbox::StartFds {
            boot: self.boot.as_fd(),
            stdout: self.stdout.as_fd(),
            stderr: self.stderr.as_fd(),
            rest: self.rest.iter().map(AsFd::as_fd).collect(),
        }
    }
}

/// A worker that waits at its gate.
#[derive(Debug)]
pub struct Launched {
    /// Its process id, as the launcher sees it.
    pub pid: u32,
    /// With the pid names the process.
    pub start_time: u64,
    /// Every layer, read back.
    pub layers: Vec<LayerReading>,
    /// The doors of its network; see [`Start::doors`].
    pub doors: Vec<OwnedFd>,
}

/// Why a worker could not be started or reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct LaunchError {
    /// For people.
    pub why: String,
    /// The launcher itself is not there.
    pub unreachable: bool,
    /// What kind of failure, where a start failed.
    pub failure: Option<StartFailure>,
}

/// What a launcher tells by itself.
#[derive(Debug, Clone)]
pub enum LauncherEvent {
    /// It answers (again): what it can enforce, and what runs.
    Up {
        /// Every layer, as a worker started now would have it.
        layers: Vec<LayerReading>,
        /// What it follows workers by.
        hooks: Vec<KernelHook>,
        /// All workers that run.
        workers: Vec<Worker>,
    },
    /// A worker ended. To be acknowledged.
    Exited(Exited),
    /// What the kernel was seen to do with one.
    Traced(Traced),
    /// The memory of one is close to its limit.
    Pressure(Pressure),
    /// It does not answer any more.
    Down(String),
}

/// Starts and ends workers.
pub trait Launcher: Send + Sync + 'static {
    /// Starts a worker up to its gate.
    fn start(&self, start: Start, fds: WorkerFds) -> BoxFuture<'_, Result<Launched, LaunchError>>;
    /// Lets it run.
    fn open_gate<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, Result<(), LaunchError>>;
    /// Ends it.
    fn kill<'a>(
        &'a self,
        id: &'a WorkerId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<(), LaunchError>>;
    /// What it used since it was last asked; `None` where nobody can say.
    fn measure<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, Option<Measured>>;
    /// Its exit is recorded.
    fn acknowledge<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, ()>;
}
