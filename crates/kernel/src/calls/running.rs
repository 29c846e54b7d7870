//! From the driver, or from the queue, to the end.

use crate::{
    effect::{Answer, Barrier, Effect, Step},
    fact::Fact,
    ids::{CallId, Ticket, TurnId},
    kernel::Kernel,
    live::{CallPhase, Holder, LiveCall},
    outcome::{CancelCause, Finish, Outcome, Usage},
    refusal::Refusal,
    syscall::{Class, Kind},
    timers::Timer,
};

use super::{admission::reply_barrier, dispatch::driver_barrier};

impl Kernel {
    /// A driver no longer works on a call.
    pub(crate) fn finished(&mut self, id: CallId, finish: Finish, usage: Usage, step: &mut Step) {
        let Some(live) = self.live.calls.get(&id) else {
            return;
        };
        let told = match live.phase {
            CallPhase::Held(..) | CallPhase::Waiting(_) => return,
            CallPhase::Running(_) => None,
            CallPhase::Stopping(_, cause) => Some(cause),
        };
        let outcome = match (finish, live.kind.class()) {
            (Finish::Ok { body }, _) => Outcome::Ok { body },
            (Finish::Failed(failure), _) => Outcome::Failed(failure.shortened()),
            (Finish::Stopped, _) => told.map_or(Outcome::Interrupted, |by| stopped(live, by)),
            (Finish::Unknown, Class::Observe) => Outcome::Interrupted,
            (Finish::Unknown, Class::Cost | Class::Effect) => Outcome::Unknown,
        };
        let usage = if outcome == Outcome::Unknown {
            self.presumed(id, usage)
        } else {
            usage
        };
        self.end_call(id, outcome, usage, step);
    }

    /// A running call has used so much: it weighs at once, in the queue and in the ledger.
    pub(crate) fn progress(&mut self, id: CallId, usage: Usage) {
        let Some(live) = self.live.calls.get_mut(&id) else {
            return;
        };
        let (CallPhase::Running(slot) | CallPhase::Stopping(slot, _)) = &mut live.phase else {
            return;
        };
        if let Some(queue) = self.live.scheduler.calls(&live.resource) {
            queue.progress(slot, usage.total());
        }
        let more = usage.total().saturating_sub(live.held);
        self.live.reservations.grow(live.accounts, more);
        self.live.reservations.hold_tokens(&live.payers, more);
        live.held += more;
        live.seen = usage;
    }

    /// Nobody listens to a ticket any more. A call that nobody listens to is stopped; a turn goes on.
    pub(crate) fn disconnected(&mut self, ticket: Ticket, step: &mut Step) {
        match self.live.tickets.remove(&ticket) {
            Some(Holder::Call(call)) => {
                let Some(live) = self.live.calls.get_mut(&call) else {
                    return;
                };
                live.tickets.retain(|other| *other != ticket);
                if live.opened_by == ticket
                    && let Some(other) = live.tickets.first()
                {
                    // Its driver is to have a body that is there. One that runs has its own.
                    live.opened_by = *other;
                }
                let (alone, turn, phase) = (live.tickets.is_empty(), live.turn, live.phase);
                let pausing = self.state.turns.get(&turn).is_some_and(|row| row.pausing);
                match (alone, pausing) {
                    (false, _) => {}
                    // Its worker is being ended for it.
                    (true, true) if matches!(phase, CallPhase::Held(..)) => {
                        self.stop_held(call, None, step);
                    }
                    (true, true) => self.stop_call(call, CancelCause::TurnEnded, step),
                    (true, false) => self.stop_call(call, CancelCause::Disconnect, step),
                }
            }
            Some(Holder::Turn(turn)) => {
                if let Some(live) = self.live.turns.get_mut(&turn) {
                    live.ticket = None;
                }
            }
            None => {}
        }
    }

    /// Stops all calls of a turn that is ending.
    pub(crate) fn stop_calls_of(&mut self, turn: TurnId, step: &mut Step) {
        let calls = self.live.turns.get(&turn).map(|live| live.calls.clone());
        for call in calls.into_iter().flatten() {
            self.stop_call(call, CancelCause::TurnEnded, step);
        }
    }

    fn stop_call(&mut self, id: CallId, by: CancelCause, step: &mut Step) {
        match self.live.calls.get(&id).map(|live| live.phase) {
            Some(CallPhase::Waiting(_)) => self.end_waiting(id, Refusal::Cancelled { by }, step),
            Some(CallPhase::Held(..)) => self.stop_held(id, Some(by), step),
            Some(CallPhase::Running(_)) => self.tell_to_stop(id, Some(by), step),
            Some(CallPhase::Stopping(..)) | None => {}
        }
    }

    fn tell_to_stop(&mut self, id: CallId, by: Option<CancelCause>, step: &mut Step) {
        let Some(live) = self.live.calls.get_mut(&id) else {
            return;
        };
        let CallPhase::Running(slot) = live.phase else {
            return;
        };
        live.phase = CallPhase::Stopping(slot, by);
        step.release(
            driver_barrier(live.kind),
            Effect::CancelDriver { call: id, by },
        );
        self.live
            .timers
            .set(Timer::Call(id), self.now.plus(self.limits.cancel_grace_ms));
        self.withdraw_within(id, step);
    }

    pub(crate) fn call_due(&mut self, id: CallId, step: &mut Step) {
        let Some(live) = self.live.calls.get(&id) else {
            return;
        };
        let kind = live.kind;
        match live.phase {
            CallPhase::Waiting(_) => self.end_waiting(id, Refusal::DeadlineExceeded, step),
            CallPhase::Held(..) => self.held_too_long(id, step),
            // Its turn would be set aside with the one that it waits for, and does something else meanwhile.
            CallPhase::Running(_) if self.waits_behind(live).is_some() => self.give_time(id),
            CallPhase::Running(_) => self.tell_to_stop(id, None, step),
            CallPhase::Stopping(_, by) => {
                let (outcome, usage) = match kind.class() {
                    Class::Observe => (stopped(live, by), live.seen),
                    // The turn is the kernel's, and its driver only waits.
                    Class::Effect if kind.begins_a_turn() => (stopped(live, by), live.seen),
                    Class::Cost | Class::Effect => (Outcome::Unknown, self.presumed(id, live.seen)),
                };
                step.release(driver_barrier(kind), Effect::AbortDriver { call: id });
                self.end_call(id, outcome, usage, step);
            }
        }
    }

    /// A call that never got its driver ends: it had no effect, and its key is free.
    pub(super) fn end_waiting(&mut self, id: CallId, refusal: Refusal, step: &mut Step) {
        let Some(live) = self.live.calls.remove(&id) else {
            return;
        };
        if let Some(queue) = self.live.scheduler.calls(&live.resource) {
            match live.phase {
                CallPhase::Held(..) => {}
                CallPhase::Waiting(place) => queue.remove(place),
                CallPhase::Running(slot) | CallPhase::Stopping(slot, _) => {
                    queue.release(slot, 0, self.now)
                }
            }
        }
        if let Some(key) = &live.key {
            self.live.waiting_keys.remove(&(live.instance, key.clone()));
        }
        if !matches!(live.phase, CallPhase::Held(..)) {
            let concurrent = !live.kind.waits_for_a_turn();
            let reservations = &mut self.live.reservations;
            reservations.give_back(live.accounts, live.held, true, concurrent);
            reservations.give_back_tokens(&live.payers, live.held);
        }
        let fact = Fact::CallRefused {
            call: id,
            turn: live.turn,
            kind: live.kind,
            target: live.target.clone(),
            refusal: refusal.clone(),
            at: self.now,
        };
        self.record(fact, step);
        self.answer_all(
            id,
            &live,
            &Answer::Refused(refusal.clone()),
            Barrier::Written,
            step,
        );
        self.live.scheduler.tidy(&live.resource);
        let by_turn = CancelCause::TurnEnded;
        let leaves = refusal == (Refusal::Cancelled { by: by_turn })
            || matches!(refusal, Refusal::ApprovalPending { .. });
        if !leaves {
            self.pause_if_quiet(live.turn, step);
        }
    }

    fn end_call(&mut self, id: CallId, outcome: Outcome, usage: Usage, step: &mut Step) {
        self.withdraw_within(id, step);
        let Some(live) = self.live.calls.remove(&id) else {
            return;
        };
        if let CallPhase::Running(slot) | CallPhase::Stopping(slot, _) = live.phase {
            if let Some(turn) = self.live.turns.get_mut(&live.turn) {
                turn.attained += slot.held_ms(self.now);
            }
            if let Some(queue) = self.live.scheduler.calls(&live.resource) {
                queue.release(slot, usage.total(), self.now);
            }
        }
        let concurrent = !live.kind.waits_for_a_turn();
        let reservations = &mut self.live.reservations;
        reservations.give_back(live.accounts, live.held, false, concurrent);
        reservations.give_back_tokens(&live.payers, live.held);
        if let Some(undone) = self.undone(id, &live, &outcome) {
            self.record(undone, step);
        }
        self.record(
            Fact::CallEnded {
                call: id,
                outcome: outcome.clone(),
                usage,
                at: self.now,
            },
            step,
        );
        if let Some(aimed) = &live.aim {
            self.moved_a_device((id, live.kind), aimed, &outcome, step);
        }
        let answer = Answer::Outcome {
            outcome: outcome.clone(),
            replayed: false,
        };
        self.answer_all(id, &live, &answer, reply_barrier(live.kind), step);
        self.end_of_call(&live, &outcome, step);
        self.dispatch_calls(&live.resource, step);
        self.pause_if_quiet(live.turn, step);
    }

    fn answer_all(
        &mut self,
        id: CallId,
        live: &LiveCall,
        answer: &Answer,
        barrier: Barrier,
        step: &mut Step,
    ) {
        self.live.timers.clear(Timer::Call(id));
        if let Some(turn) = self.live.turns.get_mut(&live.turn) {
            turn.calls.remove(&id);
        }
        for ticket in &live.tickets {
            self.live.tickets.remove(ticket);
            let effect = Effect::Reply {
                ticket: *ticket,
                call: id,
                answer: answer.clone(),
            };
            step.release(barrier, effect);
        }
    }

    /// What is charged where nobody knows what was used: all that it might have.
    fn presumed(&self, id: CallId, seen: Usage) -> Usage {
        let held = self.live.calls.get(&id).map_or(0, |live| live.held);
        presumed_usage(held, seen)
    }
}

/// See [`Kernel::presumed`].
pub(crate) fn presumed_usage(held: u64, seen: Usage) -> Usage {
    let unseen = held.saturating_sub(seen.total());
    Usage {
        output_tokens: seen.output_tokens.saturating_add(unseen),
        ..seen
    }
}

fn stopped(live: &LiveCall, cause: Option<CancelCause>) -> Outcome {
    match cause {
        // It is made again by a worker that lost its connection, and finds the turn that it is about.
        Some(CancelCause::Disconnect)
            if (live.kind.begins_a_turn() || live.kind == Kind::AgentWait)
                && live
                    .key
                    .as_ref()
                    .is_some_and(|key| key.is_step_of(live.turn)) =>
        {
            Outcome::Interrupted
        }
        Some(by) => Outcome::Cancelled { by },
        None => Outcome::DeadlineExceeded,
    }
}
