//! Reservations: room held for calls that wait or run.

use std::collections::BTreeMap;

use super::{Account, Span};
use crate::{
    ids::{AccountId, Millis},
    refusal::{Level, QuotaKind, Refusal},
    spec::Quota,
};

/// A guess for quotas that time alone does not free.
const RETRY_CONCURRENCY_MS: u64 = 500;

/// What the calls of one account hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    /// Calls that wait or run.
    concurrent: u64,
    /// Calls that wait: not charged yet.
    unstarted: u64,
    /// Tokens that waiting and running calls may use.
    tokens: u64,
}

/// An account with its quota, for each level, cluster first.
pub(crate) type Quotas<'a> = [(AccountId, &'a Account, Quota); 3];

/// By account; an account without calls has no entry.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    held: BTreeMap<AccountId, Held>,
}

impl Reservations {
    /// Whether one more call with so many tokens fits at every level.
    pub(crate) fn check(
        &self,
        levels: &Quotas<'_>,
        tokens: u64,
        now: Millis,
    ) -> Result<(), Refusal> {
        for (id, account, quota) in levels {
            let held = self.held.get(id).copied().unwrap_or_default();
            let refused = |kind, limit, retry_after_ms| Refusal::QuotaExceeded {
                level: account.level,
                quota: kind,
                limit,
                retry_after_ms,
            };
            if let Some(limit) = quota.concurrency.map(u64::from)
                && held.concurrent >= limit
            {
                let retry = (limit > 0).then_some(RETRY_CONCURRENCY_MS);
                return Err(refused(QuotaKind::Concurrency, limit, retry));
            }
            self.rate((*id, account, *quota), now)?;
            if let Some(refusal) = beyond_tokens((account, *quota, held.tokens), tokens, now) {
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Whether one more call fits into the rate at every level.
    pub(crate) fn check_rate(&self, levels: &Quotas<'_>, now: Millis) -> Result<(), Refusal> {
        levels.iter().try_for_each(|level| self.rate(*level, now))
    }

    fn rate(
        &self,
        (id, account, quota): (AccountId, &Account, Quota),
        now: Millis,
    ) -> Result<(), Refusal> {
        let Some(limit) = quota.calls_per_minute else {
            return Ok(());
        };
        let wanted = self.held.get(&id).map_or(0, |held| held.unstarted) + 1;
        if account.calls_in_window(now).saturating_add(wanted) <= limit {
            return Ok(());
        }
        let most = limit.saturating_sub(wanted);
        let room = || account.calls.at_most(Span::MINUTE, now, most).since(now);
        Err(Refusal::QuotaExceeded {
            level: account.level,
            quota: QuotaKind::Rate,
            limit,
            retry_after_ms: (limit > 0).then(|| room().max(1)),
        })
    }

    /// Whether so many tokens more fit into the quota of each who pays for the turn beside its agent.
    pub(crate) fn check_payers<'a>(
        &self,
        payers: impl Iterator<Item = (AccountId, &'a Account, Quota)>,
        tokens: u64,
        now: Millis,
    ) -> Result<(), Refusal> {
        for (id, account, quota) in payers {
            let held = self.held.get(&id).map_or(0, |held| held.tokens);
            if let Some(mut refusal) = beyond_tokens((account, quota, held), tokens, now) {
                if let Refusal::QuotaExceeded { level, .. } = &mut refusal
                    && *level == Level::Agent
                {
                    *level = Level::Caller;
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Holds room for a call that waits. One that waits for a turn is not counted among those at the same time.
    pub(crate) fn hold(&mut self, accounts: [AccountId; 3], tokens: u64, concurrent: bool) {
        for id in accounts {
            let held = self.held.entry(id).or_default();
            held.concurrent += u64::from(concurrent);
            held.unstarted += 1;
            held.tokens = held.tokens.saturating_add(tokens);
        }
    }

    /// Holds tokens of a call with those who pay for its turn.
    pub(crate) fn hold_tokens(&mut self, payers: &[AccountId], tokens: u64) {
        for id in payers.iter().filter(|_| tokens > 0) {
            let held = self.held.entry(*id).or_default();
            held.tokens = held.tokens.saturating_add(tokens);
        }
    }

    /// Gives them back.
    pub(crate) fn give_back_tokens(&mut self, payers: &[AccountId], tokens: u64) {
        for id in payers {
            if let Some(held) = self.held.get_mut(id) {
                held.tokens = held.tokens.saturating_sub(tokens);
                self.tidy(*id);
            }
        }
    }

    fn tidy(&mut self, id: AccountId) {
        if self.held.get(&id) == Some(&Held::default()) {
            self.held.remove(&id);
        }
    }

    /// The call was charged as a call: it started.
    pub(crate) fn started(&mut self, accounts: [AccountId; 3]) {
        for id in accounts {
            if let Some(held) = self.held.get_mut(&id) {
                held.unstarted = held.unstarted.saturating_sub(1);
            }
        }
    }

    /// A running call uses more tokens than it said it might.
    pub(crate) fn grow(&mut self, accounts: [AccountId; 3], tokens: u64) {
        for id in accounts {
            if let Some(held) = self.held.get_mut(&id) {
                held.tokens = held.tokens.saturating_add(tokens);
            }
        }
    }

    /// Gives back what a call held; `unstarted` when it never started, `concurrent` as it was held.
    pub(crate) fn give_back(
        &mut self,
        accounts: [AccountId; 3],
        tokens: u64,
        unstarted: bool,
        concurrent: bool,
    ) {
        for id in accounts {
            let Some(held) = self.held.get_mut(&id) else {
                continue;
            };
            held.concurrent = held.concurrent.saturating_sub(u64::from(concurrent));
            held.unstarted = held.unstarted.saturating_sub(u64::from(unstarted));
            held.tokens = held.tokens.saturating_sub(tokens);
            self.tidy(id);
        }
    }

    /// Whether any call of this account waits or runs.
    pub(crate) fn holds(&self, id: AccountId) -> bool {
        self.held.contains_key(&id)
    }

    /// Whether nothing is held anywhere.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Why so many tokens more do not fit into an account's quota, beside those that are held.
fn beyond_tokens(
    (account, quota, held): (&Account, Quota, u64),
    tokens: u64,
    now: Millis,
) -> Option<Refusal> {
    let limit = quota.tokens_per_hour.filter(|_| tokens > 0)?;
    let wanted = held.saturating_add(tokens);
    if account.tokens_in_window(now).saturating_add(wanted) <= limit {
        return None;
    }
    let retry_after_ms = (tokens <= limit).then(|| {
        let most = limit.saturating_sub(wanted);
        let room = account.tokens.at_most(Span::HOUR, now, most).since(now);
        room.max(RETRY_CONCURRENCY_MS)
    });
    Some(Refusal::QuotaExceeded {
        level: account.level,
        quota: QuotaKind::Tokens,
        limit,
        retry_after_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{name::Name, outcome::Usage};

    const IDS: [AccountId; 3] = [AccountId(0), AccountId(1), AccountId(2)];

    fn accounts() -> [Account; 3] {
        [Level::Cluster, Level::Tenant, Level::Agent]
            .map(|level| Account::new(level, None, Name::default()))
    }

    fn levels(accounts: &[Account; 3], quotas: [Quota; 3]) -> Quotas<'_> {
        std::array::from_fn(|i| (IDS[i], &accounts[i], quotas[i]))
    }

    fn none() -> Quota {
        Quota::default()
    }

    #[test]
    fn a_refusal_names_the_highest_level_that_is_full_and_when_to_retry() {
        let mut accounts = accounts();
        let now = Millis(1_000_000);
        let tight = Quota {
            calls_per_minute: Some(2),
            ..none()
        };
        for account in &mut accounts {
            account.charge_call(now);
            account.charge_call(now);
        }
        let reservations = Reservations::default();
        let refusal = reservations.check(&levels(&accounts, [none(), tight, tight]), 0, now);
        let Err(Refusal::QuotaExceeded {
            level,
            quota,
            limit,
            retry_after_ms: Some(wait),
        }) = refusal
        else {
            unreachable!("{refusal:?}");
        };
        assert_eq!((level, quota, limit), (Level::Tenant, QuotaKind::Rate, 2));
        let levels = levels(&accounts, [none(), tight, tight]);
        assert!(reservations.check(&levels, 0, now.plus(wait - 1)).is_err());
        assert_eq!(reservations.check(&levels, 0, now.plus(wait)), Ok(()));
    }

    #[test]
    fn reserved_tokens_count_until_they_are_settled() {
        let mut accounts = accounts();
        let now = Millis(1_000_000);
        let quota = [
            none(),
            none(),
            Quota {
                tokens_per_hour: Some(100),
                ..none()
            },
        ];
        let mut reservations = Reservations::default();
        reservations.hold(IDS, 60, true);
        assert!(
            reservations
                .check(&levels(&accounts, quota), 60, now)
                .is_err()
        );
        assert_eq!(
            reservations.check(&levels(&accounts, quota), 40, now),
            Ok(())
        );
        reservations.started(IDS);
        reservations.give_back(IDS, 60, false, true);
        accounts[2].charge_usage(
            now,
            Usage {
                input_tokens: 10,
                output_tokens: 30,
                ..Usage::default()
            },
        );
        assert!(reservations.is_empty());
        assert_eq!(
            reservations.check(&levels(&accounts, quota), 60, now),
            Ok(())
        );
    }

    #[test]
    fn what_can_never_fit_has_no_time_to_retry() {
        let accounts = accounts();
        let quota = [
            Quota {
                tokens_per_hour: Some(10),
                ..none()
            },
            none(),
            none(),
        ];
        let refusal = Reservations::default().check(&levels(&accounts, quota), 11, Millis(5));
        assert!(
            matches!(
                refusal,
                Err(Refusal::QuotaExceeded {
                    level: Level::Cluster,
                    retry_after_ms: None,
                    ..
                })
            ),
            "{refusal:?}"
        );
    }

    #[test]
    fn concurrency_counts_waiting_and_running_calls() {
        let accounts = accounts();
        let quota = [
            none(),
            none(),
            Quota {
                concurrency: Some(1),
                ..none()
            },
        ];
        let mut reservations = Reservations::default();
        assert_eq!(
            reservations.check(&levels(&accounts, quota), 0, Millis(5)),
            Ok(())
        );
        reservations.hold(IDS, 0, true);
        assert!(
            reservations
                .check(&levels(&accounts, quota), 0, Millis(5))
                .is_err()
        );
        reservations.started(IDS);
        assert!(
            reservations
                .check(&levels(&accounts, quota), 0, Millis(5))
                .is_err()
        );
        reservations.give_back(IDS, 0, false, true);
        assert_eq!(
            reservations.check(&levels(&accounts, quota), 0, Millis(5)),
            Ok(())
        );
    }
}
