//! A publish on its way to the task, and who waits for its end.

use aion_abi::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::device::Publish;

pub(super) struct Request {
    pub publish: Publish,
    pub waiter: Waiter,
    /// Given back when the publish is written.
    pub bytes: OwnedSemaphorePermit,
}

/// Who waits. The slot is given back with it: when the publish ends, however long ago its caller gave it up.
pub(super) struct Waiter {
    ends: oneshot::Sender<Result<(), Problem>>,
    _slot: OwnedSemaphorePermit,
}

impl Waiter {
    pub(super) fn new(
        ends: oneshot::Sender<Result<(), Problem>>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self { ends, _slot: slot }
    }

    /// Whether nobody waits any more.
    pub(super) fn gave_up(&self) -> bool {
        self.ends.is_closed()
    }

    pub(super) fn end(self, end: Result<(), Problem>) {
        // Whoever gave up is told nothing.
        let _ = self.ends.send(end);
    }
}
