//! Calls that begin turns, wait for them and stop them.
//!
//! A turn that is called is queued in the step in which its call starts, so no crash comes between the two; the shell's
//! driver then only waits for its end. The call made again under its key finds the turn. Workers and slots are the
//! process table's.

use std::collections::BTreeSet;

use crate::{
    approval::Request,
    body::BodyDigest,
    called::{Begun, CalledBy, MAX_BEGUN, MAX_DEPTH, Peer, PeerTurn, Spawn},
    effect::Step,
    event::Call,
    ids::{AccountId, CallId, InstanceUid, Millis, TurnId},
    kernel::Kernel,
    live::{CallPhase, LiveCall},
    name::Name,
    outcome::{CancelCause, Outcome, TurnOutcome},
    process_table::NewTurn,
    refusal::{Queue, Refusal, TurnBound},
    syscall::Kind,
};

/// What becomes of a call that is about a turn, as it starts.
pub(super) enum Start {
    /// The turn is there, or is none.
    Peer(Option<TurnId>),
    /// It is queued now.
    New {
        spawn: Spawn,
        tenant: AccountId,
        deadline: Option<Millis>,
    },
}

impl Kernel {
    /// Whether a call names a turn that is not its own turn's to wait for or to stop.
    pub(super) fn not_its_turn(&self, call: &Call) -> Option<Refusal> {
        let Some(Peer::Begun(turn)) = call.peer else {
            return None;
        };
        let row = self.state.turns.get(&call.turn);
        let own = row.is_some_and(|row| row.begun.iter().any(|it| it.turn == turn));
        (!own).then_some(Refusal::NotItsTurn { turn })
    }

    /// What the start of a call does with another turn.
    pub(super) fn start_of(&self, live: &LiveCall) -> Result<Start, Refusal> {
        let start = match &live.peer {
            Some(Peer::Begun(turn)) => Start::Peer(Some(*turn)),
            peer if live.kind.begins_a_turn() => match self.may_call(live.into())? {
                Some(turn) => Start::Peer(Some(turn)),
                None => self.may_begin(live, self.ready(live.into(), peer.as_ref())?)?,
            },
            _ => return Ok(Start::Peer(None)),
        };
        if live.kind.waits_for_a_turn() {
            self.may_wait_for(live, &start)?;
        }
        Ok(start)
    }

    /// Why a call cannot begin a turn whatever a person says of it. That too many turns wait passes.
    pub(super) fn cannot_begin(&self, call: &Call) -> Option<Refusal> {
        if !call.kind.begins_a_turn() {
            return None;
        }
        match self.may_call(call.into()) {
            Ok(Some(_)) => None,
            Ok(None) => self.ready(call.into(), call.peer.as_ref()).err(),
            Err(refusal) => Some(refusal),
        }
    }

    /// Whether a call would begin a turn now, if an instance took it: for others nothing need be made ready.
    #[must_use]
    pub fn would_begin(&self, call: &Call) -> bool {
        let would = || {
            let instance = self.calling_instance(call)?;
            let allowed = match self.granted(instance, call.into(), None) {
                Err(refusal) => matches!(refusal, Refusal::ApprovalRequired { .. }),
                Ok(()) => true,
            };
            let fits = self.within_quota(call.turn, instance, call.reserve_tokens);
            let lends = !call.kind.waits_for_a_turn() || self.may_lend(call.turn).is_ok();
            let new = call.kind.begins_a_turn() && self.may_call(call.into()) == Ok(None);
            Some(new && allowed && lends && fits.is_ok() && !self.is_made_again(call))
        };
        would().unwrap_or_default()
    }

    /// Whether the very call began a turn when it was made before.
    pub(super) fn has_begun(&self, call: Request<'_>) -> bool {
        call.kind.begins_a_turn() && matches!(self.may_call(call), Ok(Some(_)))
    }

    /// Whether an instance takes one turn more.
    #[must_use]
    pub fn takes_a_turn(&self, instance: InstanceUid) -> bool {
        self.admit_turn(instance).is_ok()
    }

    /// The inputs of turns that calls would begin which have not been started yet.
    #[must_use]
    pub fn inputs_to_come(&self) -> BTreeSet<BodyDigest> {
        let calls = self.live.calls.values();
        let waiting =
            calls.filter(|live| matches!(live.phase, CallPhase::Held(_) | CallPhase::Waiting(_)));
        let inputs = waiting.filter_map(|live| match &live.peer {
            Some(Peer::New(spawn)) => Some(spawn.input.digest),
            _ => None,
        });
        inputs.collect()
    }

    /// The turn that the call began when it was made before; none where it may begin one, as far as it is the caller's
    /// matter.
    fn may_call(&self, call: Request<'_>) -> Result<Option<TurnId>, Refusal> {
        let row = self.state.turns.get(&call.turn);
        let row = row.ok_or(Refusal::TurnNotRunning)?;
        let same = |it: &&Begun| call.key.is_some() && it.key.as_ref() == call.key;
        match row.begun.iter().find(same) {
            Some(it) if it.digest != call.digest => {
                let recorded = it.call;
                return Err(Refusal::IdempotencyMismatch { recorded });
            }
            Some(it) => return Ok(Some(it.turn)),
            None => {}
        }
        if let Some(path) = call.target.and_then(|it| self.cycle(call.turn, it)) {
            let waits = false;
            return Err(Refusal::AgentCycle { path, waits });
        }
        if row.called.as_ref().map_or(0, |it| it.depth) >= MAX_DEPTH {
            let (bound, limit) = (TurnBound::Depth, MAX_DEPTH);
            return Err(Refusal::TooManyTurns { bound, limit });
        }
        if row.begun.len() >= MAX_BEGUN {
            let (bound, limit) = (TurnBound::Begun, MAX_BEGUN as u32);
            return Err(Refusal::TooManyTurns { bound, limit });
        }
        Ok(None)
    }

    /// What the shell made ready, if it is for what the call names: it looked the instance up, and that it is of the agent
    /// that the grant is for, and of the caller's namespace, the kernel sees to itself.
    fn ready<'a>(&self, call: Request<'_>, peer: Option<&'a Peer>) -> Result<&'a Spawn, Refusal> {
        let nobody = || Refusal::NobodyReady {
            agent: call.target.cloned().unwrap_or_else(|| "".into()),
        };
        let spawn = match peer {
            Some(Peer::New(spawn)) => spawn,
            Some(_) => return Err(nobody()),
            // It looked as if the call would be refused, or found its turn, and that has passed since.
            None => return Err(self.overloaded(Queue::InstanceTurns)),
        };
        let caller = self.state.turns.get(&call.turn);
        let own = caller.and_then(|row| self.state.instance(row.instance));
        let (Some(target), Some(own)) = (self.state.instance(spawn.instance), own) else {
            return Err(nobody());
        };
        let named = call.target == Some(&target.profile.agent);
        match named && target.profile.tenant == own.profile.tenant {
            true => Ok(spawn),
            false => Err(nobody()),
        }
    }

    fn may_begin(&self, live: &LiveCall, spawn: &Spawn) -> Result<Start, Refusal> {
        let tenant = self.admit_turn(spawn.instance).map_err(|refusal| {
            let agent = live.target.clone().unwrap_or_else(|| "".into());
            match refusal {
                Refusal::NoSuchInstance => Refusal::NobodyReady { agent },
                other => other,
            }
        })?;
        let own = spawn.deadline_ms.map(|ms| self.now.plus(ms));
        // Its caller's end is its own besides, also where that runs for longer than it did so far.
        let above = self.state.turns.get(&live.turn);
        let above = above.and_then(|row| row.deadline);
        Ok(Start::New {
            spawn: spawn.clone(),
            tenant,
            deadline: own.into_iter().chain(above).min(),
        })
    }

    /// The chain of callers, where `agent` stands in it already.
    fn cycle(&self, turn: TurnId, agent: &Name) -> Option<Name> {
        let own = std::iter::once(turn);
        let chain = own.chain(self.state.callers(turn).map(|(turn, _)| turn));
        let mut chain: Vec<&Name> = chain.filter_map(|turn| self.agent_in(turn)).collect();
        let at = chain.iter().position(|it| *it == agent)?;
        chain.truncate(at + 1);
        chain.reverse();
        chain.push(agent);
        Some(joined(&chain))
    }

    /// Whether the turn of a call may wait for another.
    fn may_wait_for(&self, live: &LiveCall, start: &Start) -> Result<(), Refusal> {
        let (first, agent) = match start {
            Start::New { spawn, .. } => (self.at_work(spawn.instance), live.target.as_ref()),
            Start::Peer(Some(turn)) if self.state.turns.contains_key(turn) => {
                (vec![*turn], self.agent_in(*turn))
            }
            Start::Peer(_) => return Ok(()),
        };
        if let Some(path) = self.waits_for_itself(live.turn, &first) {
            let path = path.into_iter().filter_map(|it| self.agent_in(it));
            let own = self.agent_in(live.turn);
            let mut path: Vec<&Name> = own.into_iter().chain(agent).chain(path).collect();
            path.dedup();
            let (path, waits) = (joined(&path), true);
            return Err(Refusal::AgentCycle { path, waits });
        }
        self.may_lend(live.turn)
    }

    pub(super) fn agent_in(&self, turn: TurnId) -> Option<&Name> {
        let instance = self.state.turns.get(&turn)?.instance;
        Some(&self.state.instance(instance)?.profile.agent)
    }

    /// Whether one turn more may wait for another: slots that are lent are bounded, and so are processes.
    fn may_lend(&self, turn: TurnId) -> Result<(), Refusal> {
        let lends = self.live.turns.get(&turn).is_some_and(|live| live.lends);
        let most = self.limits.worker_slots.saturating_add(MAX_DEPTH);
        if lends || self.live.lent < most {
            return Ok(());
        }
        Err(self.overloaded(Queue::LentSlots))
    }

    /// The call has its fact: the turn is queued, or stopped, and what waits for it lends its slot.
    pub(super) fn begin_of(
        &mut self,
        id: CallId,
        start: Start,
        step: &mut Step,
    ) -> Option<PeerTurn> {
        let live = self.live.calls.get(&id)?;
        let (kind, turn) = (live.kind, live.turn);
        let peer = match start {
            Start::Peer(peer) => peer,
            Start::New {
                spawn,
                tenant,
                deadline,
            } => {
                let caller = CalledBy {
                    turn,
                    call: id,
                    key: live.key.clone(),
                    digest: live.body.digest,
                    delegated: spawn.delegated,
                };
                let new = NewTurn {
                    ticket: None,
                    instance: spawn.instance,
                    cause: "agent".into(),
                    input: spawn.input,
                    deadline,
                    caller: Some(caller),
                    paid_by: self.state.turns.get(&turn).and_then(|row| row.paid_by),
                };
                Some(self.queue_turn(new, tenant, step))
            }
        };
        if let Some(live) = self.live.calls.get_mut(&id) {
            live.waits_for = peer;
        }
        self.settle_slot(turn);
        if kind == Kind::AgentCancel
            && let Some(peer) = peer
        {
            self.cancel_turn(peer, step);
        }
        self.dispatch_turns(step);
        let turn = peer?;
        let row = self.state.turns.get(&turn);
        let input = row.map(|row| row.input.digest);
        Some(PeerTurn { turn, input })
    }

    /// A call has ended. Whom it asked need not answer any more, unless it will be asked again.
    pub(super) fn end_of_call(&mut self, live: &LiveCall, outcome: &Outcome, step: &mut Step) {
        let asked = live.waits_for.filter(|_| live.kind.begins_a_turn());
        let again = || live.key.as_ref().is_some_and(|it| it.is_step_of(live.turn));
        let given_up = match outcome {
            Outcome::Ok { .. } | Outcome::Interrupted => None,
            // With its turn all that it began ends; where that runs again, it asks again.
            Outcome::Cancelled {
                by: CancelCause::TurnEnded,
            } => None,
            Outcome::Cancelled { .. } if again() => None,
            Outcome::DeadlineExceeded => Some(TurnOutcome::DeadlineExceeded),
            Outcome::Cancelled { .. } | Outcome::Failed(_) | Outcome::Unknown => {
                Some(TurnOutcome::Cancelled {
                    by: CancelCause::CallerEnded,
                })
            }
        };
        if let (Some(asked), Some(given_up)) = (asked, given_up) {
            self.stop_turn(asked, given_up, step);
        }
        if live.kind.waits_for_a_turn() {
            self.settle_slot(live.turn);
        }
    }
}

fn joined(path: &[&Name]) -> Name {
    let path: Vec<&str> = path.iter().map(|it| it.as_str()).collect();
    path.join(" → ").as_str().into()
}
