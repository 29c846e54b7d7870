//! The names of facts.

use super::Fact;

/// Each fact's name, once: in JSON, in errors, in [`Fact::NAMES`].
macro_rules! names {
    ($($variant:ident = $name:literal,)*) => {
        impl Fact {
            /// The names of all facts that this build can fold. A name that is not
            /// here was written by a newer build.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// The fact's name, as in JSON.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)* }
            }
        }
    };
}

names! {
    Recovered = "recovered",
    ClockRead = "clock-read",
    AccountOpened = "account-opened",
    AccountClosed = "account-closed",
    ProfileAdded = "profile-added",
    ProfileDropped = "profile-dropped",
    InstanceApplied = "instance-applied",
    InstanceRetiring = "instance-retiring",
    InstanceRemoved = "instance-removed",
    TurnQueued = "turn-queued",
    TurnStarted = "turn-started",
    TurnRequeued = "turn-requeued",
    TurnEvicted = "turn-evicted",
    TurnPausing = "turn-pausing",
    TurnParked = "turn-parked",
    TurnResumed = "turn-resumed",
    ApprovalAsked = "approval-asked",
    ApprovalAnswered = "approval-answered",
    WordRevoked = "word-revoked",
    WorkerRunning = "worker-running",
    TurnStopping = "turn-stopping",
    TurnEnded = "turn-ended",
    CallStarted = "call-started",
    DeviceMoved = "device-moved",
    MoveUndone = "move-undone",
    MoveWithdrawn = "move-withdrawn",
    MovesForgotten = "moves-forgotten",
    WatchdogFed = "watchdog-fed",
    SafePartDone = "safe-part-done",
    SafeStateBegun = "safe-state-begun",
    SafeStateEnded = "safe-state-ended",
    WatchdogStopped = "watchdog-stopped",
    CallEnded = "call-ended",
    CallServed = "call-served",
    CallRefused = "call-refused",
}
