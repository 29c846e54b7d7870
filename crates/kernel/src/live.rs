//! Volatile state: who waits, what runs, and what is derived from durable state.
//!
//! Nothing here is stored. After a restart the derived part is rebuilt from durable
//! state, and the rest is settled by `recovery`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    body::Body,
    called::Peer,
    grant::GrantTables,
    guard::{Aimed, UnderWay, Watch},
    ids::{AccountId, ApprovalId, CallId, InstanceUid, Millis, ProfileId, Ticket, TurnId},
    ledger::Reservations,
    name::{IdempotencyKey, Name},
    outcome::{CancelCause, Usage},
    refusal::{Level, QuotaKind, Refusal},
    scheduler::{Place, Scheduler, Slot},
    spec::{Limits, Profile},
    state::State,
    syscall::{Kind, Resource},
    timers::Timers,
};

#[derive(Debug)]
pub(crate) struct Live {
    /// Number of the next call; ahead of the durable one by the calls that wait.
    pub(crate) next_call: u64,
    pub(crate) calls: BTreeMap<CallId, LiveCall>,
    /// Keys of calls that wait; those of running ones are durable.
    pub(crate) waiting_keys: BTreeMap<(InstanceUid, IdempotencyKey), CallId>,
    pub(crate) turns: BTreeMap<TurnId, LiveTurn>,
    /// Turns that have not got a worker, by instance, oldest first. Only the first of an
    /// instance without a worker waits for a slot.
    pub(crate) waiting_turns: BTreeMap<InstanceUid, VecDeque<TurnId>>,
    /// How many turns without a worker each tenant has.
    pub(crate) waiting_by_tenant: BTreeMap<AccountId, u32>,
    pub(crate) tickets: BTreeMap<Ticket, Holder>,
    /// Drivers that wait for a person's word.
    pub(crate) questions: BTreeMap<ApprovalId, Ticket>,
    pub(crate) reservations: Reservations,
    pub(crate) scheduler: Scheduler,
    pub(crate) timers: Timers,
    /// When devices that are armed are brought into their safe states, as far as it is known what these are.
    pub(crate) watchdogs: Timers<Name>,
    /// Worker time by agent, in milliseconds: which of a tenant's programs goes first.
    pub(crate) attained: BTreeMap<AccountId, u64>,
    pub(crate) tables: GrantTables,
    pub(crate) watch: Watch,
    /// What is being done to devices.
    pub(crate) under_way: UnderWay,
    pub(crate) profile_ids: BTreeMap<Arc<Profile>, ProfileId>,
    /// Accounts by the account above, level and name.
    pub(crate) account_ids: BTreeMap<(AccountId, Level, Name), AccountId>,
    /// How many of them are of API keys.
    pub(crate) payers: u32,
    /// The last refusals that stand for many.
    pub(crate) refused: BTreeMap<Repeated, Recorded>,
    /// How many turns lend their slots.
    pub(crate) lent: u32,
    pub(crate) draining: bool,
}

/// What a ticket waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder {
    Call(CallId),
    Turn(TurnId),
}

/// A call that waits or runs.
#[derive(Debug)]
pub(crate) struct LiveCall {
    pub(crate) turn: TurnId,
    pub(crate) instance: InstanceUid,
    pub(crate) kind: Kind,
    pub(crate) target: Option<Name>,
    pub(crate) resource: Resource,
    pub(crate) body: Body,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) repeatable: bool,
    /// See [`crate::Call::peer`].
    pub(crate) peer: Option<Peer>,
    /// See [`crate::Call::aim`].
    pub(crate) aim: Option<Aimed>,
    /// The turn that it is about, since it started.
    pub(crate) waits_for: Option<TurnId>,
    /// The first is the one a stream goes to; others joined by the same key.
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) opened_by: Ticket,
    /// Cluster, tenant, agent.
    pub(crate) accounts: [AccountId; 3],
    /// Of those who pay for its turn beside its agent.
    pub(crate) payers: Vec<AccountId>,
    /// Tokens held in the ledger.
    pub(crate) held: u64,
    /// What it used as far as is known.
    pub(crate) seen: Usage,
    pub(crate) deadline: Millis,
    /// Who made it named the deadline, and counts on it.
    pub(crate) timed: bool,
    pub(crate) phase: CallPhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallPhase {
    /// For a person's word.
    Held(Held),
    Waiting(Place),
    Running(Slot),
    /// Told to stop; `None` because of its deadline.
    Stopping(Slot, Option<CancelCause>),
}

/// What a call waits for that a person is asked about, and what it asked for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) approval: ApprovalId,
    pub(crate) reserve_tokens: u64,
    pub(crate) deadline_ms: Option<u64>,
}

/// A turn that has not ended.
#[derive(Debug, Default)]
pub(crate) struct LiveTurn {
    pub(crate) ticket: Option<Ticket>,
    /// Its calls that wait or run.
    pub(crate) calls: BTreeSet<CallId>,
    /// Slot time its calls have had, in milliseconds.
    pub(crate) attained: u64,
    pub(crate) place: Option<Place>,
    pub(crate) slot: Option<Slot>,
    /// It waits for a turn that it began, and its slot is somebody else's meanwhile.
    pub(crate) lends: bool,
}

/// Refusals of which one is recorded for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Repeated {
    /// By a quota.
    Quota {
        /// Whose call it was.
        agent: AccountId,
        /// The key of its turn, where the quota is the key's.
        key: Option<AccountId>,
        /// Whose quota it is.
        level: Level,
        /// Of what.
        quota: QuotaKind,
        /// What never fits is not told that it will, and the other way round.
        fits_later: bool,
    },
    /// Of a turn that is over.
    Over(TurnId),
}

/// What was recorded last, and answers the next.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) call: CallId,
    pub(crate) refusal: Refusal,
    pub(crate) at: Millis,
}

impl Live {
    /// With what is derived from `state`.
    pub(crate) fn derive(state: &mut State, limits: &Limits) -> Self {
        let mut tables = GrantTables::default();
        for (id, row) in &mut state.profiles {
            // What was read from the journal is not shared yet.
            let grants = tables.insert(*id, &row.spec.grants);
            Arc::make_mut(&mut row.spec).grants = grants;
        }
        let profile_ids = state
            .profiles
            .iter()
            .map(|(id, row)| (row.spec.clone(), *id));
        let account_ids = state.accounts.iter().filter_map(|(id, account)| {
            let key = (account.parent?, account.level, account.name.clone());
            Some((key, *id))
        });
        let of_keys = state.accounts.values().filter(|it| it.level == Level::Key);
        let payers = u32::try_from(of_keys.count()).unwrap_or(u32::MAX);
        Self {
            payers,
            next_call: state.next_call,
            calls: BTreeMap::new(),
            waiting_keys: BTreeMap::new(),
            turns: BTreeMap::new(),
            waiting_turns: BTreeMap::new(),
            waiting_by_tenant: BTreeMap::new(),
            tickets: BTreeMap::new(),
            questions: BTreeMap::new(),
            reservations: Reservations::default(),
            scheduler: Scheduler::new(limits),
            timers: Timers::default(),
            watchdogs: Timers::default(),
            attained: BTreeMap::new(),
            tables,
            watch: Watch::default(),
            under_way: UnderWay::default(),
            profile_ids: profile_ids.collect(),
            account_ids: account_ids.collect(),
            refused: BTreeMap::new(),
            lent: 0,
            draining: false,
        }
    }
}
