//! What the shell asks of the drivers: one job a call, one ending a job.

use std::sync::Arc;

use aion_abi::problem::Problem;
use aion_kernel::{CallId, Event, Finish, Generation, Millis, Name, Parts, PeerTurn, Usage, Word};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Handle;
use crate::call::Verified;

/// A call that the kernel started.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is asked, and by whom.
    pub verified: Verified,
    /// Fired when the kernel wants it stopped.
    pub cancel: CancellationToken,
    /// When the kernel will want it stopped.
    pub deadline: Millis,
    /// The turn that it began or is about.
    pub peer: Option<PeerTurn>,
    /// The description by which the kernel judged what is done to a device.
    pub judged: Option<Generation>,
    /// Where a long call tells what it used so far.
    pub progress: Progress,
}

/// Tells the kernel what a call used so far.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(super) handle: Handle,
    pub(super) call: CallId,
}

impl Progress {
    /// In total since its start.
    pub(crate) fn used(&self, usage: Usage) {
        self.handle.tell(Event::Progress {
            call: self.call,
            usage,
        });
    }
}

impl Progress {
    /// Asks a person for the far end of the call: `shown` is what the person sees.
    ///
    /// # Errors
    /// Why nobody is asked.
    pub(crate) async fn ask(self, rule: Name, shown: Bytes) -> Result<Word, Problem> {
        self.handle.question(self.call, rule, shown).await
    }
}

#[cfg(test)]
impl Progress {
    /// For a test of a driver: nobody hears it.
    pub(crate) fn unheard(call: CallId) -> Self {
        let (handle, _) = super::lanes();
        Self { handle, call }
    }
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Driven {
    /// For the kernel. `Ok` names the body where the job was keyed.
    pub finish: Finish,
    /// What it used.
    pub usage: Usage,
    /// For the caller: the answer as JSON, for a stream its last event.
    pub said: Result<Bytes, Problem>,
    /// For a keyed stream: the whole of it as it went over the wire, the last event included.
    pub stream: Option<Bytes>,
}

/// Carries out calls.
pub(crate) trait Driving: Send + Sync + 'static {
    /// Carries `job` out. The future is dropped when the kernel gives the call up.
    fn drive(self: Arc<Self>, job: Job) -> BoxFuture<'static, Driven>;

    /// Brings a device into its safe state, where it is by the description that the kernel judged it by. Gives what was done of it
    /// and what may have been.
    fn make_safe(
        self: Arc<Self>,
        device: Name,
        judged: Generation,
        parts: Parts,
    ) -> BoxFuture<'static, (Parts, Parts)>;
}
