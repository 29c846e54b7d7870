//! Calls that begin turns, wait for them and stop them.
//!
//! A turn that is called is queued in the step in which its call starts, so no crash comes between the two; the shell's
//! driver then only waits for its end. The call made again under its key finds the turn. Workers and slots are the
//! process table's.

use crate::{
    called::{Begun, CalledBy, MAX_BEGUN, MAX_DEPTH, Peer, Spawn},
    effect::Step,
    event::Call,
    ids::{AccountId, CallId, InstanceUid, Millis, TurnId},
    kernel::Kernel,
    live::LiveCall,
    name::Name,
    outcome::{CancelCause, Outcome, TurnOutcome},
    process_table::NewTurn,
    refusal::{Queue, Refusal, TurnBound},
    state::Phase,
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
            None => return Ok(Start::Peer(None)),
            Some(Peer::Begun(turn)) => Start::Peer(Some(*turn)),
            Some(Peer::New(spawn)) => match self.begun_before(live)? {
                Some(turn) => Start::Peer(Some(turn)),
                None => self.may_begin(live, spawn)?,
            },
        };
        let waits = match &start {
            Start::Peer(Some(turn)) => self.state.turns.contains_key(turn),
            Start::Peer(None) => false,
            Start::New { .. } => true,
        };
        if live.kind.waits_for_a_turn() && waits {
            self.may_lend(live.turn)?;
        }
        Ok(start)
    }

    /// The turn that the call began when it was made before.
    fn begun_before(&self, live: &LiveCall) -> Result<Option<TurnId>, Refusal> {
        let row = self.state.turns.get(&live.turn);
        let mut begun = row.into_iter().flat_map(|row| &row.begun);
        let same = |it: &&Begun| live.key.is_some() && it.key == live.key;
        match begun.find(same) {
            Some(it) if it.digest != live.body.digest => {
                let recorded = it.call;
                Err(Refusal::IdempotencyMismatch { recorded })
            }
            found => Ok(found.map(|it| it.turn)),
        }
    }

    fn may_begin(&self, live: &LiveCall, spawn: &Spawn) -> Result<Start, Refusal> {
        let row = self.state.turns.get(&live.turn);
        let row = row.ok_or(Refusal::TurnNotRunning)?;
        let target = self.state.instance(spawn.instance);
        let own = self.state.instance(row.instance);
        let (Some(target), Some(own)) = (target, own) else {
            return Err(Refusal::NoSuchInstance);
        };
        // The shell looked the instance up; that it is of the agent that the grant is for, the kernel sees to itself.
        let named = live.target.as_ref() == Some(&target.profile.agent);
        if !named || target.profile.tenant != own.profile.tenant {
            return Err(Refusal::NoSuchInstance);
        }
        if let Some(path) = self.cycle(live.turn, &target.profile.agent) {
            return Err(Refusal::AgentCycle { path });
        }
        if row.called.as_ref().map_or(0, |it| it.depth) >= MAX_DEPTH {
            let (bound, limit) = (TurnBound::Depth, MAX_DEPTH);
            return Err(Refusal::TooManyTurns { bound, limit });
        }
        if row.begun.len() >= MAX_BEGUN {
            let (bound, limit) = (TurnBound::Begun, MAX_BEGUN as u32);
            return Err(Refusal::TooManyTurns { bound, limit });
        }
        let tenant = self.admit_turn(spawn.instance)?;
        let own = spawn.deadline_ms.map(|ms| self.now.plus(ms));
        let left = self.ends_by(live.turn);
        Ok(Start::New {
            spawn: spawn.clone(),
            tenant,
            deadline: own.into_iter().chain(left).min(),
        })
    }

    /// The chain of callers, where `agent` stands in it already.
    fn cycle(&self, turn: TurnId, agent: &Name) -> Option<Name> {
        let name = |instance: InstanceUid| Some(&self.state.instance(instance)?.profile.agent);
        let own = self.state.turns.get(&turn);
        let above = self.state.callers(turn).map(|(_, row)| row);
        let chain = own.into_iter().chain(above);
        let mut chain: Vec<&Name> = chain.filter_map(|row| name(row.instance)).collect();
        let at = chain.iter().position(|it| *it == agent)?;
        chain.truncate(at + 1);
        chain.reverse();
        chain.push(agent);
        let chain: Vec<&str> = chain.into_iter().map(Name::as_str).collect();
        Some(chain.join(" → ").as_str().into())
    }

    /// Whether one turn more may wait for another: slots that are lent are bounded, and so are processes.
    fn may_lend(&self, turn: TurnId) -> Result<(), Refusal> {
        let lends = self.live.turns.get(&turn).is_some_and(|live| live.lends);
        let most = self.limits.worker_slots.saturating_add(MAX_DEPTH);
        if lends || self.live.lent < most {
            return Ok(());
        }
        let workers = &self.live.scheduler.workers;
        Err(Refusal::Overloaded {
            queue: Queue::LentSlots,
            retry_after_ms: workers.retry_after_ms(workers.waiting()),
        })
    }

    /// The call has its fact: the turn is queued, or stopped, and what waits for it lends its slot.
    pub(super) fn begin_of(&mut self, id: CallId, start: Start, step: &mut Step) -> Option<TurnId> {
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
        peer
    }

    /// A call has ended. Whom it asked need not answer any more, unless it will be asked again.
    pub(super) fn end_of_call(&mut self, live: &LiveCall, outcome: &Outcome, step: &mut Step) {
        let asked = live.waits_for.filter(|_| live.kind == Kind::AgentAsk);
        let again = || live.key.as_ref().is_some_and(|it| it.is_step_of(live.turn));
        let given_up = match outcome {
            Outcome::Ok { .. } | Outcome::Failed(_) | Outcome::Interrupted => None,
            // With its turn all that it began ends; where that runs again, it asks again.
            Outcome::Cancelled {
                by: CancelCause::TurnEnded,
            } => None,
            Outcome::Cancelled { .. } if again() => None,
            Outcome::DeadlineExceeded => Some(TurnOutcome::DeadlineExceeded),
            Outcome::Cancelled { .. } | Outcome::Unknown => Some(TurnOutcome::Cancelled {
                by: CancelCause::CallerEnded,
            }),
        };
        if let (Some(asked), Some(given_up)) = (asked, given_up) {
            self.stop_turn(asked, given_up, step);
        }
        if live.kind.waits_for_a_turn() {
            self.settle_slot(live.turn);
        }
    }

    /// When a turn that runs will have to end.
    fn ends_by(&self, turn: TurnId) -> Option<Millis> {
        let row = self.state.turns.get(&turn)?;
        let bound = match row.phase {
            Phase::Running { since, .. } => Some(since.plus(self.max_turn_ms(row.instance))),
            _ => None,
        };
        bound.into_iter().chain(row.deadline).min()
    }
}
