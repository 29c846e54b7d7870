//! How often each key is used: its requests of the last minute, and no more than its bound of them.

use std::collections::{HashMap, VecDeque};

use aion_abi::{code::Code, problem::Problem};
use aion_kernel::Millis;
use parking_lot::Mutex;

const MINUTE_MS: u64 = 60_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, VecDeque<Millis>>>);

impl Pace {
    /// Counts a request of whom this is.
    ///
    /// # Errors
    /// It had as many in the last minute as it may.
    pub(super) fn take(&self, id: &str, limit: u32, now: Millis) -> Result<(), Problem> {
        let mut all = self.0.lock();
        let taken = all.entry(id.to_owned()).or_default();
        while taken.front().is_some_and(|it| now.since(*it) >= MINUTE_MS) {
            taken.pop_front();
        }
        if taken.len() < limit as usize {
            taken.push_back(now);
            return Ok(());
        }
        let first = taken.front().copied().unwrap_or(now);
        let what = format!("the key has {limit} requests a minute");
        Err(Problem::new(Code::QuotaExceeded, what)
            .remedy("wait, or make a key with more: aionctl key create --requests-per-minute N")
            .retry_after_ms(MINUTE_MS - now.since(first).min(MINUTE_MS - 1)))
    }

    /// Forgets who is quiet.
    pub(super) fn tidy(&self, now: Millis) {
        let mut all = self.0.lock();
        all.retain(|_, taken| taken.back().is_some_and(|it| now.since(*it) < MINUTE_MS));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_over_the_bound_waits_for_as_long_as_it_is_told() {
        let pace = Pace::default();
        let at = |ms: u64| Millis(1_000_000 + ms);
        assert!(pace.take("a", 2, at(0)).is_ok());
        assert!(pace.take("a", 2, at(10_000)).is_ok());
        let refused = pace.take("a", 2, at(20_000)).unwrap_err();
        assert_eq!(refused.code, Code::QuotaExceeded);
        assert_eq!(refused.retry_after_ms, Some(40_000));
        assert!(pace.take("b", 2, at(20_000)).is_ok(), "another's");
        assert!(pace.take("a", 2, at(59_999)).is_err());
        assert!(pace.take("a", 2, at(60_000)).is_ok());
        pace.tidy(at(80_001));
        assert_eq!(pace.0.lock().len(), 1);
    }
}
