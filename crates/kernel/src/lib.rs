//! The kernel: decides who may do what, when, and at whose expense, and remembers it.
//!
//! A pure state machine: [`Kernel::handle`] takes an [`Event`] and the time, and gives a
//! [`Step`] of facts and effects. No clock, randomness, file, socket, thread or lock may
//! enter, and no crate of ours; bodies stay outside, only their digest and size come in.
//!
//! | room | what it is for |
//! |---|---|
//! | `event`, `effect`, `fact`, `spec`, `refusal`, `outcome` | the contract with the shell |
//! | `kernel` | the door |
//! | `process_table` | instances, turns, workers |
//! | `calls`, `syscall` | syscalls, from request to outcome |
//! | `called` | turns that turns began |
//! | `payer` | API keys that turns are begun by, and their budgets |
//! | `grant` | may it? |
//! | `guard` | does what is done to a device keep its guardrails? |
//! | `ledger` | at whose expense? |
//! | `scheduler` | who is next? |
//! | `idempotency` | was it done already? |
//! | `approval` | did a person agree? |
//! | `state`, `apply`, `snapshot` | what is durable, and how facts change it |
//! | `live`, `timers` | what is not durable |
//! | `counts` | what was used, and what waits, for people |
//! | `recovery` | what a restart settles |
//! | `sim` | random histories that try to break all this (tests only) |
//!
//! # Using it
//! The shell hands a batch of events in, appends the facts of the steps to its journal in
//! order and in one write, and releases each effect when its [`Barrier`] is reached: effects
//! of equal barrier in the order they came. `handle` has applied its facts when it returns;
//! a shell that cannot append must stop. It arms one timer for [`Kernel::next_deadline`] and
//! hands [`Event::Alarm`] in when that comes. To start: [`Kernel::restore`] (or
//! [`Kernel::new`]), [`Kernel::apply`] for each fact behind the snapshot, then
//! [`Event::Recovered`].
//!
//! # Invariants
//! Each is checked in simulated histories with crashes on every test run (`sim`):
//!
//! 1. **No effect without a grant.** A driver starts only if the profile that the instance has at
//!    that moment allows it; a gate opens only with every required layer.
//! 2. **One outcome.** A call whose driver was started has exactly one [`Fact::CallEnded`], a turn that was
//!    queued exactly one [`Fact::TurnEnded`]; a ticket is answered at most once, and exactly once if
//!    nothing crashes and its connection stays.
//! 3. **No effect twice.** An incarnation is given out once; a call is driven once; under an idempotency key
//!    an effect runs once, until the key is forgotten (the last 256 that ended, for a day) or the
//!    driver says that nothing was done.
//! 4. **Told is kept.** The intent of an effect is durable before its driver starts; an outcome is as safe as its
//!    class demands before anybody hears of it.
//! 5. **Charged equals ran.** Accounts hold exactly the calls that started and the tokens they used; with nothing
//!    in flight nothing is reserved. Where nobody knows what a call used, what was reserved is charged.
//! 6. **No quota is exceeded** in any minute or hour, but by a driver that uses more than was reserved for it.
//! 7. **Fairness** within the bounds in `scheduler/README.md`.
//! 8. **Nothing waits for ever.** No slot is free while something waits for it; every call and every worker has a time
//!    by which it ends.
//! 9. **A turn is called once, and within its caller.** A call under a key begins one turn at most, however often it is
//!    made again; no agent stands twice in a chain of callers, and no chain is longer than [`MAX_DEPTH`]. What is called does
//!    nothing that one of its callers does not let it do, its tokens count against the quota of each of them and of the key
//!    that the first was begun by, and it ends when they do. A turn that waits for another holds no slot, no turn lends more than one, and none comes to wait
//!    for itself.
//! 10. **No device is driven against a guardrail.** When the driver of a write or command starts, every rule of its device lets it
//!     pass by what is known at that moment, and what is not known lets nothing pass. What rules of rate and change count
//!     survives crashes.
//! 11. **A device that an agent led out of its safe state is brought into it once**, when no call came for its time: all parts
//!     that were not done since, none twice unless it may be, never while a call tells the device something, and only by the
//!     description that is known then. What was done of one safe state counts for no other.
//! 12. **Facts are the state.** Folding them, from the start or from a snapshot, gives the state that was live.

#![forbid(unsafe_code)]

mod apply;
mod approval;
mod body;
mod called;
mod calls;
mod counts;
mod effect;
mod event;
mod fact;
mod grant;
mod guard;
mod idempotency;
mod ids;
mod kernel;
mod ledger;
mod live;
mod name;
mod outcome;
mod payer;
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
pub use approval::{Answered, ApprovalRow, Scope, StandingWord, Unheard, Word};
pub use body::{Body, BodyDigest};
pub use called::{Begun, Called, CalledBy, Delegated, MAX_BEGUN, MAX_DEPTH, Peer, PeerTurn, Spawn};
pub use counts::{Used, Waits};
pub use effect::{Answer, Barrier, Effect, Release, Step};
pub use event::{Call, Event, Invoke, LiveWorker};
pub use fact::{FORMAT, Fact};
pub use grant::Verdicts;
pub use guard::{
    Aim, Breach, Check, Clause, Comparison, Condition, Generation, Guarding, Guards, Hours,
    MAX_CLAUSES, MAX_MOVES, MAX_RULES, MAX_SAFE_PARTS, MAX_SPAN_MS, MAX_WHAT, Measure, Misguided,
    Parts, Point, Rule, SafePart, Term, TooLarge, Unknown, WEEK_MINUTES, WEEK_MS, Watchdog,
};
pub use ids::{
    AccountId, ApprovalId, CallId, Date, Incarnation, InstanceUid, Millis, NotAUuid, Now,
    ProfileId, Ticket, TurnId,
};
pub use kernel::{Kernel, Load};
pub use ledger::{Account, Denial, Denied};
pub use name::{IdempotencyKey, Name};
pub use outcome::{CancelCause, Exit, Failure, Finish, Outcome, TurnOutcome, Usage};
pub use payer::{PaidBy, Payer};
pub use refusal::{Level, Queue, QuotaKind, Refusal, TurnBound, Unasked};
pub use snapshot::{NewerFormat, Snapshot};
pub use spec::{GrantRule, InstanceSpec, Lane, Limits, Profile, Quota, TargetPattern, Verdict};
pub use state::{CallRow, InstanceView, Phase, State, TurnRow};
pub use syscall::{Class, Kind, Resource};
