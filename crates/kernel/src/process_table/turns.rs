//! Turns: from the request to the end.

use crate::{
    body::Body,
    called::CalledBy,
    effect::{Barrier, Effect, Step},
    event::Invoke,
    fact::Fact,
    ids::{AccountId, InstanceUid, Millis, Ticket, TurnId},
    kernel::Kernel,
    live::{Holder, LiveTurn},
    name::Name,
    outcome::{CancelCause, Exit, TurnOutcome},
    payer::PaidBy,
    refusal::{Queue, Refusal},
    state::{Phase, TurnRow},
    timers::Timer,
};

/// A turn that is to be queued.
pub(crate) struct NewTurn {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) instance: InstanceUid,
    pub(crate) cause: Name,
    pub(crate) input: Body,
    pub(crate) deadline: Option<Millis>,
    pub(crate) caller: Option<CalledBy>,
    pub(crate) paid_by: Option<PaidBy>,
}

impl Kernel {
    pub(crate) fn invoke(&mut self, invoke: Invoke, step: &mut Step) {
        let ticket = invoke.ticket;
        if ticket.is_some_and(|ticket| self.live.tickets.contains_key(&ticket)) {
            return;
        }
        let admitted = self.admit_turn(invoke.instance);
        let admitted = admitted.and_then(|tenant| Ok((tenant, self.paid_by(invoke.payer, step)?)));
        let (tenant, paid_by) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                step.release(Barrier::None, Effect::InvokeRefused { ticket, refusal });
                return;
            }
        };
        let new = NewTurn {
            ticket,
            instance: invoke.instance,
            cause: invoke.cause,
            input: invoke.input,
            deadline: invoke.deadline_ms.map(|ms| self.now.plus(ms)),
            caller: None,
            paid_by,
        };
        self.queue_turn(new, tenant, step);
        self.dispatch_turns(step);
    }

    /// A turn waits from now on.
    pub(crate) fn queue_turn(
        &mut self,
        new: NewTurn,
        tenant: AccountId,
        step: &mut Step,
    ) -> TurnId {
        let turn = TurnId(self.state.next_turn);
        let (ticket, instance) = (new.ticket, new.instance);
        let fact = Fact::TurnQueued {
            turn,
            instance,
            cause: new.cause,
            input: new.input,
            deadline: new.deadline,
            caller: new.caller,
            paid_by: new.paid_by,
            at: self.now,
        };
        self.record(fact, step);
        if let Some(ticket) = ticket {
            self.live.tickets.insert(ticket, Holder::Turn(turn));
        }
        let live = LiveTurn {
            ticket,
            ..LiveTurn::default()
        };
        self.live.turns.insert(turn, live);
        step.release(Barrier::Written, Effect::TurnAccepted { ticket, turn });
        self.enqueue_turn(turn, instance, tenant);
        turn
    }

    pub(crate) fn admit_turn(&self, instance: InstanceUid) -> Result<AccountId, Refusal> {
        if self.live.draining {
            return Err(Refusal::Draining);
        }
        let row = self
            .state
            .instances
            .get(&instance)
            .filter(|row| !row.retiring);
        let accounts = row.and_then(|_| self.accounts_of(instance));
        let Some([_, tenant, _]) = accounts else {
            return Err(Refusal::NoSuchInstance);
        };
        let of_instance = self
            .live
            .waiting_turns
            .get(&instance)
            .map_or(0, std::collections::VecDeque::len);
        if of_instance >= self.limits.turns_per_instance as usize {
            return Err(self.overloaded(Queue::InstanceTurns));
        }
        let of_tenant = self
            .live
            .waiting_by_tenant
            .get(&tenant)
            .copied()
            .unwrap_or(0);
        if of_tenant >= self.limits.turns_per_tenant {
            return Err(self.overloaded(Queue::TenantTurns));
        }
        Ok(tenant)
    }

    /// There is no room for one turn more.
    pub(crate) fn overloaded(&self, queue: Queue) -> Refusal {
        let workers = &self.live.scheduler.workers;
        let retry_after_ms = workers.retry_after_ms(workers.waiting());
        Refusal::Overloaded {
            queue,
            retry_after_ms,
        }
    }

    pub(crate) fn cancel_turn(&mut self, turn: TurnId, step: &mut Step) {
        self.stop_turn(
            turn,
            TurnOutcome::Cancelled {
                by: CancelCause::Request,
            },
            step,
        );
    }

    /// Ends a turn that waits; kills the worker of one that has one.
    pub(crate) fn stop_turn(&mut self, turn: TurnId, outcome: TurnOutcome, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let Some(incarnation) = row.phase.incarnation() else {
            self.end_turn(turn, outcome, step);
            return;
        };
        if row.stopping.is_some() {
            return;
        }
        self.record(
            Fact::TurnStopping {
                turn,
                outcome,
                at: self.now,
            },
            step,
        );
        // As safe as the start, which it must not overtake.
        step.release(Barrier::Durable, Effect::KillWorker { turn, incarnation });
        self.live
            .timers
            .set(Timer::Turn(turn), self.now.plus(self.limits.kill_grace_ms));
        self.stop_calls_of(turn, step);
        let begun = self.state.turns.get(&turn).map(TurnRow::open_begun);
        self.stop_begun(&begun.unwrap_or_default(), step);
    }

    pub(crate) fn end_turn(&mut self, turn: TurnId, outcome: TurnOutcome, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let TurnRow {
            instance,
            input,
            usage,
            calls,
            ..
        } = *row;
        let caller = row.called.as_ref().map(|it| it.by);
        let (begun, paid_by) = (row.open_begun(), row.paid_by);
        self.stop_calls_of(turn, step);
        self.withdraw_all_of(turn, step);
        if !self.state.turns.contains_key(&turn) {
            // It ended with one of these, and ends once.
            return;
        }
        self.leave_waiting(turn, instance);
        self.record(
            Fact::TurnEnded {
                turn,
                outcome: outcome.clone(),
                at: self.now,
            },
            step,
        );
        self.live.timers.clear(Timer::Turn(turn));
        if let Some(paid_by) = paid_by {
            self.watch_account(paid_by.account);
        }
        self.leave_slot(turn, instance);
        if let Some(caller) = caller {
            // Before anybody else has the slot that the turn left.
            self.settle_slot(caller);
            self.resume_if_answered(caller, step);
        }
        let live = self.live.turns.remove(&turn).unwrap_or_default();
        if let Some(ticket) = live.ticket {
            self.live.tickets.remove(&ticket);
        }
        if let Some(place) = live.place {
            self.live.scheduler.workers.remove(place);
        }
        let done = Effect::TurnDone {
            ticket: live.ticket,
            turn,
            instance,
            input,
            outcome,
            usage,
            calls,
        };
        step.release(Barrier::Durable, done);
        self.offer_next_turn(instance);
        // Once it is gone: one that is set aside would go on as soon as what it waits behind has ended.
        self.stop_begun(&begun, step);
        self.finish_removal(instance, step);
        self.dispatch_turns(step);
    }

    /// It would run again, and what it did before is not known any more: it could do it twice.
    pub(crate) fn end_unknown(&mut self, turn: TurnId, step: &mut Step) {
        let exit = Exit::Evicted;
        self.end_turn(turn, TurnOutcome::WorkerFailed { exit }, step);
    }

    /// Its worker was ended with its launcher: it runs again, and finds what it did by the keys of its steps.
    pub(super) fn evict_turn(&mut self, turn: TurnId, step: &mut Step) {
        // It makes them anew, and finds the words that it waited for.
        self.give_up_held(turn, step);
        self.stop_calls_of(turn, step);
        let Some(instance) = self.state.turns.get(&turn).map(|row| row.instance) else {
            return;
        };
        self.record(Fact::TurnEvicted { turn, at: self.now }, step);
        self.leave_slot(turn, instance);
        if let Some([_, tenant, _]) = self.accounts_of(instance) {
            self.enqueue_turn(turn, instance, tenant);
        }
        self.dispatch_turns(step);
    }

    /// The worker's slot is free, and what it was held for counts for its agent.
    pub(crate) fn leave_slot(&mut self, turn: TurnId, instance: InstanceUid) {
        self.lend_no_more(turn);
        let live = self.live.turns.get_mut(&turn);
        let Some(slot) = live.and_then(|live| live.slot.take()) else {
            return;
        };
        if let Some([_, _, agent]) = self.accounts_of(instance) {
            *self.live.attained.entry(agent).or_default() += slot.held_ms(self.now);
        }
        self.live.scheduler.workers.release(slot, 0, self.now);
    }

    pub(crate) fn turn_due(&mut self, turn: TurnId, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let late = row.deadline.is_some_and(|deadline| deadline <= self.now);
        if row.pausing && row.stopping.is_none() && !late {
            // Its end was not told in time. What is left of it can do nothing, as below, and the turn waits for its word.
            if let Some(incarnation) = row.phase.incarnation() {
                step.release(Barrier::Durable, Effect::KillWorker { turn, incarnation });
            }
            return self.paused(turn, step);
        }
        if let Some(outcome) = row.stopping.clone() {
            // The launcher did not tell of its end in time. Its key is never used again,
            // so a process that is left can do nothing; it is to be killed all the same.
            if let Some(incarnation) = row.phase.incarnation() {
                step.release(Barrier::Durable, Effect::KillWorker { turn, incarnation });
            }
            self.end_turn(turn, outcome, step);
            return;
        }
        let outcome = match row.phase {
            Phase::Starting { .. } if !late => TurnOutcome::StartTimeout,
            _ => TurnOutcome::DeadlineExceeded,
        };
        self.stop_turn(turn, outcome, step);
    }

    /// Sets the turn's timer to the first bound that it can run into.
    pub(crate) fn arm_turn(&mut self, turn: TurnId) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let bound = match row.phase {
            Phase::Queued | Phase::Parked => None,
            Phase::Starting { since, .. } => Some(since.plus(self.limits.start_timeout_ms)),
            Phase::Running { since, .. } => Some(since.plus(self.max_turn_ms(row.instance))),
        };
        let first: Option<Millis> = bound.into_iter().chain(row.deadline).min();
        match first {
            Some(at) => self.live.timers.set(Timer::Turn(turn), at),
            None => self.live.timers.clear(Timer::Turn(turn)),
        }
    }

    pub(crate) fn max_turn_ms(&self, instance: InstanceUid) -> u64 {
        let seconds = self
            .state
            .instance(instance)
            .map_or(1, |view| view.profile.max_turn_seconds.max(1));
        u64::from(seconds) * 1_000
    }

    /// Cluster, tenant and agent that an instance charges to.
    pub(crate) fn accounts_of(&self, instance: InstanceUid) -> Option<[AccountId; 3]> {
        let profile = self.state.instances.get(&instance)?.profile;
        self.state
            .levels(self.state.profiles.get(&profile)?.account)
    }
}
