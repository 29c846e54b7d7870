//! How facts change durable state: the only way.
//!
//! Folding decides nothing and reads no limits: a fact that follows from those
//! before it has one meaning, and one that does not is an error that stops recovery.

use std::sync::Arc;

use crate::{
    fact::Fact,
    ids::{AccountId, CallId, IdempotencyKey, Incarnation, InstanceUid, Millis, ProfileId, TurnId},
    ledger::{Account, Denial},
    outcome::{Outcome, Usage},
    refusal::Refusal,
    state::{CallRow, InstanceRow, Phase, ProfileRow, State, TurnRow},
};

/// A fact that does not follow from those before it: the journal is damaged or incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact {fact} does not follow from those before it: {why}")]
pub struct ApplyError {
    /// The fact's name.
    pub fact: &'static str,
    /// What is missing, or there already.
    pub why: &'static str,
}

type Applied = Result<(), &'static str>;

impl State {
    /// Folds one fact in.
    ///
    /// # Errors
    /// When the fact does not follow from those before it; the state is then not to be used.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        self.fold(fact).map_err(|why| ApplyError {
            fact: fact.name(),
            why,
        })
    }

    fn fold(&mut self, fact: &Fact) -> Applied {
        match fact {
            Fact::Recovered { .. } => {
                self.recoveries += 1;
                Ok(())
            }
            Fact::AccountOpened {
                account,
                level,
                parent,
                name,
            } => self.open_account(*account, Account::new(*level, *parent, name.clone())),
            Fact::AccountClosed { account } => self.close_account(*account),
            Fact::ProfileAdded {
                profile,
                account,
                spec,
            } => {
                let row = ProfileRow {
                    spec: Arc::new(spec.clone()),
                    account: *account,
                    instances: 0,
                };
                self.add_profile(*profile, row)
            }
            Fact::ProfileDropped { profile } => self.drop_profile(*profile),
            Fact::InstanceApplied {
                instance, profile, ..
            } => self.apply_instance(*instance, *profile),
            Fact::InstanceRetiring { instance, .. } => {
                self.instances
                    .get_mut(instance)
                    .ok_or("no such instance")?
                    .retiring = true;
                Ok(())
            }
            Fact::InstanceRemoved { instance, .. } => self.remove_instance(*instance),
            Fact::TurnQueued {
                turn,
                instance,
                cause,
                input,
                deadline,
                at,
            } => {
                let row = TurnRow {
                    instance: *instance,
                    cause: cause.clone(),
                    input: *input,
                    queued_at: *at,
                    deadline: *deadline,
                    phase: Phase::Queued,
                    stopping: None,
                    usage: Usage::default(),
                    calls: 0,
                };
                self.queue_turn(*turn, row)
            }
            Fact::TurnStarted {
                turn,
                incarnation,
                at,
            } => self.start_turn(*turn, *incarnation, *at),
            Fact::TurnRequeued { turn, .. } => self.requeue_turn(*turn),
            Fact::WorkerRunning {
                turn,
                pid,
                start_time,
                ..
            } => self.run_worker(*turn, *pid, *start_time),
            Fact::TurnStopping { turn, outcome, .. } => {
                let row = self.turns.get_mut(turn).ok_or("no such turn")?;
                row.stopping = Some(outcome.clone());
                Ok(())
            }
            Fact::TurnEnded { turn, .. } => self.end_turn(*turn),
            Fact::CallStarted {
                call,
                turn,
                kind,
                key,
                digest,
                reserve,
                at,
                ..
            } => {
                let (instance, account) = self.charge_call(*call, *turn, *at)?;
                if let Some(key) = key {
                    self.keys.entry(instance).or_default().begin(
                        key.clone(),
                        *call,
                        *kind,
                        *digest,
                    );
                }
                let row = CallRow {
                    turn: *turn,
                    instance,
                    kind: *kind,
                    key: key.clone(),
                    account,
                    reserve: *reserve,
                    started_at: *at,
                };
                self.calls.insert(*call, row);
                Ok(())
            }
            Fact::CallEnded {
                call,
                outcome,
                usage,
                at,
            } => self.end_call(*call, outcome, *usage, *at),
            Fact::CallServed {
                call,
                turn,
                kind,
                key,
                digest,
                at,
            } => {
                let (instance, _) = self.charge_call(*call, *turn, *at)?;
                if let Some(key) = key {
                    self.keys.entry(instance).or_default().begin(
                        key.clone(),
                        *call,
                        *kind,
                        *digest,
                    );
                    self.end_key(instance, key, *call, &Outcome::Ok { body: None }, *at);
                }
                Ok(())
            }
            Fact::CallRefused {
                call,
                turn,
                kind,
                target,
                refusal,
                at,
            } => {
                self.next_call = self.next_call.max(call.0 + 1);
                if is_denial(refusal)
                    && let Some(account) = self.agent_account(*turn)
                {
                    account.remember_denial(Denial {
                        at: *at,
                        turn: *turn,
                        kind: *kind,
                        target: target.clone(),
                        refusal: refusal.clone(),
                    });
                }
                Ok(())
            }
        }
    }

    fn open_account(&mut self, id: AccountId, account: Account) -> Applied {
        let parent = account.parent.ok_or("an account needs one above it")?;
        self.accounts
            .get_mut(&parent)
            .ok_or("no such account above it")?
            .users += 1;
        self.next_account = self.next_account.max(id.0 + 1);
        insert_new(self.accounts.insert(id, account).is_none())
    }

    fn close_account(&mut self, id: AccountId) -> Applied {
        let account = self.accounts.remove(&id).ok_or("no such account")?;
        if account.users > 0 {
            return Err("the account is in use");
        }
        let parent = account
            .parent
            .and_then(|parent| self.accounts.get_mut(&parent));
        release(&mut parent.ok_or("no account above it")?.users)
    }

    fn add_profile(&mut self, id: ProfileId, row: ProfileRow) -> Applied {
        self.accounts
            .get_mut(&row.account)
            .ok_or("no such account")?
            .users += 1;
        self.next_profile = self.next_profile.max(id.0 + 1);
        insert_new(self.profiles.insert(id, row).is_none())
    }

    fn drop_profile(&mut self, id: ProfileId) -> Applied {
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

    fn apply_instance(&mut self, uid: InstanceUid, profile: ProfileId) -> Applied {
        self.profiles
            .get_mut(&profile)
            .ok_or("no such profile")?
            .instances += 1;
        let Some(row) = self.instances.get_mut(&uid) else {
            let row = InstanceRow {
                profile,
                incarnation: Incarnation(0),
                retiring: false,
                turn: None,
            };
            self.instances.insert(uid, row);
            return Ok(());
        };
        let old = std::mem::replace(&mut row.profile, profile);
        release(
            &mut self
                .profiles
                .get_mut(&old)
                .ok_or("no such profile")?
                .instances,
        )
    }

    fn remove_instance(&mut self, uid: InstanceUid) -> Applied {
        let row = self.instances.remove(&uid).ok_or("no such instance")?;
        if row.turn.is_some() {
            return Err("the instance has a worker");
        }
        self.keys.remove(&uid);
        release(
            &mut self
                .profiles
                .get_mut(&row.profile)
                .ok_or("no such profile")?
                .instances,
        )
    }

    fn queue_turn(&mut self, turn: TurnId, row: TurnRow) -> Applied {
        if !self.instances.contains_key(&row.instance) {
            return Err("no such instance");
        }
        self.next_turn = self.next_turn.max(turn.0 + 1);
        insert_new(self.turns.insert(turn, row).is_none())
    }

    fn start_turn(&mut self, turn: TurnId, incarnation: Incarnation, since: Millis) -> Applied {
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
        Ok(())
    }

    fn requeue_turn(&mut self, turn: TurnId) -> Applied {
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

    fn run_worker(&mut self, turn: TurnId, pid: u32, start_time: u64) -> Applied {
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

    fn end_turn(&mut self, turn: TurnId) -> Applied {
        let row = self.turns.remove(&turn).ok_or("no such turn")?;
        let instance = self
            .instances
            .get_mut(&row.instance)
            .ok_or("no such instance")?;
        if instance.turn == Some(turn) {
            instance.turn = None;
        }
        Ok(())
    }

    /// A call is admitted: counted for its turn and charged at every level.
    fn charge_call(
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

    fn end_call(&mut self, call: CallId, outcome: &Outcome, usage: Usage, at: Millis) -> Applied {
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

    fn end_key(
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

    fn agent_account(&mut self, turn: TurnId) -> Option<&mut Account> {
        let instance = self.instances.get(&self.turns.get(&turn)?.instance)?;
        let account = self.profiles.get(&instance.profile)?.account;
        self.accounts.get_mut(&account)
    }
}

fn is_denial(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Denied { .. } | Refusal::ApprovalRequired { .. } | Refusal::QuotaExceeded { .. }
    )
}

fn insert_new(is_new: bool) -> Applied {
    if is_new {
        Ok(())
    } else {
        Err("it is there already")
    }
}

fn release(users: &mut u32) -> Applied {
    *users = users.checked_sub(1).ok_or("nobody had it")?;
    Ok(())
}
