//! Instances, the profiles they share, and the accounts they charge to.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    effect::{Barrier, Effect, Step},
    fact::Fact,
    ids::{AccountId, Incarnation, InstanceUid, ProfileId},
    kernel::Kernel,
    ledger::Span,
    name::Name,
    outcome::{CancelCause, TurnOutcome},
    refusal::Level,
    spec::{InstanceSpec, Profile},
    state::{CLUSTER, Phase},
    timers::Timer,
};

/// When the account of a key is looked at again whose last turn ended before its calls.
const HELD_MS: u64 = 60_000;

impl Kernel {
    pub(crate) fn apply_instance(&mut self, spec: InstanceSpec, step: &mut Step) {
        let InstanceSpec { uid, profile } = spec;
        let old = self.state.instances.get(&uid).copied();
        if old.is_some_and(|row| row.retiring) {
            return;
        }
        let profile = self.profile_id(profile, step);
        if old.is_some_and(|row| row.profile == profile) {
            return;
        }
        let spent = self.state.spent;
        let behind = (old.is_none() && spent > Incarnation::default()).then_some(spent);
        self.record(
            Fact::InstanceApplied {
                instance: uid,
                profile,
                behind,
                at: self.now,
            },
            step,
        );
        if let Some(old) = old {
            self.drop_profile_if_unused(old.profile, step);
        }
    }

    pub(crate) fn remove_instance(&mut self, instance: InstanceUid, step: &mut Step) {
        let Some(row) = self.state.instances.get(&instance).copied() else {
            step.release(Barrier::Durable, Effect::InstanceRemoved { instance });
            return;
        };
        if row.retiring {
            return;
        }
        self.record(
            Fact::InstanceRetiring {
                instance,
                at: self.now,
            },
            step,
        );
        self.stop_turns_of(instance, CancelCause::InstanceRemoved, step);
        self.finish_removal(instance, step);
    }

    /// Ends the turns of an instance that wait, in its queue or set aside: for a word of their own, or behind another.
    pub(crate) fn stop_waiting_turns_of(
        &mut self,
        instance: InstanceUid,
        by: CancelCause,
        step: &mut Step,
    ) {
        let waiting = self.live.waiting_turns.get(&instance);
        let aside = self.state.turns.iter();
        let aside = aside.filter(|(_, row)| row.instance == instance && row.phase == Phase::Parked);
        let waiting = waiting.into_iter().flatten().copied();
        let waiting: BTreeSet<_> = waiting.chain(aside.map(|(turn, _)| *turn)).collect();
        for turn in waiting {
            self.stop_turn(turn, TurnOutcome::Cancelled { by }, step);
        }
    }

    /// Ends the turns of an instance, those that wait first: one that ends makes room for none of them.
    pub(crate) fn stop_turns_of(
        &mut self,
        instance: InstanceUid,
        by: CancelCause,
        step: &mut Step,
    ) {
        self.stop_waiting_turns_of(instance, by, step);
        let row = self.state.instances.get(&instance);
        if let Some(turn) = row.and_then(|row| row.turn) {
            self.stop_turn(turn, TurnOutcome::Cancelled { by }, step);
        }
    }

    /// Removes an instance that is retiring, once its last turn has ended.
    pub(crate) fn finish_removal(&mut self, instance: InstanceUid, step: &mut Step) {
        let Some(row) = self.state.instances.get(&instance).copied() else {
            return;
        };
        let has_turn = || self.state.turns.values().any(|it| it.instance == instance);
        if !row.retiring || has_turn() {
            return;
        }
        self.record(
            Fact::InstanceRemoved {
                instance,
                at: self.now,
            },
            step,
        );
        self.drop_profile_if_unused(row.profile, step);
        step.release(Barrier::Durable, Effect::InstanceRemoved { instance });
    }

    /// The number of a profile with this content, a new one if need be.
    fn profile_id(&mut self, mut spec: Profile, step: &mut Step) -> ProfileId {
        if let Some(id) = self.live.profile_ids.get(&spec) {
            return *id;
        }
        let tenant = self.account_id(CLUSTER, Level::Tenant, &spec.tenant, step);
        let account = self.account_id(tenant, Level::Agent, &spec.agent, step);
        let profile = ProfileId(self.state.next_profile);
        spec.grants = self.live.tables.insert(profile, &spec.grants);
        self.record(
            Fact::ProfileAdded {
                profile,
                account,
                spec,
            },
            step,
        );
        if let Some(row) = self.state.profiles.get(&profile) {
            self.live.profile_ids.insert(Arc::clone(&row.spec), profile);
        }
        profile
    }

    pub(super) fn account_id(
        &mut self,
        parent: AccountId,
        level: Level,
        name: &Name,
        step: &mut Step,
    ) -> AccountId {
        let key = (parent, level, name.clone());
        if let Some(id) = self.live.account_ids.get(&key) {
            return *id;
        }
        let account = AccountId(self.state.next_account);
        self.record(
            Fact::AccountOpened {
                account,
                level,
                parent: Some(parent),
                name: name.clone(),
            },
            step,
        );
        self.live.account_ids.insert(key, account);
        self.live.payers += u32::from(level == Level::Key);
        account
    }

    pub(crate) fn drop_profile_if_unused(&mut self, profile: ProfileId, step: &mut Step) {
        let Some(row) = self.state.profiles.get(&profile) else {
            return;
        };
        if row.instances > 0 {
            return;
        }
        let account = row.account;
        self.live.profile_ids.remove(&row.spec);
        self.live.tables.remove(profile, &row.spec.grants);
        self.record(Fact::ProfileDropped { profile }, step);
        self.watch_account(account);
    }

    /// An account that nobody uses stays until what it was charged no longer weighs:
    /// making an agent anew does not renew its quota, nor does asking again by a key.
    pub(crate) fn watch_account(&mut self, id: AccountId) {
        let Some(account) = self.state.accounts.get(&id).filter(|it| it.users == 0) else {
            return;
        };
        let due = match account.level {
            // Nothing else of it is kept, and whoever has tokens of an issuer makes as many as there are subjects.
            Level::Key if self.live.reservations.holds(id) => self.now.plus(HELD_MS),
            Level::Key => account.tokens.at_most(Span::HOUR, self.now, 0),
            _ => self.now.plus(Span::HOUR.drained_after()),
        };
        self.live.timers.set(Timer::Account(id), due);
    }

    pub(crate) fn account_due(&mut self, id: AccountId, step: &mut Step) {
        let Some(account) = self.state.accounts.get(&id) else {
            return;
        };
        let Some(parent) = account.parent.filter(|_| account.users == 0) else {
            return;
        };
        let weighs = account.level == Level::Key && account.tokens_in_window(self.now) > 0;
        if weighs || self.live.reservations.holds(id) {
            self.watch_account(id);
            return;
        }
        self.live
            .account_ids
            .remove(&(parent, account.level, account.name.clone()));
        let is_key = u32::from(account.level == Level::Key);
        self.live.payers = self.live.payers.saturating_sub(is_key);
        self.live.attained.remove(&id);
        self.record(Fact::AccountClosed { account: id }, step);
        if parent != CLUSTER {
            self.watch_account(parent);
        }
    }
}
