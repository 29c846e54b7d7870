//! Folding of approvals: what was asked, what was said, and for how long it counts.

use std::sync::Arc;

use super::Applied;
use crate::{
    approval::{Answered, ApprovalRow, CLOSED, Request, Scope, StandingWord, Word},
    ids::{AccountId, ApprovalId, CallId, Date, InstanceUid, Millis, Now, ProfileId, TurnId},
    name::Name,
    spec::Profile,
    state::{Phase, State},
};

/// What a fact says of a call that a person is asked about.
pub(super) struct Asked<'a> {
    pub(super) call: Request<'a>,
    pub(super) within: Option<CallId>,
    pub(super) body: crate::Body,
    pub(super) rule: &'a Name,
    pub(super) until: Date,
    pub(super) at: Millis,
}

impl State {
    pub(super) fn ask(&mut self, approval: ApprovalId, asked: &Asked<'_>) -> Applied {
        let call = asked.call;
        self.trim_approvals();
        let turn = self.turns.get_mut(&call.turn).ok_or("no such turn")?;
        turn.asked = turn.asked.saturating_add(1);
        let instance = turn.instance;
        let profile = self.instances.get(&instance).ok_or("no such instance")?;
        let profile = self.profiles.get(&profile.profile);
        let profile = profile.ok_or("no such profile")?;
        let row = ApprovalRow {
            turn: call.turn,
            instance,
            tenant: profile.spec.tenant.clone(),
            agent: profile.spec.agent.clone(),
            account: profile.account,
            kind: call.kind,
            target: call.target.cloned(),
            point: call.point.cloned(),
            key: call.key.cloned(),
            within: asked.within,
            body: asked.body,
            rule: asked.rule.clone(),
            asked_at: self.date_of(asked.at),
            until: asked.until,
            answered: None,
            covered_by: None,
            used: false,
        };
        self.last_approval = self.last_approval.max(approval);
        super::insert_new(self.approvals.insert(approval, row).is_none())
    }

    pub(super) fn answer(
        &mut self,
        approval: ApprovalId,
        word: Word,
        by: Option<&Name>,
        covered_by: Option<ApprovalId>,
        at: Millis,
    ) -> Applied {
        let at = self.date_of(at);
        let row = self.approvals.get_mut(&approval);
        let row = row.ok_or("no such approval")?;
        if !row.is_pending() {
            return Err("it was answered before");
        }
        row.answered = Some(Answered {
            word,
            by: by.cloned(),
            at,
        });
        row.covered_by = covered_by;
        let Word::Approved {
            scope: Scope::Until { date },
        } = word
        else {
            return Ok(());
        };
        let profile = self.instances.get(&row.instance).map(|it| it.profile);
        let profile = profile.and_then(|it| self.profiles.get(&it));
        let profile = profile.ok_or("no such profile")?;
        let standing = StandingWord {
            tenant: row.tenant.clone(),
            agent: row.agent.clone(),
            account: profile.account,
            kind: row.kind,
            target: row.target.clone(),
            point: row.point.clone(),
            until: date,
            by: by.cloned(),
            given_at: at,
            revision: profile.spec.revision.clone(),
            grants: Arc::clone(&profile.spec.grants),
        };
        self.words.retain(|_, word| word.until > at);
        self.words.insert(approval, standing);
        Ok(())
    }

    pub(super) fn revoke_word(&mut self, approval: ApprovalId) -> Applied {
        self.words.remove(&approval).ok_or("no such word")?;
        Ok(())
    }

    /// The wall clock says something else: a word that had ended by what it said before has ended.
    pub(super) fn read_clock(&mut self, now: Now) {
        let before = self.date_of(now.at);
        self.words.retain(|_, word| word.until > before);
        self.dates_by(now);
    }

    /// A call began: a word that was for it alone is spent.
    pub(super) fn spend_word(&mut self, call: Request<'_>) {
        let spent = |row: &ApprovalRow| {
            let said = row.answered.as_ref().map(|it| it.word);
            matches!(said, Some(Word::Approved { .. })) && !row.used && row.is_of(call)
        };
        let rows = self.approvals_of(call.turn).rev();
        let spent = rows.filter(|(_, row)| spent(row)).map(|(id, _)| id).next();
        if let Some(row) = spent.and_then(|id| self.approvals.get_mut(&id)) {
            row.used = true;
        }
    }

    /// A turn ended, and nobody waits for a word about it.
    pub(super) fn withdraw_questions(&mut self, turn: TurnId, at: Millis) {
        let at = self.date_of(at);
        let rows = self.approvals.values_mut();
        for row in rows.filter(|row| row.turn == turn && row.is_pending()) {
            row.answered = Some(Answered {
                word: Word::Withdrawn,
                by: None,
                at,
            });
        }
        self.trim_approvals();
    }

    /// Of what says nothing of any call that may still come, the last are kept: for whoever answers late.
    fn trim_approvals(&mut self) {
        let over = |(id, row): (&ApprovalId, &ApprovalRow)| {
            (row.is_spent() || !self.turns.contains_key(&row.turn)).then_some(*id)
        };
        let closed: Vec<_> = self.approvals.iter().filter_map(over).collect();
        for id in closed.iter().take(closed.len().saturating_sub(CLOSED)) {
            self.approvals.remove(id);
        }
    }

    /// The agent is another now, or its grants are: what was said of that before counts no longer.
    pub(super) fn end_words_of(&mut self, account: AccountId, now: Option<&Profile>) {
        let counts = |word: &StandingWord| now.is_some_and(|now| word.is_of(now));
        self.words
            .retain(|_, word| word.account != account || counts(word));
    }

    /// An instance is gone: with it what it asked.
    pub(super) fn forget_questions(&mut self, instance: InstanceUid) {
        self.approvals.retain(|_, row| row.instance != instance);
    }

    pub(super) fn retire_instance(&mut self, instance: InstanceUid) -> Applied {
        let row = self.instances.get_mut(&instance);
        let row = row.ok_or("no such instance")?;
        row.retiring = true;
        let profile = row.profile;
        self.end_words_without_agent(profile);
        Ok(())
    }

    /// With the last instance of an agent that is to stay its words are gone: one of the same name that comes while
    /// others go away is another agent.
    pub(super) fn end_words_without_agent(&mut self, profile: ProfileId) {
        let Some(account) = self.profiles.get(&profile).map(|row| row.account) else {
            return;
        };
        if !self.words.values().any(|word| word.account == account) {
            return;
        }
        let stays = self.instances.values().any(|row| {
            let profile = self.profiles.get(&row.profile);
            !row.retiring && profile.is_some_and(|it| it.account == account)
        });
        if !stays {
            self.end_words_of(account, None);
        }
    }

    pub(super) fn pause_turn(&mut self, turn: TurnId, behind: &[TurnId]) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        let Phase::Running { .. } = row.phase else {
            return Err("the turn is not running");
        };
        row.pausing = true;
        row.behind = behind.to_vec();
        Ok(())
    }

    /// The worker of a turn that waits for a word is gone: the turn is a row, and keeps what it did.
    pub(super) fn park_turn(&mut self, turn: TurnId) -> Applied {
        self.evict_turn(turn)?;
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        (row.phase, row.pausing) = (Phase::Parked, false);
        Ok(())
    }

    pub(super) fn resume_turn(&mut self, turn: TurnId) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        if row.phase != Phase::Parked {
            return Err("the turn does not wait for a word");
        }
        row.phase = Phase::Queued;
        row.behind.clear();
        Ok(())
    }

    /// The keys of a turn that was set aside age again.
    pub(super) fn keep_keys_as_of(&mut self, instance: InstanceUid, turn: TurnId, at: Millis) {
        if let Some(table) = self.keys.get_mut(&instance) {
            table.unpark(turn, at);
        }
    }
}
