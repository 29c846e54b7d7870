//! The kernel: decides who may do what, when, and at whose expense, and remembers it.
//!
//! A pure state machine: `handle(event, now) -> Step { facts, effects }`. Durable
//! state changes by [`State::apply`] alone. No clock, randomness, file, socket,
//! thread or lock may enter; bodies stay outside, only their digest and size come in.

#![forbid(unsafe_code)]

mod apply;
mod body;
mod calls;
mod effect;
mod event;
mod fact;
mod grant;
mod idempotency;
mod ids;
mod kernel;
mod ledger;
mod live;
mod name;
mod outcome;
mod process_table;
mod recovery;
mod refusal;
mod scheduler;
#[cfg(test)]
mod sim;
mod snapshot;
mod spec;
mod state;
mod syscall;
mod timers;

pub use apply::ApplyError;
pub use body::{Body, Digest};
pub use effect::{Answer, Barrier, Effect, Release, Step};
pub use event::{Call, Event, Invoke, LiveWorker};
pub use fact::{FORMAT, Fact};
pub use ids::{
    AccountId, CallId, Incarnation, InstanceUid, Millis, NotAUuid, ProfileId, Ticket, TurnId,
};
pub use kernel::{Kernel, Load};
pub use ledger::{Account, Denial};
pub use name::{IdempotencyKey, Name};
pub use outcome::{CancelCause, Exit, Failure, Finish, Outcome, TurnOutcome, Usage};
pub use refusal::{Level, Queue, QuotaKind, Refusal};
pub use snapshot::{NewerFormat, Snapshot};
pub use spec::{GrantRule, InstanceSpec, Lane, Limits, Profile, Quota, TargetPattern, Verdict};
pub use state::{CallRow, InstanceView, Phase, State, TurnRow};
pub use syscall::{Class, Kind, Resource};
