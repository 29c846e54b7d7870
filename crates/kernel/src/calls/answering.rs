//! What people say of the calls that they are asked about, and what goes on after it.
//!
//! Who is asked, and how a call waits, is in `asking`.

use crate::{
    approval::{ALL_STANDING, ApprovalRow, STANDING, Said, Scope, Unheard, Word},
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::{ApprovalId, Ticket, TurnId},
    kernel::Kernel,
    name::Name,
    refusal::Refusal,
    timers::Timer,
};

impl Kernel {
    /// A person says yes or no.
    pub(crate) fn answer(
        &mut self,
        ticket: Ticket,
        approval: ApprovalId,
        yes: Option<Scope>,
        by: Name,
        step: &mut Step,
    ) {
        let refused = self.unheard(approval, yes);
        if refused.is_none() {
            let word = yes.map_or(Word::Denied, |scope| Word::Approved { scope });
            self.close(approval, word, Some(by.clone()), None, step);
            if matches!(yes, Some(Scope::Turn | Scope::Until { .. })) {
                self.close_covered(approval, &by, step);
            }
        }
        step.release(Barrier::Durable, Effect::AnswerTaken { ticket, refused });
    }

    fn unheard(&self, approval: ApprovalId, yes: Option<Scope>) -> Option<Unheard> {
        let Some(row) = self.state.approvals.get(&approval) else {
            return Some(Unheard::Unknown);
        };
        if let Some(answered) = &row.answered {
            return Some(Unheard::Answered(answered.clone()));
        }
        let instance = self.state.instances.get(&row.instance);
        if instance.is_none_or(|row| row.retiring) {
            // A word for it would be one for whoever comes under its name.
            return Some(Unheard::Unknown);
        }
        if row.within.is_some() && yes.is_some_and(|scope| scope != Scope::Once) {
            return Some(Unheard::Once);
        }
        let Some(Scope::Until { date }) = yes else {
            return None;
        };
        let today = self.state.date_of(self.now);
        let stands = || self.state.words.values().filter(|word| word.until > today);
        let of_agent = stands().filter(|word| word.account == row.account);
        let room = of_agent.count() < STANDING && stands().count() < ALL_STANDING;
        match (date > today, room) {
            (false, _) => Some(Unheard::Past),
            (true, false) => Some(Unheard::TooMany),
            (true, true) => None,
        }
    }

    /// A person takes a word back. What was begun under it goes on.
    pub(crate) fn revoke(
        &mut self,
        ticket: Ticket,
        approval: ApprovalId,
        by: Name,
        step: &mut Step,
    ) {
        let refused = match self.state.words.contains_key(&approval) {
            false => Some(Unheard::Unknown),
            true => {
                let at = self.now;
                self.record(Fact::WordRevoked { approval, by, at }, step);
                None
            }
        };
        step.release(Barrier::Durable, Effect::AnswerTaken { ticket, refused });
    }

    pub(crate) fn approval_due(&mut self, approval: ApprovalId, step: &mut Step) {
        let Some(row) = self.state.approvals.get(&approval) else {
            return;
        };
        if row.is_pending() {
            match row.until <= self.state.date_of(self.now) {
                true => self.close(approval, Word::Expired, None, None, step),
                false => self.arm_approval(approval),
            }
        }
    }

    /// Sets the timers of all questions anew: the wall clock, or the kernel's time, is another.
    pub(crate) fn arm_approvals(&mut self) {
        let pending = self.state.approvals.iter();
        let pending = pending.filter(|(_, row)| row.is_pending());
        for approval in pending.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.arm_approval(approval);
        }
    }

    pub(super) fn arm_approval(&mut self, approval: ApprovalId) {
        if let Some(row) = self.state.approvals.get(&approval) {
            let left = row.until.0.saturating_sub(self.state.date_of(self.now).0);
            let at = self.now.plus(left);
            self.live.timers.set(Timer::Approval(approval), at);
        }
    }

    /// A yes for more than its own call: what waits already and is covered by it has its answer too.
    fn close_covered(&mut self, of: ApprovalId, by: &Name, step: &mut Step) {
        let Some(wide) = self.state.approvals.get(&of) else {
            return;
        };
        // Another word may cover others as well, again since the clock was set back: that is not this one's.
        let said = wide.answered.as_ref().map(|it| it.word);
        let of_turn = said == Some(Word::Approved { scope: Scope::Turn });
        let reaches = |row: &ApprovalRow| {
            let same_right = row.request().right() == wide.request().right();
            row.is_pending()
                && row.within.is_none()
                && same_right
                && (row.turn == wide.turn || !of_turn)
        };
        let pending = self.state.approvals.iter();
        let pending = pending.filter(|(_, row)| reaches(row));
        for approval in pending.map(|(id, _)| *id).collect::<Vec<_>>() {
            if self.is_covered(approval) {
                let once = Word::Approved { scope: Scope::Once };
                self.close(approval, once, Some(by.clone()), Some(of), step);
            }
        }
    }

    fn is_covered(&self, approval: ApprovalId) -> bool {
        let row = self.state.approvals.get(&approval);
        let Some(row) = row.filter(|row| row.is_pending()) else {
            return false;
        };
        let instance = self.state.instances.get(&row.instance);
        let profile = instance.and_then(|it| self.state.profiles.get(&it.profile));
        let today = self.state.date_of(self.now);
        profile.is_some_and(|profile| {
            let profile = &profile.spec;
            let said = self
                .state
                .said_of(row.request(), row.account, profile, today);
            said == Some(Said::Yes)
        })
    }

    /// A question has its answer: what waits for it goes on.
    pub(super) fn close(
        &mut self,
        approval: ApprovalId,
        word: Word,
        by: Option<Name>,
        covered_by: Option<ApprovalId>,
        step: &mut Step,
    ) {
        let Some(row) = self.state.approvals.get(&approval) else {
            return;
        };
        let (turn, rule) = (row.turn, row.rule.clone());
        let fact = Fact::ApprovalAnswered {
            approval,
            word,
            by: by.clone(),
            covered_by,
            at: self.now,
        };
        self.record(fact, step);
        self.live.timers.clear(Timer::Approval(approval));
        let closed = Effect::ApprovalClosed {
            approval,
            turn,
            word,
            by: by.clone(),
        };
        step.release(Barrier::Durable, closed);
        self.question_closed(approval, word, step);
        let pausing = self.state.turns.get(&turn).is_some_and(|row| row.pausing);
        let held = self.held_for(approval);
        match (held.filter(|_| !pausing), word) {
            (None, _) => {}
            (Some(call), Word::Approved { .. }) => self.admit_held(call, step),
            (Some(call), Word::Denied) => {
                self.end_waiting(call, Refusal::ApprovalDenied { rule, by }, step);
            }
            (Some(call), Word::Expired) => {
                self.end_waiting(call, Refusal::ApprovalExpired { rule }, step);
            }
            (Some(_), Word::Withdrawn) => {}
        }
        self.resume_if_answered(turn, step);
    }

    /// Nobody waits for a word any more.
    pub(crate) fn withdraw(&mut self, approval: ApprovalId, step: &mut Step) {
        let row = self.state.approvals.get(&approval);
        if row.is_some_and(crate::ApprovalRow::is_pending) {
            self.close(approval, Word::Withdrawn, None, None, step);
        }
    }

    /// Nobody waits for the words that a turn was waiting for.
    pub(crate) fn withdraw_all_of(&mut self, turn: TurnId, step: &mut Step) {
        let rows = self.state.approvals_of(turn);
        let rows = rows.filter(|(_, row)| row.is_pending());
        for approval in rows.map(|(id, _)| id).collect::<Vec<_>>() {
            self.live.timers.clear(Timer::Approval(approval));
            let closed = Effect::ApprovalClosed {
                approval,
                turn,
                word: Word::Withdrawn,
                by: None,
            };
            step.release(Barrier::Durable, closed);
            self.question_closed(approval, Word::Withdrawn, step);
        }
    }
}
