//! When facts were recorded.

use super::Fact;
use crate::ids::Millis;

impl Fact {
    /// When it was recorded, for the facts that say so.
    #[must_use]
    pub fn at(&self) -> Option<Millis> {
        match self {
            Self::AccountOpened { .. }
            | Self::AccountClosed { .. }
            | Self::ProfileAdded { .. }
            | Self::ProfileDropped { .. } => None,
            Self::Recovered { at }
            | Self::ClockRead { at, .. }
            | Self::InstanceApplied { at, .. }
            | Self::InstanceRetiring { at, .. }
            | Self::InstanceRemoved { at, .. }
            | Self::TurnQueued { at, .. }
            | Self::TurnStarted { at, .. }
            | Self::TurnRequeued { at, .. }
            | Self::TurnEvicted { at, .. }
            | Self::TurnPausing { at, .. }
            | Self::TurnParked { at, .. }
            | Self::TurnResumed { at, .. }
            | Self::ApprovalAsked { at, .. }
            | Self::ApprovalAnswered { at, .. }
            | Self::WordRevoked { at, .. }
            | Self::WorkerRunning { at, .. }
            | Self::TurnStopping { at, .. }
            | Self::TurnEnded { at, .. }
            | Self::CallStarted { at, .. }
            | Self::DeviceMoved { at, .. }
            | Self::MoveUndone { at, .. }
            | Self::MoveWithdrawn { at, .. }
            | Self::MovesForgotten { at, .. }
            | Self::WatchdogFed { at, .. }
            | Self::SafePartDone { at, .. }
            | Self::SafeStateBegun { at, .. }
            | Self::SafeStateEnded { at, .. }
            | Self::WatchdogStopped { at, .. }
            | Self::CallEnded { at, .. }
            | Self::CallServed { at, .. }
            | Self::CallRefused { at, .. } => Some(*at),
        }
    }
}
