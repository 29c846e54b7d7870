//! Calls that a person is asked about.
//!
//! ```text
//! rule asks ─▶ held ─▶ answered ─▶ as any other call, or refused
//!                └──▶ nothing else of its turn is under way, and the turn can run again:
//!                     its worker is ended, the turn is parked ─▶ answered ─▶ it runs again and makes the call anew
//! ```
//! A call that is held has had no effect and holds no quota; its turn can run again where all its effects have keys of
//! its steps, and so has the call. Any other call is held within its deadline. What was said is found again by turn,
//! key and digest: a word is for what was shown.

use crate::{
    approval::{PER_TURN, Request, Word},
    effect::{Barrier, Effect, Step},
    event::Call,
    fact::Fact,
    guard::Aimed,
    ids::{AccountId, ApprovalId, CallId, InstanceUid, TurnId},
    kernel::Kernel,
    live::{CallPhase, Held, Holder, LiveCall},
    name::{IdempotencyKey, Name},
    outcome::Usage,
    refusal::{Refusal, Unasked},
    state::Phase,
    syscall::Kind,
    timers::Timer,
};

use super::admission::time_of;

impl<'a> From<&'a Call> for Request<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            turn: call.turn,
            kind: call.kind,
            target: call.target.as_ref(),
            point: call.aim.as_ref().map(|it| &it.point),
            key: call.key.as_ref(),
            digest: call.body.digest,
        }
    }
}

impl<'a> From<&'a LiveCall> for Request<'a> {
    fn from(live: &'a LiveCall) -> Self {
        Self {
            turn: live.turn,
            kind: live.kind,
            target: live.target.as_ref(),
            point: live.aim.as_ref().map(|it| &it.aim.point),
            key: live.key.as_ref(),
            digest: live.body.digest,
        }
    }
}

impl Kernel {
    /// Asks a person about a call, which is held meanwhile.
    pub(super) fn ask(&mut self, call: Call, instance: InstanceUid, rule: Name, step: &mut Step) {
        let Some(accounts) = self.accounts_of(instance) else {
            return self.refuse(&call, Refusal::TurnNotRunning, step);
        };
        let asked = self.state.approvals.iter();
        let mut asked = asked.filter(|(_, row)| row.is_pending());
        // A worker that lived through a restart of the daemon asks again for what it was asking.
        let again =
            asked.find(|(id, row)| row.is_of((&call).into()) && self.held_for(**id).is_none());
        let approval = match again.map(|(id, _)| *id) {
            Some(approval) => approval,
            None => {
                let may = self.within_quota(call.turn, instance, call.reserve_tokens);
                let may = may.and_then(|_| self.may_ask(call.turn, accounts, rule.clone()));
                if let Err(refusal) = may {
                    return self.refuse(&call, refusal, step);
                }
                let approval = ApprovalId(self.state.last_approval.0 + 1);
                let mut until = self.state.date_of(self.now);
                let time = match self.may_wait(call.turn, call.key.as_ref()) {
                    true => self.limits.approval_ms,
                    false => self.limits.approval_ms.min(time_of(&call)),
                };
                until.0 = until.0.saturating_add(time);
                let fact = Fact::ApprovalAsked {
                    approval,
                    turn: call.turn,
                    kind: call.kind,
                    target: call.target.clone(),
                    point: call.aim.as_ref().map(|it| it.point.clone()),
                    key: call.key.clone(),
                    within: None,
                    body: call.body,
                    rule,
                    until,
                    at: self.now,
                };
                self.record(fact, step);
                let asked = Effect::ApprovalAsked {
                    approval,
                    turn: call.turn,
                    instance,
                };
                step.release(Barrier::Durable, asked);
                self.arm_approval(approval);
                approval
            }
        };
        let turn = call.turn;
        self.hold(call, instance, accounts, approval);
        self.pause_if_quiet(turn, step);
    }

    /// Whether a question more is not too many: of all that wait, and of all that the turn asked so far.
    pub(super) fn may_ask(
        &self,
        turn: TurnId,
        [_, tenant, agent]: [AccountId; 3],
        rule: Name,
    ) -> Result<(), Refusal> {
        let pending = || self.state.approvals.values().filter(|row| row.is_pending());
        let of_agent = pending().filter(|row| row.account == agent).count();
        let tenant = self.state.accounts.get(&tenant).map(|it| &it.name);
        let of_tenant = pending().filter(|row| Some(&row.tenant) == tenant).count();
        let asked = self.state.turns.get(&turn).map_or(0, |row| row.asked);
        let why = if asked >= PER_TURN {
            Unasked::TurnAskedEnough
        } else if pending().count() >= self.limits.approvals as usize
            || of_tenant >= self.limits.approvals_per_tenant as usize
            || of_agent >= self.limits.approvals_per_agent as usize
        {
            Unasked::TooManyWait
        } else {
            return Ok(());
        };
        Err(Refusal::ApprovalRequired { rule, why })
    }

    fn hold(
        &mut self,
        call: Call,
        instance: InstanceUid,
        accounts: [AccountId; 3],
        approval: ApprovalId,
    ) {
        let id = self.next_call();
        let held = Held {
            approval,
            reserve_tokens: call.reserve_tokens,
            deadline_ms: call.deadline_ms,
        };
        let deadline = self.now.plus(time_of(&call));
        if let Some(turn) = self.live.turns.get_mut(&call.turn) {
            turn.calls.insert(id);
        }
        self.live.timers.set(Timer::Call(id), deadline);
        self.live.tickets.insert(call.ticket, Holder::Call(id));
        if let Some(key) = &call.key {
            self.live.waiting_keys.insert((instance, key.clone()), id);
        }
        let live = LiveCall {
            turn: call.turn,
            instance,
            kind: call.kind,
            target: call.target,
            resource: call.resource,
            body: call.body,
            key: call.key,
            repeatable: call.repeatable,
            peer: call.peer,
            aim: call.aim.map(|aim| Aimed::new(aim, self.now)),
            waits_for: None,
            tickets: vec![call.ticket],
            opened_by: call.ticket,
            accounts,
            payers: Vec::new(),
            held: 0,
            seen: Usage::default(),
            deadline,
            timed: call.deadline_ms.is_some(),
            phase: CallPhase::Held(held),
        };
        self.live.calls.insert(id, live);
    }

    /// Ends the worker of a turn that can run again and has nothing under way but questions to people, its own or those of
    /// turns that it waits for.
    pub(super) fn pause_if_quiet(&mut self, turn: TurnId, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let Phase::Running { incarnation, .. } = row.phase else {
            return;
        };
        let calls = self.live.turns.get(&turn).map(|live| live.calls.clone());
        let calls = calls.unwrap_or_default();
        let waits = |id: &CallId| {
            self.live.calls.get(id).is_some_and(|live| {
                let is_step = live.key.as_ref().is_some_and(|key| key.is_step_of(turn));
                match live.phase {
                    CallPhase::Held(..) => is_step,
                    _ => self.waits_behind(live).is_some(),
                }
            })
        };
        let quiet = !calls.is_empty() && calls.iter().all(waits);
        if !quiet || !row.replayable || row.pausing || row.stopping.is_some() {
            return;
        }
        let lives = calls.iter().filter_map(|id| self.live.calls.get(id));
        let behind: Vec<TurnId> = lives.filter_map(|live| self.waits_behind(live)).collect();
        let grace = self.now.plus(self.limits.kill_grace_ms);
        for call in calls {
            match self.live.calls.get(&call).map(|live| live.phase) {
                Some(CallPhase::Held(..)) => self.live.timers.clear(Timer::Call(call)),
                // Its time does not run out while its worker is being ended: it ends with that.
                _ => {
                    let late = grace.plus(self.limits.kill_grace_ms);
                    self.live.timers.set(Timer::Call(call), late);
                }
            }
        }
        let at = self.now;
        self.record(Fact::TurnPausing { turn, behind, at }, step);
        step.release(Barrier::Durable, Effect::KillWorker { turn, incarnation });
        self.live.timers.set(Timer::Turn(turn), grace);
    }

    /// The turn that a call waits for, where that waits for a word: the call can be set aside with it, and its time does
    /// not count meanwhile. One whose caller named a deadline is for that caller to go on from.
    pub(super) fn waits_behind(&self, live: &LiveCall) -> Option<TurnId> {
        let row = self.state.turns.get(&live.turn)?;
        let of_turn = live.key.as_ref().is_some_and(|it| it.is_step_of(live.turn));
        let again = row.replayable && (of_turn || live.kind == Kind::AgentWait);
        let runs = matches!(live.phase, CallPhase::Running(_)) && live.kind.waits_for_a_turn();
        let other = live.waits_for.filter(|it| self.state.is_parked(*it));
        other.filter(|_| again && runs && !live.timed)
    }

    /// The calls of a turn that wait behind another.
    fn calls_behind(&self, turn: TurnId, other: TurnId) -> Vec<CallId> {
        let calls = self.live.turns.get(&turn).map(|live| &live.calls);
        let behind = |id: &&CallId| {
            let live = self.live.calls.get(id);
            live.and_then(|live| self.waits_behind(live)) == Some(other)
        };
        calls
            .into_iter()
            .flatten()
            .filter(behind)
            .copied()
            .collect()
    }

    /// The worker of a turn that waits for a word has ended.
    pub(crate) fn paused(&mut self, turn: TurnId, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        match row.replayable {
            true => self.park_turn(turn, step),
            false => self.end_unknown(turn, step),
        }
    }

    /// The turn waits for its word as a row: no worker, no slot, no place in a queue.
    pub(crate) fn park_turn(&mut self, turn: TurnId, step: &mut Step) {
        self.give_up_held(turn, step);
        self.stop_calls_of(turn, step);
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        let (instance, caller) = (row.instance, row.called.as_ref().map(|it| it.by));
        self.record(Fact::TurnParked { turn, at: self.now }, step);
        self.leave_slot(turn, instance);
        self.arm_turn(turn);
        self.resume_if_answered(turn, step);
        if let Some(caller) = caller {
            self.pause_if_quiet(caller, step);
        }
        self.offer_next_turn(instance);
        self.dispatch_turns(step);
    }

    /// The calls of a turn that wait for a word are given up, and people are asked about them still.
    pub(crate) fn give_up_held(&mut self, turn: TurnId, step: &mut Step) {
        let calls = self.live.turns.get(&turn).map(|live| live.calls.clone());
        for call in calls.into_iter().flatten() {
            self.stop_held(call, None, step);
        }
    }

    /// A turn that waits for no word any more asks for a worker.
    pub(crate) fn resume_if_answered(&mut self, turn: TurnId, step: &mut Step) {
        let Some(row) = self.state.turns.get(&turn) else {
            return;
        };
        if row.phase != Phase::Parked || self.state.awaits_a_word(turn) {
            return;
        }
        let (instance, caller) = (row.instance, row.called.as_ref().map(|it| it.by));
        if !row.replayable {
            return self.end_unknown(turn, step);
        }
        let behind = caller.map(|it| self.calls_behind(it, turn));
        self.record(Fact::TurnResumed { turn, at: self.now }, step);
        for call in behind.into_iter().flatten() {
            self.give_time(call);
        }
        if let Some([_, tenant, _]) = self.accounts_of(instance) {
            self.enqueue_turn(turn, instance, tenant);
        }
        if let Some(caller) = caller {
            self.resume_if_answered(caller, step);
        }
        self.dispatch_turns(step);
    }

    /// The call that waits for the answer.
    pub(super) fn held_for(&self, approval: ApprovalId) -> Option<CallId> {
        let turn = self.state.approvals.get(&approval)?.turn;
        let calls = &self.live.turns.get(&turn)?.calls;
        let waits = |id: &&CallId| {
            let phase = self.live.calls.get(id).map(|live| live.phase);
            matches!(phase, Some(CallPhase::Held(held)) if held.approval == approval)
        };
        calls.iter().find(waits).copied()
    }

    /// Whether the call may wait for longer than its own deadline: its turn can be set aside for it.
    fn may_wait(&self, turn: TurnId, key: Option<&IdempotencyKey>) -> bool {
        let row = self.state.turns.get(&turn);
        row.is_some_and(|row| row.replayable) && key.is_some_and(|key| key.is_step_of(turn))
    }

    /// A call that was held is made as if it came now. One that could wait has all its time, another what is left of it.
    pub(super) fn admit_held(&mut self, id: CallId, step: &mut Step) {
        let Some(live) = self.take_held(id) else {
            return;
        };
        let CallPhase::Held(held) = live.phase else {
            return;
        };
        let deadline_ms = match self.may_wait(live.turn, live.key.as_ref()) {
            true => held.deadline_ms,
            false => Some(live.deadline.since(self.now)),
        };
        for ticket in live.tickets {
            self.live.tickets.remove(&ticket);
            let call = Call {
                ticket,
                turn: live.turn,
                kind: live.kind,
                target: live.target.clone(),
                resource: live.resource.clone(),
                body: live.body,
                key: live.key.clone(),
                deadline_ms,
                reserve_tokens: held.reserve_tokens,
                repeatable: live.repeatable,
                peer: live.peer.clone(),
                aim: live.aim.as_ref().map(|it| it.said_at(self.now)),
            };
            self.call(call, step);
        }
    }

    fn take_held(&mut self, id: CallId) -> Option<LiveCall> {
        let live = self.live.calls.remove(&id)?;
        if let Some(key) = &live.key {
            self.live.waiting_keys.remove(&(live.instance, key.clone()));
        }
        if let Some(turn) = self.live.turns.get_mut(&live.turn) {
            turn.calls.remove(&id);
        }
        self.live.timers.clear(Timer::Call(id));
        Some(live)
    }

    /// A call that is held is given up: by whom it says, or `None`, since its turn is set aside.
    pub(super) fn stop_held(
        &mut self,
        id: CallId,
        by: Option<crate::CancelCause>,
        step: &mut Step,
    ) {
        let Some(live) = self.live.calls.get(&id) else {
            return;
        };
        let CallPhase::Held(Held { approval, .. }) = live.phase else {
            return;
        };
        let refusal = match by {
            None => Refusal::ApprovalPending { approval },
            Some(by) => {
                self.withdraw(approval, step);
                Refusal::Cancelled { by }
            }
        };
        self.end_waiting(id, refusal, step);
    }

    /// The call has no more time, if its turn cannot be set aside. One that can waits on, and is looked at again: its
    /// turn may do something meanwhile after which it cannot.
    pub(super) fn held_too_long(&mut self, id: CallId, step: &mut Step) {
        let Some(live) = self.live.calls.get(&id) else {
            return;
        };
        let CallPhase::Held(Held { approval, .. }) = live.phase else {
            return;
        };
        if !self.may_wait(live.turn, live.key.as_ref()) {
            return self.close(approval, Word::Expired, None, None, step);
        }
        self.give_time(id);
    }

    /// The call has the time of its kind anew.
    pub(super) fn give_time(&mut self, id: CallId) {
        let Some(live) = self.live.calls.get_mut(&id) else {
            return;
        };
        live.deadline = self.now.plus(live.kind.default_deadline_ms());
        self.live.timers.set(Timer::Call(id), live.deadline);
    }
}
