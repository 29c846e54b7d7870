//! What the kernel was seen to do with one worker.

use aion_abi::kernel_event::{KernelCounts, KernelEvent};
use serde::{Deserialize, Serialize};

use super::WorkerId;

/// The most events in one message.
pub const EVENTS_PER_MESSAGE: usize = 16;

/// Events of one worker, and at times what was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// Which worker.
    pub id: WorkerId,
    /// In their order, at most [`EVENTS_PER_MESSAGE`].
    #[serde(default)]
    pub events: Vec<KernelEvent>,
    /// All that was counted so far, where it is more than was told.
    #[serde(default)]
    pub counts: Option<KernelCounts>,
}
