//! Durable state: what the facts fold to.
//!
//! Rows and how to read them; how facts change them is in `apply`. Every map is
//! ordered, so that equal histories make equal states and equal snapshots. A row
//! of an instance at rest is a few dozen bytes: what instances share is in profiles.

mod asked;
mod payers;

use std::{
    collections::{BTreeMap, VecDeque},
    iter,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    approval::{ApprovalRow, Request, Said, StandingWord},
    body::{Body, BodyDigest},
    called::{Begun, Called},
    guard::{Moves, Watchdogs},
    idempotency::KeyTable,
    ids::{
        AccountId, ApprovalId, CallId, Date, Incarnation, InstanceUid, Millis, Now, ProfileId,
        TurnId,
    },
    ledger::{Account, Denial},
    name::{IdempotencyKey, Name},
    outcome::{TurnOutcome, Usage},
    payer::PaidBy,
    refusal::Level,
    spec::Profile,
    syscall::Kind,
};

/// The account that all tenants charge to.
pub(crate) const CLUSTER: AccountId = AccountId(0);

/// Steps of the wall clock that are remembered, so that what is past keeps its date: months of a laptop that sleeps each night.
const READINGS: usize = 256;

/// What the facts fold to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(crate) recoveries: u64,
    /// When the newest fact was recorded.
    #[serde(default)]
    pub(crate) latest: Option<Millis>,
    /// When the wall clock was last found to say something else than the kernel's time makes of what it said before.
    #[serde(default)]
    pub(crate) dated: Option<Now>,
    /// When it was before that, oldest first, the last [`READINGS`] times.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) dated_before: VecDeque<Now>,
    pub(crate) next_call: u64,
    pub(crate) next_turn: u64,
    pub(crate) next_profile: u32,
    pub(crate) next_account: u32,
    /// The highest incarnation of an instance that is gone: its uid may come back, and its keys must not.
    #[serde(default)]
    pub(crate) spent: Incarnation,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) profiles: BTreeMap<ProfileId, ProfileRow>,
    pub(crate) instances: BTreeMap<InstanceUid, InstanceRow>,
    pub(crate) turns: BTreeMap<TurnId, TurnRow>,
    pub(crate) calls: BTreeMap<CallId, CallRow>,
    pub(crate) keys: BTreeMap<InstanceUid, KeyTable>,
    #[serde(default)]
    pub(crate) last_approval: ApprovalId,
    #[serde(default)]
    pub(crate) approvals: BTreeMap<ApprovalId, ApprovalRow>,
    /// What people said for longer than a turn.
    #[serde(default)]
    pub(crate) words: BTreeMap<ApprovalId, StandingWord>,
    /// What was done to devices lately.
    #[serde(default, skip_serializing_if = "Moves::is_empty")]
    pub(crate) moves: Moves,
    /// Devices that are out of their safe state.
    #[serde(default, skip_serializing_if = "Watchdogs::is_empty")]
    pub(crate) watchdogs: Watchdogs,
    /// Bytes of the answers that all keys keep.
    #[serde(skip)]
    pub(crate) kept_bytes: u64,
}

/// A profile and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProfileRow {
    #[serde(with = "shared")]
    pub(crate) spec: Arc<Profile>,
    pub(crate) account: AccountId,
    pub(crate) instances: u32,
}

/// An instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceRow {
    pub(crate) profile: ProfileId,
    pub(crate) incarnation: Incarnation,
    pub(crate) retiring: bool,
    /// The turn that has its worker.
    pub(crate) turn: Option<TurnId>,
}

/// A turn that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRow {
    /// Whose.
    pub instance: InstanceUid,
    /// What made it.
    pub cause: Name,
    /// Its input.
    pub input: Body,
    /// Since when it waits, or waited.
    pub queued_at: Millis,
    /// When its caller gives up.
    pub deadline: Option<Millis>,
    /// How far it is.
    pub phase: Phase,
    /// Its worker is being killed; so it will end.
    pub stopping: Option<TurnOutcome>,
    /// Its worker is being ended: the turn waits for a person's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pausing: bool,
    /// It waits for these to go on, which wait for a word themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<TurnId>,
    /// Tokens charged so far.
    pub usage: Usage,
    /// Calls admitted so far.
    pub calls: u64,
    /// How often a person was asked for it so far.
    #[serde(default)]
    pub(crate) asked: u32,
    /// All its effects have keys of its steps, and the outcomes are kept: when it runs again, none is done twice.
    #[serde(default)]
    pub replayable: bool,
    /// What it bears of the turn that called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Box<Called>>,
    /// The turns that it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<Begun>,
    /// The key that it was begun by, or the first of its callers was, where that has a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_by: Option<PaidBy>,
}

impl TurnRow {
    /// The turns that it began and that have not ended.
    pub(crate) fn open_begun(&self) -> Vec<TurnId> {
        let open = self.begun.iter().filter(|it| it.ended.is_none());
        open.map(|it| it.turn).collect()
    }
}

/// How far a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// Waits.
    Queued,
    /// Waits for a person's word, and asks for no worker.
    Parked,
    /// Its worker is being started; the gate is closed.
    Starting {
        /// Which start.
        incarnation: Incarnation,
        /// When it began.
        since: Millis,
    },
    /// Its worker runs; the gate is open.
    Running {
        /// Which start.
        incarnation: Incarnation,
        /// When the start began.
        since: Millis,
        /// Process id.
        pid: u32,
        /// With the pid names the process.
        start_time: u64,
    },
}

impl Phase {
    /// The worker's, if there is one.
    #[must_use]
    pub fn incarnation(&self) -> Option<Incarnation> {
        match self {
            Self::Queued | Self::Parked => None,
            Self::Starting { incarnation, .. } | Self::Running { incarnation, .. } => {
                Some(*incarnation)
            }
        }
    }
}

/// A call whose driver was started and that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// Whose turn.
    pub turn: TurnId,
    /// Whose instance.
    pub instance: InstanceUid,
    /// Which syscall.
    pub kind: Kind,
    /// As called.
    #[serde(default)]
    pub target: Option<Name>,
    /// Its key.
    pub key: Option<IdempotencyKey>,
    /// The agent's account that it charges to.
    pub(crate) account: AccountId,
    /// Those of the agents that called its turn, and of the key that it was begun by: its tokens count there, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) payers: Vec<AccountId>,
    /// Tokens it may use.
    pub(crate) reserve: u64,
    /// Whether it may be run a second time.
    pub(crate) repeatable: bool,
    /// When its driver was started.
    pub started_at: Millis,
}

impl CallRow {
    /// Whether it may run a second time: it changes nothing more, or finds the turn that it began by its key.
    pub(crate) fn is_found_again(&self) -> bool {
        self.repeatable || (self.kind.begins_a_turn() && self.key.is_some())
    }
}

/// An instance, to read.
#[derive(Clone, Copy, Debug)]
pub struct InstanceView<'a> {
    /// Its uid.
    pub uid: InstanceUid,
    /// What it may do.
    pub profile: &'a Profile,
    /// Its last worker's number; 0 when there was none.
    pub incarnation: Incarnation,
    /// The turn that has its worker.
    pub turn: Option<TurnId>,
    /// It takes no more turns.
    pub retiring: bool,
}

impl Default for State {
    fn default() -> Self {
        let cluster = Account::new(Level::Cluster, None, Name::default());
        Self {
            recoveries: 0,
            latest: None,
            dated: None,
            dated_before: VecDeque::new(),
            next_call: 1,
            next_turn: 1,
            next_profile: 1,
            next_account: CLUSTER.0 + 1,
            spent: Incarnation::default(),
            accounts: BTreeMap::from([(CLUSTER, cluster)]),
            profiles: BTreeMap::new(),
            instances: BTreeMap::new(),
            turns: BTreeMap::new(),
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            last_approval: ApprovalId::default(),
            approvals: BTreeMap::new(),
            words: BTreeMap::new(),
            moves: Moves::default(),
            watchdogs: Watchdogs::default(),
            kept_bytes: 0,
        }
    }
}

impl State {
    /// How often the state was taken over after a stop.
    #[must_use]
    pub fn recoveries(&self) -> u64 {
        self.recoveries
    }

    /// The date of a moment, by what the wall clock said then; what is older than all that is known of it, by the oldest of that. A
    /// journal that never noted it has dates for moments.
    #[must_use]
    pub fn date_of(&self, at: Millis) -> Date {
        let Some(dated) = self.dated else {
            return Date(at.0);
        };
        let mut all = iter::once(&dated).chain(self.dated_before.iter().rev());
        let oldest = self.dated_before.front().unwrap_or(&dated);
        all.find(|it| it.at <= at).unwrap_or(oldest).date_of(at)
    }

    /// The wall clock says something else from here on.
    pub(crate) fn dates_by(&mut self, now: Now) {
        if let Some(before) = self.dated.replace(now) {
            if self.dated_before.len() == READINGS {
                self.dated_before.pop_front();
            }
            self.dated_before.push_back(before);
        }
    }

    /// When the newest fact was recorded; `None` where there is none. A restart goes on from there.
    #[must_use]
    pub fn latest(&self) -> Option<Now> {
        let at = self.latest?;
        let date = self.date_of(at);
        Some(Now { at, date })
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, uid: InstanceUid) -> Option<InstanceView<'_>> {
        self.view(uid, self.instances.get(&uid)?)
    }

    /// All instances, by uid.
    pub fn instances(&self) -> impl Iterator<Item = InstanceView<'_>> {
        self.instances
            .iter()
            .filter_map(|(uid, row)| self.view(*uid, row))
    }

    /// A turn that has not ended.
    #[must_use]
    pub fn turn(&self, turn: TurnId) -> Option<&TurnRow> {
        self.turns.get(&turn)
    }

    /// All turns that have not ended, oldest first.
    pub fn turns(&self) -> impl Iterator<Item = (TurnId, &TurnRow)> {
        self.turns.iter().map(|(turn, row)| (*turn, row))
    }

    /// A call whose driver was started and that has not ended.
    #[must_use]
    pub fn call(&self, call: CallId) -> Option<&CallRow> {
        self.calls.get(&call)
    }

    /// All calls whose driver was started and that have not ended, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &CallRow)> {
        self.calls.iter().map(|(call, row)| (*call, row))
    }

    /// Bodies that somebody may still ask for, a retry with an idempotency key or a person who is to say a word: the
    /// shell keeps their bytes.
    pub fn recorded_bodies(&self) -> impl Iterator<Item = BodyDigest> {
        let asked = self.approvals.values().filter(|row| row.is_pending());
        let asked = asked.map(|row| row.body.digest);
        self.keys.values().flat_map(KeyTable::bodies).chain(asked)
    }

    /// The accounts that an instance charges to: cluster, tenant, agent.
    #[must_use]
    pub fn accounts_of(&self, uid: InstanceUid) -> Option<[&Account; 3]> {
        let profile = self.profiles.get(&self.instances.get(&uid)?.profile)?;
        let ids = self.levels(profile.account)?;
        Some([
            self.accounts.get(&ids[0])?,
            self.accounts.get(&ids[1])?,
            self.accounts.get(&ids[2])?,
        ])
    }

    /// The last refusals by rule, quota or driver of an instance's agent, oldest first.
    pub fn denials(&self, uid: InstanceUid) -> impl Iterator<Item = &Denial> {
        self.accounts_of(uid)
            .into_iter()
            .flat_map(|[_, _, agent]| &agent.denials)
    }

    /// The turns that called this one, from the nearest, for as long as they are there.
    pub(crate) fn callers(&self, turn: TurnId) -> impl Iterator<Item = (TurnId, &TurnRow)> {
        let above = |turn: TurnId| {
            let by = self.turns.get(&turn)?.called.as_ref()?.by;
            self.turns.get(&by).map(|row| (by, row))
        };
        std::iter::successors(above(turn), move |(turn, _)| above(*turn))
    }

    /// An agent's account and those above it, cluster first.
    pub(crate) fn levels(&self, agent: AccountId) -> Option<[AccountId; 3]> {
        let tenant = self.accounts.get(&agent)?.parent?;
        Some([self.accounts.get(&tenant)?.parent?, tenant, agent])
    }

    fn view(&self, uid: InstanceUid, row: &InstanceRow) -> Option<InstanceView<'_>> {
        Some(InstanceView {
            uid,
            profile: &self.profiles.get(&row.profile)?.spec,
            incarnation: row.incarnation,
            turn: row.turn,
            retiring: row.retiring,
        })
    }
}

/// A shared value, stored as its content.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}
