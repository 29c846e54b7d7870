//! What the facts and effects of a history must never do, told without the kernel's code.
//!
//! The model reads the same facts with tables of its own, and judges each step.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    asking::{Questions, What},
    calling::Chains,
    guards::Town,
    quotas::Paid,
};
use crate::{
    CallId, Class, Fact, GrantRule, Incarnation, InstanceUid, Kind, Millis, Name, Outcome, Profile,
    ProfileId, Refusal, TargetPattern, Ticket, TurnId, TurnOutcome, Usage, Verdict,
};

pub(super) type Check = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition { return Err(format!($($message)*)); }
    };
}
pub(super) use ensure;

/// A call that was started or served.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) turn: TurnId,
    pub(super) agent: (Name, Name),
    pub(super) kind: Kind,
    pub(super) target: Option<Name>,
    pub(super) reserve: u64,
    pub(super) at: Millis,
    pub(super) ended: Option<(Outcome, Usage, Millis)>,
}

#[derive(Clone, Debug)]
pub(super) struct ModelTurn {
    pub(super) instance: InstanceUid,
    pub(super) incarnation: Option<Incarnation>,
    pub(super) running: bool,
    pub(super) stopping: bool,
    pub(super) pausing: bool,
    pub(super) parked: bool,
    pub(super) ended: Option<TurnOutcome>,
}

/// Everything the facts say, kept for ever.
#[derive(Default)]
pub(super) struct Model {
    profiles: BTreeMap<ProfileId, Profile>,
    pub(super) instances: BTreeMap<InstanceUid, ProfileId>,
    pub(super) retiring: BTreeSet<InstanceUid>,
    pub(super) calls: BTreeMap<CallId, Admitted>,
    pub(super) refused: BTreeMap<CallId, Refusal>,
    pub(super) turns: BTreeMap<TurnId, ModelTurn>,
    incarnations: BTreeMap<InstanceUid, Incarnation>,
    /// Turns with an effect that has no key of a step.
    without_step: BTreeSet<TurnId>,
    pub(super) questions: Questions,
    pub(super) chains: Chains,
    pub(super) paid: Paid,
    pub(super) town: Town,
}

/// What a connection has been told, in one run of the daemon.
#[derive(Default)]
pub(super) struct Told {
    open: BTreeSet<Ticket>,
    answered: BTreeSet<Ticket>,
}

impl Told {
    pub(super) fn open(&mut self, ticket: Ticket) {
        self.open.insert(ticket);
    }

    /// Nobody listens any more.
    pub(super) fn close(&mut self, ticket: Ticket) {
        self.open.remove(&ticket);
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.open.iter().copied()
    }

    pub(super) fn answer(&mut self, ticket: Ticket) -> Check {
        ensure!(
            self.answered.insert(ticket),
            "ticket {ticket} was answered twice"
        );
        self.open.remove(&ticket);
        Ok(())
    }
}

impl Model {
    pub(super) fn profile(&self, instance: InstanceUid) -> Option<&Profile> {
        self.profiles.get(self.instances.get(&instance)?)
    }

    pub(super) fn fact(&mut self, fact: &Fact) -> Check {
        self.approval_fact(fact)?;
        self.called_fact(fact)?;
        self.paid_fact(fact)?;
        self.town.dog_fact(fact)?;
        self.town.move_fact(fact);
        match fact.clone() {
            Fact::ProfileAdded { profile, spec, .. } => {
                self.profiles.insert(profile, spec);
            }
            Fact::InstanceApplied {
                instance, profile, ..
            } => {
                self.instances.insert(instance, profile);
            }
            Fact::InstanceRemoved { instance, .. } => {
                let open = |turn: &&ModelTurn| turn.instance == instance && turn.ended.is_none();
                ensure!(
                    !self.turns.values().any(|turn| open(&turn)),
                    "{instance} was removed with a turn"
                );
                self.instances.remove(&instance);
            }
            Fact::TurnQueued { turn, instance, .. } => {
                let row = ModelTurn {
                    instance,
                    incarnation: None,
                    running: false,
                    stopping: false,
                    pausing: false,
                    parked: false,
                    ended: None,
                };
                ensure!(
                    self.turns.insert(turn, row).is_none(),
                    "turn {turn} was queued twice"
                );
            }
            Fact::TurnStarted {
                turn, incarnation, ..
            } => {
                let row = self.turns.get_mut(&turn).ok_or("an unknown turn started")?;
                ensure!(!row.parked, "turn {turn} starts without its answer");
                ensure!(
                    !self.without_step.contains(&turn),
                    "turn {turn} runs again and cannot tell what it did"
                );
                row.incarnation = Some(incarnation);
                let last = self.incarnations.insert(row.instance, incarnation);
                ensure!(
                    last < Some(incarnation),
                    "incarnation {incarnation} was given out twice"
                );
                let instance = row.instance;
                let busy = self.turns.values().filter(|row| {
                    row.instance == instance && row.incarnation.is_some() && row.ended.is_none()
                });
                ensure!(busy.count() == 1, "{instance} has two workers");
            }
            Fact::TurnRequeued { turn, .. } => {
                let row = self
                    .turns
                    .get_mut(&turn)
                    .ok_or("an unknown turn was requeued")?;
                ensure!(
                    !row.running,
                    "turn {turn} was requeued after its gate opened"
                );
                row.incarnation = None;
            }
            Fact::TurnEvicted { turn, .. } => {
                let row = self
                    .turns
                    .get_mut(&turn)
                    .ok_or("an unknown turn was evicted")?;
                ensure!(
                    row.incarnation.is_some() && !row.stopping && row.ended.is_none(),
                    "turn {turn} was evicted without a worker"
                );
                (row.incarnation, row.running, row.pausing) = (None, false, false);
            }
            Fact::WorkerRunning { turn, layers, .. } => {
                let row = self.turns.get_mut(&turn).ok_or("an unknown turn runs")?;
                row.running = true;
                let instance = row.instance;
                let profile = self.profile(instance).ok_or("a worker without a profile")?;
                let stands = profile
                    .required_layers
                    .iter()
                    .all(|layer| layers.contains(layer));
                ensure!(stands, "turn {turn} runs in {layers:?}");
            }
            Fact::TurnStopping { turn, .. } => {
                self.turns
                    .get_mut(&turn)
                    .ok_or("an unknown turn stops")?
                    .stopping = true;
            }
            Fact::TurnEnded { turn, outcome, .. } => {
                let row = self.turns.get_mut(&turn).ok_or("an unknown turn ended")?;
                ensure!(row.ended.is_none(), "turn {turn} ended twice");
                row.ended = Some(outcome);
            }
            Fact::CallStarted {
                call,
                turn,
                kind,
                target,
                reserve,
                key,
                digest,
                at,
                ..
            } => {
                let what = What {
                    kind,
                    target: target.clone(),
                    point: super::guards::point_of(kind, digest),
                    key: key.clone(),
                    digest,
                };
                let prefix = format!("t{turn}.");
                let is_step = key.is_some_and(|key| key.as_str().starts_with(&prefix));
                if kind.class() != Class::Observe && kind != Kind::AgentMessage && !is_step {
                    self.without_step.insert(turn);
                }
                let guard_asks = kind.moves_a_device() && self.town.is_driven(call, digest, at)?;
                self.admit(call, turn, &what, reserve, (at, guard_asks), None)?;
            }
            Fact::CallServed {
                call,
                turn,
                kind,
                key,
                digest,
                at,
            } => {
                let what = What {
                    kind,
                    target: None,
                    point: None,
                    key,
                    digest,
                };
                let ended = Some((Outcome::Ok { body: None }, Usage::default(), at));
                self.admit(call, turn, &what, 0, (at, false), ended)?;
            }
            Fact::CallEnded {
                call,
                outcome,
                usage,
                at,
            } => {
                let row = self
                    .calls
                    .get_mut(&call)
                    .ok_or("a call ended that was not started")?;
                ensure!(row.ended.is_none(), "call {call} has two outcomes");
                let done = matches!(outcome, Outcome::Ok { .. });
                row.ended = Some((outcome, usage, at));
                self.town.has_ended(call, done)?;
            }
            Fact::MoveUndone { call, .. } => self.town.is_undone(call)?,
            Fact::CallRefused { call, refusal, .. } => {
                ensure!(
                    !self.calls.contains_key(&call),
                    "call {call} was refused after its start"
                );
                ensure!(
                    self.refused.insert(call, refusal).is_none(),
                    "call {call} was refused twice"
                );
            }
            Fact::Recovered { .. }
            | Fact::ClockRead { .. }
            | Fact::TurnPausing { .. }
            | Fact::TurnParked { .. }
            | Fact::TurnResumed { .. }
            | Fact::ApprovalAsked { .. }
            | Fact::ApprovalAnswered { .. }
            | Fact::WordRevoked { .. }
            | Fact::AccountOpened { .. }
            | Fact::AccountClosed { .. }
            | Fact::ProfileDropped { .. }
            | Fact::DeviceMoved { .. }
            | Fact::MoveWithdrawn { .. }
            | Fact::MovesForgotten { .. }
            | Fact::WatchdogFed { .. }
            | Fact::SafePartDone { .. }
            | Fact::SafeStateBegun { .. }
            | Fact::SafeStateEnded { .. }
            | Fact::WatchdogStopped { .. }
            | Fact::InstanceRetiring { .. } => {}
        }
        Ok(())
    }

    /// Whether each effect of a turn, but for what it says, has a key by which it is found again.
    pub(super) fn is_replayable(&self, turn: TurnId) -> bool {
        !self.without_step.contains(&turn)
    }

    fn admit(
        &mut self,
        call: CallId,
        turn: TurnId,
        what: &What,
        reserve: u64,
        (at, guard_asks): (Millis, bool),
        ended: Option<(Outcome, Usage, Millis)>,
    ) -> Check {
        let row = self.turns.get(&turn).ok_or("a call of an unknown turn")?;
        ensure!(
            row.running && !row.stopping && !row.pausing && row.ended.is_none(),
            "call {call} of a turn that does not run"
        );
        let profile = self
            .profile(row.instance)
            .ok_or("a call without a profile")?;
        let agent = (profile.tenant.clone(), profile.agent.clone());
        let profile = profile.clone();
        ensure!(
            self.chains.allow(turn, what.kind, what.target.as_ref()),
            "call {call} does what a caller of its turn does not let it do"
        );
        match verdict(&profile.grants, what.kind, what.target.as_ref()) {
            Some(Verdict::Allow) if !guard_asks => {}
            Some(Verdict::Allow | Verdict::Ask) => ensure!(
                self.questions.allow(turn, what, &profile, at)
                    || (what.kind.begins_a_turn() && self.chains.is_found(turn, what.key.as_ref())),
                "call {call} ran without a person's word"
            ),
            _ => return Err(format!("call {call} ran without a grant")),
        }
        let new = Admitted {
            turn,
            agent,
            kind: what.kind,
            target: what.target.clone(),
            reserve,
            at,
            ended,
        };
        ensure!(
            self.calls.insert(call, new).is_none(),
            "call {call} was admitted twice"
        );
        ensure!(
            !self.refused.contains_key(&call),
            "call {call} ran after its refusal"
        );
        Ok(())
    }
}

/// What has to be granted, or delegated, for a call.
pub(super) fn right_of(kind: Kind) -> Kind {
    match kind {
        Kind::AgentSpawn => Kind::AgentAsk,
        Kind::DeviceHistory => Kind::DeviceRead,
        other => other,
    }
}

/// What rules say of a call: default deny, deny before ask before allow.
fn verdict(rules: &[GrantRule], kind: Kind, target: Option<&Name>) -> Option<Verdict> {
    let right = right_of(kind);
    let matches = |rule: &&GrantRule| {
        rule.kind == right
            && match (&rule.target, target) {
                (TargetPattern::Any, _) => true,
                (TargetPattern::Exact(name), Some(target)) => name == target,
                (TargetPattern::Prefix(prefix), Some(target)) => {
                    target.as_str().starts_with(prefix.as_str())
                }
                (TargetPattern::OneLabel(rest), Some(target)) => {
                    TargetPattern::is_one_label(rest, target)
                }
                (_, None) => false,
            }
    };
    let strictest = rules.iter().filter(matches).map(|rule| rule.verdict).max();
    let own = [Kind::Null, Kind::AgentWait, Kind::AgentCancel];
    strictest.or(own.contains(&kind).then_some(Verdict::Allow))
}
