//! The kernel: decides who may do what, when, and at whose expense, and remembers it.
//!
//! A pure state machine: `handle(event, now) -> Step { facts, effects }`. Durable
//! state changes by [`State::apply`] alone. No clock, randomness, file, socket,
//! thread or lock may enter; bodies stay outside, only their digest and size come in.

#![forbid(unsafe_code)]

mod effect;
mod event;
mod fact;
mod ids;
mod kernel;
mod outcome;
mod refusal;
mod spec;
mod state;
mod syscall;

pub use effect::{Answer, Barrier, Effect, Release, Step};
pub use event::{Call, Event, Invoke, LiveWorker};
pub use fact::{FORMAT, Fact};
pub use ids::{
    AccountId, Body, CallId, Digest, IdempotencyKey, Incarnation, InstanceUid, Millis, Name,
    NotAUuid, ProfileId, Ticket, TurnId,
};
pub use kernel::Kernel;
pub use outcome::{CancelCause, Exit, Failure, Finish, Outcome, TurnOutcome, Usage};
pub use refusal::{Level, Queue, QuotaKind, Refusal};
pub use spec::{GrantRule, InstanceSpec, Lane, Limits, Profile, Quota, TargetPattern, Verdict};
pub use state::{ApplyError, Snapshot, State};
pub use syscall::{Class, Kind, Resource};
