//! Folding of calls: what they charge, and how their keys end.

use super::Applied;
use crate::{
    ids::{AccountId, CallId, InstanceUid, Millis, TurnId},
    ledger::Account,
    name::IdempotencyKey,
    outcome::{Outcome, Usage},
    refusal::Refusal,
    state::State,
};

impl State {
    /// A call is admitted: counted for its turn and charged at every level.
    pub(super) fn charge_call(
        &mut self,
        call: CallId,
        turn: TurnId,
        at: Millis,
    ) -> Result<(InstanceUid, AccountId), &'static str> {
        self.next_call = self.next_call.max(call.0 + 1);
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        row.calls += 1;
        let instance = row.instance;
        let profile = self
            .instances
            .get(&instance)
            .ok_or("no such instance")?
            .profile;
        let agent = self
            .profiles
            .get(&profile)
            .ok_or("no such profile")?
            .account;
        self.each_level(agent, |account| account.charge_call(at));
        Ok((instance, agent))
    }

    /// A refusal weighs at every level; one by a quota does not, else who asks again too early would never be let in.
    pub(super) fn charge_refusal(&mut self, turn: TurnId, refusal: &Refusal, at: Millis) {
        let agent = || {
            let instance = self.instances.get(&self.turns.get(&turn)?.instance)?;
            Some(self.profiles.get(&instance.profile)?.account)
        };
        if !matches!(refusal, Refusal::QuotaExceeded { .. })
            && let Some(agent) = agent()
        {
            self.each_level(agent, |account| account.charge_refusal(at));
        }
    }

    pub(super) fn end_call(
        &mut self,
        call: CallId,
        outcome: &Outcome,
        usage: Usage,
        at: Millis,
    ) -> Applied {
        let row = self.calls.remove(&call).ok_or("no such call in flight")?;
        if usage.total() > 0 {
            self.each_level(row.account, |account| account.charge_tokens(at, usage));
            if let Some(turn) = self.turns.get_mut(&row.turn) {
                turn.usage.add(usage);
            }
        }
        if let Some(key) = &row.key {
            self.end_key(row.instance, key, call, outcome, at);
        }
        Ok(())
    }

    pub(super) fn end_key(
        &mut self,
        uid: InstanceUid,
        key: &IdempotencyKey,
        call: CallId,
        outcome: &Outcome,
        at: Millis,
    ) {
        if let Some(table) = self.keys.get_mut(&uid) {
            table.end(key, call, outcome, at);
            if table.is_empty() {
                self.keys.remove(&uid);
            }
        }
    }

    fn each_level(&mut self, agent: AccountId, mut change: impl FnMut(&mut Account)) {
        let mut next = Some(agent);
        while let Some(account) = next.and_then(|id| self.accounts.get_mut(&id)) {
            change(account);
            next = account.parent;
        }
    }

    pub(super) fn agent_account(&mut self, turn: TurnId) -> Option<&mut Account> {
        let instance = self.instances.get(&self.turns.get(&turn)?.instance)?;
        let account = self.profiles.get(&instance.profile)?.account;
        self.accounts.get_mut(&account)
    }
}
