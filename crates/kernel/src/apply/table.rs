//! Folding of the process table: accounts, profiles, instances, turns.

use super::{Applied, insert_new};
use crate::{
    called::{Begun, Called, CalledBy, Narrowed},
    ids::{AccountId, Incarnation, InstanceUid, Millis, ProfileId, TurnId},
    ledger::Account,
    outcome::TurnOutcome,
    state::{InstanceRow, Phase, ProfileRow, State, TurnRow},
};

impl State {
    pub(super) fn open_account(&mut self, id: AccountId, account: Account) -> Applied {
        let parent = account.parent.ok_or("an account needs one above it")?;
        self.accounts
            .get_mut(&parent)
            .ok_or("no such account above it")?
            .users += 1;
        self.next_account = self.next_account.max(id.0 + 1);
        insert_new(self.accounts.insert(id, account).is_none())
    }

    pub(super) fn close_account(&mut self, id: AccountId) -> Applied {
        let account = self.accounts.remove(&id).ok_or("no such account")?;
        if account.users > 0 {
            return Err("the account is in use");
        }
        let parent = account
            .parent
            .and_then(|parent| self.accounts.get_mut(&parent));
        release(&mut parent.ok_or("no account above it")?.users)
    }

    pub(super) fn add_profile(&mut self, id: ProfileId, row: ProfileRow) -> Applied {
        self.accounts
            .get_mut(&row.account)
            .ok_or("no such account")?
            .users += 1;
        self.next_profile = self.next_profile.max(id.0 + 1);
        self.end_words_of(row.account, Some(&row.spec));
        insert_new(self.profiles.insert(id, row).is_none())
    }

    pub(super) fn drop_profile(&mut self, id: ProfileId) -> Applied {
        let row = self.profiles.remove(&id).ok_or("no such profile")?;
        if row.instances > 0 {
            return Err("the profile is in use");
        }
        release(
            &mut self
                .accounts
                .get_mut(&row.account)
                .ok_or("no such account")?
                .users,
        )
    }

    pub(super) fn apply_instance(
        &mut self,
        uid: InstanceUid,
        profile: ProfileId,
        behind: Incarnation,
    ) -> Applied {
        self.profiles
            .get_mut(&profile)
            .ok_or("no such profile")?
            .instances += 1;
        let Some(row) = self.instances.get_mut(&uid) else {
            let row = InstanceRow {
                profile,
                incarnation: behind,
                retiring: false,
                turn: None,
            };
            self.instances.insert(uid, row);
            return Ok(());
        };
        let old = std::mem::replace(&mut row.profile, profile);
        self.end_words_without_agent(old);
        release(
            &mut self
                .profiles
                .get_mut(&old)
                .ok_or("no such profile")?
                .instances,
        )
    }

    pub(super) fn remove_instance(&mut self, uid: InstanceUid) -> Applied {
        let row = self.instances.remove(&uid).ok_or("no such instance")?;
        if row.turn.is_some() {
            return Err("the instance has a worker");
        }
        self.remove_keys(uid);
        self.spent = self.spent.max(row.incarnation);
        let profile = self.profiles.get_mut(&row.profile);
        release(&mut profile.ok_or("no such profile")?.instances)?;
        self.forget_questions(uid);
        Ok(())
    }

    pub(super) fn queue_turn(&mut self, turn: TurnId, row: TurnRow) -> Applied {
        if !self.instances.contains_key(&row.instance) {
            return Err("no such instance");
        }
        if let Some(paid_by) = row.paid_by {
            let account = self.accounts.get_mut(&paid_by.account);
            account.ok_or("no such account of a key")?.users += 1;
        }
        self.next_turn = self.next_turn.max(turn.0 + 1);
        insert_new(self.turns.insert(turn, row).is_none())
    }

    pub(super) fn start_turn(
        &mut self,
        turn: TurnId,
        incarnation: Incarnation,
        since: Millis,
    ) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        let instance = self
            .instances
            .get_mut(&row.instance)
            .ok_or("no such instance")?;
        if instance.turn.is_some() || row.phase != Phase::Queued {
            return Err("the instance has a worker");
        }
        if incarnation <= instance.incarnation {
            return Err("the incarnation was given out before");
        }
        instance.turn = Some(turn);
        instance.incarnation = incarnation;
        row.phase = Phase::Starting { incarnation, since };
        let uid = row.instance;
        // Until now it waited, maybe behind another: what it did was kept for it.
        self.keep_keys_as_of(uid, turn, since);
        Ok(())
    }

    pub(super) fn requeue_turn(&mut self, turn: TurnId) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        let Phase::Starting { .. } = row.phase else {
            return Err("the turn is not starting");
        };
        row.phase = Phase::Queued;
        self.instances
            .get_mut(&row.instance)
            .ok_or("no such instance")?
            .turn = None;
        Ok(())
    }

    pub(super) fn evict_turn(&mut self, turn: TurnId) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        if row.phase.incarnation().is_none() {
            return Err("the turn has no worker");
        }
        row.phase = Phase::Queued;
        let uid = row.instance;
        self.instances.get_mut(&uid).ok_or("no such instance")?.turn = None;
        self.free_keys(uid, turn);
        if let Some(table) = self.keys.get_mut(&uid) {
            table.park(turn);
        }
        Ok(())
    }

    pub(super) fn run_worker(&mut self, turn: TurnId, pid: u32, start_time: u64) -> Applied {
        let row = self.turns.get_mut(&turn).ok_or("no such turn")?;
        let Phase::Starting { incarnation, since } = row.phase else {
            return Err("the turn is not starting");
        };
        row.phase = Phase::Running {
            incarnation,
            since,
            pid,
            start_time,
        };
        Ok(())
    }

    /// A turn is called by another.
    pub(super) fn call_turn(
        &mut self,
        turn: TurnId,
        by: &CalledBy,
    ) -> Result<Called, &'static str> {
        let caller = self.turns.get_mut(&by.turn).ok_or("no such caller")?;
        caller.begun.push(Begun {
            turn,
            call: by.call,
            key: by.key.clone(),
            digest: by.digest,
            ended: None,
        });
        let above = caller.called.as_deref();
        let mut narrowed = above.map_or_else(Vec::new, |it| it.narrowed.clone());
        narrowed.extend(by.delegated.clone().map(|to| Narrowed { by: by.turn, to }));
        Ok(Called {
            by: by.turn,
            call: by.call,
            depth: above.map_or(0, |it| it.depth) + 1,
            narrowed,
        })
    }

    pub(super) fn end_turn(&mut self, turn: TurnId, outcome: &TurnOutcome, at: Millis) -> Applied {
        let row = self.turns.remove(&turn).ok_or("no such turn")?;
        let caller = row.called.as_ref().map(|it| it.by);
        let caller = caller.and_then(|it| self.turns.get_mut(&it));
        let begun = caller.and_then(|it| it.begun.iter_mut().find(|it| it.turn == turn));
        if let Some(begun) = begun {
            begun.ended = Some(outcome.clone());
        }
        self.keep_keys_as_of(row.instance, turn, at);
        if row.asked > 0 {
            self.withdraw_questions(turn, at);
        }
        if let Some(paid_by) = row.paid_by {
            let account = self.accounts.get_mut(&paid_by.account);
            release(&mut account.ok_or("no such account of a key")?.users)?;
        }
        let instance = self
            .instances
            .get_mut(&row.instance)
            .ok_or("no such instance")?;
        if instance.turn == Some(turn) {
            instance.turn = None;
        }
        Ok(())
    }
}

fn release(users: &mut u32) -> Applied {
    *users = users.checked_sub(1).ok_or("nobody had it")?;
    Ok(())
}
