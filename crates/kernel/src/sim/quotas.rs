//! Whether the ledger kept its bounds and charged what ran, read from the journal alone.

use std::collections::BTreeMap;

use super::model::{Check, Model, ensure};
use crate::{AccountId, Fact, Level, Limits, Millis, Name, Profile, Quota, State, TurnId};

/// Which quota an agent, its tenant, the node and an API key have.
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a Limits,
    pub(super) agents: &'a BTreeMap<(Name, Name), Profile>,
    pub(super) budgets: &'a BTreeMap<Name, u64>,
}

/// Which key each turn is of, as the facts say.
#[derive(Default)]
pub(super) struct Paid {
    keys: BTreeMap<AccountId, Name>,
    by: BTreeMap<TurnId, Name>,
}

impl Model {
    pub(super) fn paid_fact(&mut self, fact: &Fact) -> Check {
        match fact {
            Fact::AccountOpened {
                account,
                level: Level::Key,
                name,
                ..
            } => {
                self.paid.keys.insert(*account, name.clone());
            }
            Fact::AccountClosed { account } => {
                self.paid.keys.remove(account);
            }
            Fact::TurnQueued {
                turn,
                caller,
                paid_by,
                ..
            } => {
                let key = paid_by.map(|it| self.paid.keys.get(&it.account).cloned());
                let key = match key {
                    Some(None) => return Err(format!("turn {turn} is of a key without account")),
                    Some(key) => key,
                    None => None,
                };
                if let Some(caller) = caller {
                    let above = self.paid.by.get(&caller.turn);
                    ensure!(
                        above == key.as_ref(),
                        "turn {turn} is of the key {key:?}, and its caller of {above:?}"
                    );
                }
                self.paid.by.extend(key.map(|key| (*turn, key)));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Amounts with their time, by whom they are charged to.
type Charges = BTreeMap<(Option<Name>, Option<Name>), Vec<(Millis, u64)>>;

fn charge(charges: &mut Charges, agent: &(Name, Name), at: Millis, amount: u64) {
    let (tenant, name) = agent.clone();
    for who in [
        (None, None),
        (Some(tenant.clone()), None),
        (Some(tenant), Some(name)),
    ] {
        charges.entry(who).or_default().push((at, amount));
    }
}

impl Bounds<'_> {
    fn quota(&self, who: &(Option<Name>, Option<Name>)) -> Quota {
        match who {
            (Some(tenant), Some(agent)) => self
                .agents
                .get(&(tenant.clone(), agent.clone()))
                .map(|profile| profile.quota)
                .unwrap_or_default(),
            (Some(tenant), None) => *self
                .limits
                .tenants
                .get(tenant)
                .unwrap_or(&self.limits.tenant_default),
            _ => self.limits.cluster,
        }
    }

    /// No minute had more calls and no hour more tokens than a quota allows. What a driver
    /// used beyond what was reserved for it is not judged.
    pub(super) fn were_kept(&self, model: &Model) -> Check {
        let (mut calls, mut tokens) = (Charges::new(), Charges::new());
        let mut by_key: BTreeMap<&Name, Vec<(Millis, u64)>> = BTreeMap::new();
        for row in model.calls.values() {
            charge(&mut calls, &row.agent, row.at, 1);
            if let Some((_, usage, at)) = &row.ended {
                let used = usage.total().min(row.reserve);
                charge(&mut tokens, &row.agent, *at, used);
                for (tenant, agent) in model.chains.payers(row.turn) {
                    let who = (Some(tenant), Some(agent));
                    tokens.entry(who).or_default().push((*at, used));
                }
                if let Some(key) = model.paid.by.get(&row.turn) {
                    by_key.entry(key).or_default().push((*at, used));
                }
            }
        }
        for (who, charges) in &mut calls {
            within(
                charges,
                60_000,
                self.quota(who).calls_per_minute,
                "calls in a minute",
            )?;
        }
        for (who, charges) in &mut tokens {
            within(
                charges,
                3_600_000,
                self.quota(who).tokens_per_hour,
                "tokens in an hour",
            )?;
        }
        for (key, charges) in &mut by_key {
            let budget = self.budgets.get(*key).copied();
            within(charges, 3_600_000, budget, "tokens of a key in an hour")?;
        }
        Ok(())
    }
}

fn within(charges: &mut [(Millis, u64)], span: u64, limit: Option<u64>, what: &str) -> Check {
    let Some(limit) = limit else { return Ok(()) };
    charges.sort();
    let (mut first, mut sum) = (0, 0);
    for at in 0..charges.len() {
        sum += charges[at].1;
        while charges[first].0.plus(span) <= charges[at].0 {
            sum -= charges[first].1;
            first += 1;
        }
        ensure!(sum <= limit, "{sum} {what} where {limit} are allowed");
    }
    Ok(())
}

/// What the accounts say was charged is what the facts say ran.
pub(super) fn charged_equals_ran(state: &State, model: &Model) -> Check {
    let calls = model.calls.len() as u64;
    let tokens: u64 = model
        .calls
        .values()
        .filter_map(|row| row.ended.as_ref())
        .map(|(_, usage, _)| usage.total())
        .sum();
    let cluster = state
        .accounts
        .values()
        .find(|account| account.parent.is_none())
        .ok_or("no cluster account")?;
    ensure!(
        cluster.total_calls == calls,
        "{} calls charged, {calls} ran",
        cluster.total_calls
    );
    ensure!(
        cluster.total_tokens == tokens,
        "{} tokens charged, {tokens} ran",
        cluster.total_tokens
    );
    Ok(())
}
