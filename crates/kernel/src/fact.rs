//! What has happened, for ever: the only way to durable state.
//!
//! A fact's name and fields are a storage format. A changed meaning gets a new
//! name; a new field is optional with a default. Recovery folds facts and never
//! decides again.

mod moment;
mod names;

use serde::{Deserialize, Serialize};

use crate::{
    approval::Word,
    body::{Body, BodyDigest},
    called::CalledBy,
    guard::{Measure, Parts},
    ids::{
        AccountId, ApprovalId, CallId, Date, Incarnation, InstanceUid, Millis, ProfileId, TurnId,
    },
    name::{IdempotencyKey, Name},
    outcome::{Outcome, TurnOutcome, Usage},
    payer::PaidBy,
    refusal::{Level, Refusal},
    spec::Profile,
    syscall::Kind,
};

/// The format of facts and snapshots that this build writes. The shell writes it at the
/// head of a journal and refuses to read a newer one.
pub const FORMAT: u32 = 1;

/// One fact, as JSON an object whose `fact` is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// A daemon took the state over and settled what was in flight.
    Recovered {
        /// When.
        at: Millis,
    },
    /// From here on the wall clock says so; before, it said something else.
    ClockRead {
        /// When, by the kernel's time.
        at: Millis,
        /// When, by the wall clock.
        date: Date,
    },
    /// An account exists at a level of the ledger.
    AccountOpened {
        /// Its number.
        account: AccountId,
        /// Its level.
        level: Level,
        /// The tenant's account, for an agent's.
        parent: Option<AccountId>,
        /// Tenant's, agent's or key's name.
        name: Name,
    },
    /// An account that nobody uses is forgotten.
    AccountClosed {
        /// Its number.
        account: AccountId,
    },
    /// A profile exists.
    ProfileAdded {
        /// Its number.
        profile: ProfileId,
        /// Its agent's account.
        account: AccountId,
        /// What it says.
        spec: Profile,
    },
    /// A profile that no instance has is forgotten.
    ProfileDropped {
        /// Its number.
        profile: ProfileId,
    },
    /// An instance is here, with this profile from now on.
    InstanceApplied {
        /// Which.
        instance: InstanceUid,
        /// Its profile.
        profile: ProfileId,
        /// Of one that was not here: the incarnation that its own begin behind. None: behind 0.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        behind: Option<Incarnation>,
        /// When.
        at: Millis,
    },
    /// An instance takes no more turns and will be gone.
    InstanceRetiring {
        /// Which.
        instance: InstanceUid,
        /// When.
        at: Millis,
    },
    /// An instance is gone, with its idempotency keys.
    InstanceRemoved {
        /// Which.
        instance: InstanceUid,
        /// When.
        at: Millis,
    },
    /// A turn waits.
    TurnQueued {
        /// Its number.
        turn: TurnId,
        /// Whose.
        instance: InstanceUid,
        /// What made it.
        cause: Name,
        /// Its input.
        input: Body,
        /// When its caller gives up.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        deadline: Option<Millis>,
        /// The call of another turn that began it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        caller: Option<CalledBy>,
        /// The key that it was begun by, or the first of its callers was.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        paid_by: Option<PaidBy>,
        /// When.
        at: Millis,
    },
    /// A worker is being started for it.
    TurnStarted {
        /// Which.
        turn: TurnId,
        /// Of which start.
        incarnation: Incarnation,
        /// When.
        at: Millis,
    },
    /// A turn whose gate never opened waits again after a restart.
    TurnRequeued {
        /// Which.
        turn: TurnId,
        /// When.
        at: Millis,
    },
    /// A turn whose worker was ended with its launcher waits again, and runs from its start.
    TurnEvicted {
        /// Which.
        turn: TurnId,
        /// When.
        at: Millis,
    },
    /// The worker of a turn that waits for a person's word is being ended.
    TurnPausing {
        /// Which.
        turn: TurnId,
        /// Turns that it began and waits for, and that wait for a word themselves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        behind: Vec<TurnId>,
        /// When.
        at: Millis,
    },
    /// Its worker is gone; the turn waits for the word, and runs from its start then.
    TurnParked {
        /// Which.
        turn: TurnId,
        /// When.
        at: Millis,
    },
    /// It waits for no word any more, but for a worker.
    TurnResumed {
        /// Which.
        turn: TurnId,
        /// When.
        at: Millis,
    },
    /// A person is asked about a call.
    ApprovalAsked {
        /// Its number.
        approval: ApprovalId,
        /// Whose turn.
        turn: TurnId,
        /// Which syscall.
        kind: Kind,
        /// As called.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<Name>,
        /// The property or command of the device that it is aimed at.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        point: Option<Name>,
        /// Its key.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<IdempotencyKey>,
        /// The running call whose driver asks; none where the call itself is asked about.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        within: Option<CallId>,
        /// The request: what is shown, and what is done; or the question.
        body: Body,
        /// Origin of the rule that asks.
        rule: Name,
        /// By when somebody has to answer.
        until: Date,
        /// When.
        at: Millis,
    },
    /// What became of it.
    ApprovalAnswered {
        /// Which.
        approval: ApprovalId,
        /// What.
        #[serde(rename = "as")]
        word: Word,
        /// Who said so.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<Name>,
        /// The approval whose wider yes this one is covered by.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        covered_by: Option<ApprovalId>,
        /// When.
        at: Millis,
    },
    /// A word that counted beyond its turn counts no longer.
    WordRevoked {
        /// The approval that it was given for.
        approval: ApprovalId,
        /// Who said so.
        by: Name,
        /// When.
        at: Millis,
    },
    /// The worker is confined as required; its gate opens.
    WorkerRunning {
        /// Whose.
        turn: TurnId,
        /// Process id.
        pid: u32,
        /// Start time, see [`crate::Event::WorkerReady`].
        start_time: u64,
        /// Enforced layers.
        layers: Vec<Name>,
        /// When.
        at: Millis,
    },
    /// The worker is being killed; so the turn will end.
    TurnStopping {
        /// Which.
        turn: TurnId,
        /// How it will end.
        #[serde(rename = "as")]
        outcome: TurnOutcome,
        /// When.
        at: Millis,
    },
    /// A turn ended.
    TurnEnded {
        /// Which.
        turn: TurnId,
        /// How.
        #[serde(rename = "as")]
        outcome: TurnOutcome,
        /// When.
        at: Millis,
    },
    /// A call is authorised and charged for; its driver starts.
    CallStarted {
        /// Its number.
        call: CallId,
        /// Whose turn.
        turn: TurnId,
        /// Which syscall.
        kind: Kind,
        /// As called.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<Name>,
        /// The property or command of the device that it is aimed at.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        point: Option<Name>,
        /// Its key.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<IdempotencyKey>,
        /// Of the request.
        digest: BodyDigest,
        /// Model tokens it may use.
        #[serde(skip_serializing_if = "is_zero", default)]
        reserve: u64,
        /// Doing it twice changes nothing more than once.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        repeatable: bool,
        /// When.
        at: Millis,
    },
    /// Something is about to be done to a point of a device that rules of rate or change are about.
    DeviceMoved {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// Its property or command.
        point: Name,
        /// What is written.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        value: Option<Measure>,
        /// How long moves of the point count, by the rules of now.
        keep_ms: u64,
        /// By which call.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        call: Option<CallId>,
        /// When.
        at: Millis,
    },
    /// What a call was about to write to a point was not written: it counts for a rate, and the point was never that.
    MoveUndone {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// Its property.
        point: Name,
        /// By which call.
        call: CallId,
        /// When.
        at: Millis,
    },
    /// Nothing was sent of what the node itself was about to do to a point: it counts for nothing.
    MoveWithdrawn {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// Its property or command.
        point: Name,
        /// What was to be written.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        value: Option<Measure>,
        /// When it was about to be done, see [`Fact::DeviceMoved`].
        moved: Millis,
        /// When.
        at: Millis,
    },
    /// What was done to these points of a device no longer counts: it is gone, or no rule counts it.
    MovesForgotten {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// Its properties and commands.
        points: Vec<Name>,
        /// When.
        at: Millis,
    },
    /// An agent called for a device that has a watchdog.
    WatchdogFed {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// The parts of its safe state, which is left by this; none: it is a part of it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        leaves: Option<Parts>,
        /// Which safe state is left, see [`crate::Watchdog::what`]. Journals of before do not say: it counts as another one than
        /// any, so that all of it is done.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        what: Option<Name>,
        /// From when on its time runs.
        fed: Millis,
        /// By which call; none: its safe state is another one now.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        call: Option<CallId>,
        /// When.
        at: Millis,
    },
    /// An agent did parts of the safe state of a device.
    SafePartDone {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// Which.
        parts: Parts,
        /// When.
        at: Millis,
    },
    /// No agent called for a device in its time: it is about to be brought into its safe state.
    SafeStateBegun {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// What of it.
        parts: Parts,
        /// What of it may be done twice.
        repeatable: Parts,
        /// When.
        at: Millis,
    },
    /// That ended.
    SafeStateEnded {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// What was done.
        done: Parts,
        /// What may have been done.
        unknown: Parts,
        /// When the rest is tried again.
        again: Millis,
        /// When.
        at: Millis,
    },
    /// A device has no watchdog any more, or is gone.
    WatchdogStopped {
        /// The device, as `<tenant>/<name>`.
        device: Name,
        /// When.
        at: Millis,
    },
    /// A call that was started ended.
    CallEnded {
        /// Which.
        call: CallId,
        /// How.
        #[serde(rename = "as")]
        outcome: Outcome,
        /// What is charged.
        #[serde(skip_serializing_if = "is_nothing", default)]
        usage: Usage,
        /// When.
        at: Millis,
    },
    /// A call started and ended in one step, inside the kernel.
    CallServed {
        /// Its number.
        call: CallId,
        /// Whose turn.
        turn: TurnId,
        /// Which syscall.
        kind: Kind,
        /// Its key.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<IdempotencyKey>,
        /// Of the request.
        digest: BodyDigest,
        /// When.
        at: Millis,
    },
    /// A call was answered without being started.
    CallRefused {
        /// Its number.
        call: CallId,
        /// Whose turn.
        turn: TurnId,
        /// Which syscall.
        kind: Kind,
        /// As called.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<Name>,
        /// Why.
        #[serde(rename = "as")]
        refusal: Refusal,
        /// When.
        at: Millis,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_nothing(usage: &Usage) -> bool {
    *usage == Usage::default()
}
