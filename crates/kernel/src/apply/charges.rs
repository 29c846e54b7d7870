//! Folding of calls: what they charge, and how their keys end.

use super::Applied;
use crate::{
    body::BodyDigest,
    idempotency::{ALL_KEPT_BYTES, KeyTable},
    ids::{AccountId, CallId, InstanceUid, Millis, TurnId},
    ledger::{Account, Denial, Denied},
    name::IdempotencyKey,
    outcome::{Outcome, Usage},
    refusal::Refusal,
    state::State,
    syscall::Kind,
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
        if usage != Usage::default() {
            self.each_level(row.account, |account| account.charge_usage(at, usage));
            for payer in &row.payers {
                if let Some(account) = self.accounts.get_mut(payer) {
                    account.charge_paid(at, usage);
                }
            }
            if let Some(turn) = self.turns.get_mut(&row.turn) {
                turn.usage.add(usage);
            }
        }
        if let Some(key) = &row.key {
            self.end_key(row.instance, key, call, outcome, at);
        }
        if let Outcome::Failed(failure) = outcome
            && failure.is_refusal()
        {
            let denial = Denial {
                at: self.date_of(at),
                turn: row.turn,
                kind: row.kind,
                target: row.target,
                refusal: Denied::Driver(failure.clone()),
            };
            if let Some(account) = self.accounts.get_mut(&row.account) {
                account.remember_denial(denial);
            }
        }
        Ok(())
    }

    pub(super) fn begin_key(
        &mut self,
        uid: InstanceUid,
        key: &IdempotencyKey,
        (call, kind, digest): (CallId, Kind, BodyDigest),
    ) {
        let table = self.keys.entry(uid).or_default();
        self.kept_bytes -= table.bytes();
        table.begin(key.clone(), call, kind, digest);
        self.kept_bytes += table.bytes();
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
            self.kept_bytes -= table.bytes();
            let gone = table.end(key, call, outcome, at);
            self.kept_bytes += table.bytes();
            if table.is_empty() {
                self.keys.remove(&uid);
            }
            self.let_go_of(uid, &gone);
        }
        while self.kept_bytes > ALL_KEPT_BYTES && self.let_go_of_an_answer() {}
    }

    /// The instance that has most kept for it lets go of its oldest.
    fn let_go_of_an_answer(&mut self) -> bool {
        let most = self.keys.iter_mut().max_by_key(|(_, table)| table.bytes());
        let Some((uid, table)) = most.filter(|(_, table)| table.bytes() > 0) else {
            return false;
        };
        let uid = *uid;
        self.kept_bytes -= table.bytes();
        let gone = table.let_go();
        self.kept_bytes += table.bytes();
        if table.is_empty() {
            self.keys.remove(&uid);
        }
        self.let_go_of(uid, gone.as_slice());
        true
    }

    /// Outcomes that are kept no longer: a turn that needs one of them cannot run again.
    fn let_go_of(&mut self, uid: InstanceUid, gone: &[IdempotencyKey]) {
        for turn in gone.iter().filter_map(IdempotencyKey::turn) {
            if let Some(row) = self.turns.get_mut(&turn)
                && row.instance == uid
            {
                row.replayable = false;
            }
        }
    }

    /// A turn runs again: what may be done a second time is done anew.
    pub(super) fn free_keys(&mut self, uid: InstanceUid, turn: TurnId) {
        if let Some(table) = self.keys.get_mut(&uid) {
            self.kept_bytes -= table.bytes();
            table.free_for(turn);
            self.kept_bytes += table.bytes();
            if table.is_empty() {
                self.keys.remove(&uid);
            }
        }
    }

    /// An instance is gone, with its keys.
    pub(super) fn remove_keys(&mut self, uid: InstanceUid) {
        if let Some(table) = self.keys.remove(&uid) {
            self.kept_bytes -= table.bytes();
        }
    }

    /// After it was read from a snapshot.
    pub(crate) fn recount_keys(&mut self) {
        self.keys.values_mut().for_each(KeyTable::recount);
        self.kept_bytes = self.keys.values().map(KeyTable::bytes).sum();
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
