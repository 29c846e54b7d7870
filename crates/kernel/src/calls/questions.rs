//! Questions of a driver to a person, while its call runs: what the far end of the call wants to know before it goes on.
//!
//! Such a call is not held: it has begun, and its slot, its quota and its time run on. So a question waits for a part of that time, and
//! ends with its call. What is said of it is for this one question and for no call: see [`crate::ApprovalRow::within`].

use crate::{
    approval::{ApprovalRow, Word},
    body::Body,
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::{ApprovalId, CallId, Ticket},
    kernel::Kernel,
    live::CallPhase,
    name::Name,
    refusal::Refusal,
    state::Phase,
};

/// What is left of the call's time when its question expires: a tenth, for the far end to hear it and to end.
const LEFT: u64 = 10;

impl Kernel {
    /// Asks a person for the driver of a call. The driver has one answer, now or later.
    pub(crate) fn question(
        &mut self,
        ticket: Ticket,
        call: CallId,
        (body, rule): (Body, Name),
        step: &mut Step,
    ) {
        if let Err(refusal) = self.ask_within(ticket, call, (body, rule), step) {
            let said = Err(refusal);
            step.release(Barrier::None, Effect::QuestionAnswered { ticket, said });
        }
    }

    fn ask_within(
        &mut self,
        ticket: Ticket,
        call: CallId,
        (body, rule): (Body, Name),
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let live = self.live.calls.get(&call);
        let live = live.filter(|it| matches!(it.phase, CallPhase::Running(_)));
        let live = live.ok_or(Refusal::TurnNotRunning)?;
        let (turn, instance) = (live.turn, live.instance);
        let row = self.state.turns.get(&turn);
        let runs = row.is_some_and(|it| {
            matches!(it.phase, Phase::Running { .. }) && !it.pausing && it.stopping.is_none()
        });
        if !runs {
            return Err(Refusal::TurnNotRunning);
        }
        self.may_ask(turn, live.accounts, rule.clone())?;
        let (kind, target) = (live.kind, live.target.clone());
        let point = live.aim.as_ref().map(|it| it.aim.point.clone());
        let left = live.deadline.since(self.now);
        let wait = self.limits.approval_ms.min(left - left / LEFT);
        let approval = ApprovalId(self.state.last_approval.0 + 1);
        let mut until = self.state.date_of(self.now);
        until.0 = until.0.saturating_add(wait);
        let fact = Fact::ApprovalAsked {
            approval,
            turn,
            kind,
            target,
            point,
            key: None,
            within: Some(call),
            body,
            rule,
            until,
            at: self.now,
        };
        self.record(fact, step);
        let asked = Effect::ApprovalAsked {
            approval,
            turn,
            instance,
        };
        step.release(Barrier::Durable, asked);
        self.live.questions.insert(approval, ticket);
        self.arm_approval(approval);
        Ok(())
    }

    /// Tells the driver what became of its question.
    pub(super) fn question_closed(&mut self, approval: ApprovalId, word: Word, step: &mut Step) {
        if let Some(ticket) = self.live.questions.remove(&approval) {
            let said = Ok(word);
            step.release(Barrier::Durable, Effect::QuestionAnswered { ticket, said });
        }
    }

    /// A driver waits for its answer no longer: nobody is asked.
    pub(crate) fn question_dropped(&mut self, ticket: Ticket, step: &mut Step) {
        let open = self.live.questions.iter().find(|(_, it)| **it == ticket);
        if let Some(approval) = open.map(|(id, _)| *id) {
            self.withdraw(approval, step);
        }
    }

    /// A call ends, or is told to: nobody is asked about it any more. Every call comes here, and few have a question, so only what
    /// drivers wait for is looked at.
    pub(crate) fn withdraw_within(&mut self, call: CallId, step: &mut Step) {
        let open = self.live.questions.keys().copied();
        let rows = open.filter_map(|id| Some((id, self.state.approvals.get(&id)?)));
        let rows = rows.filter(|(_, row)| row.within == Some(call));
        for approval in rows.map(|(id, _)| id).collect::<Vec<_>>() {
            self.withdraw(approval, step);
        }
    }

    /// After a start no driver waits for what was asked before.
    pub(crate) fn withdraw_left(&mut self, step: &mut Step) {
        let left = |row: &ApprovalRow| row.within.is_some() && row.is_pending();
        let rows = self.state.approvals.iter().filter(|(_, row)| left(row));
        for approval in rows.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.withdraw(approval, step);
        }
    }
}
