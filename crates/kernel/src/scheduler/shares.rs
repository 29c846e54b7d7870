//! Virtual counters: who of several backlogged parties has been served least.
//!
//! The virtual token counter of Sheng et al., *Fairness in Serving Large Language
//! Models*, OSDI 2024 (algorithm 2). A party's counter grows by what is served to
//! it; the least counter goes next. A party that comes back from idling is lifted
//! to the least counter of the backlogged, so that idling earns no credit; nothing
//! lowers a counter but the correction of an estimate.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Shares<K> {
    counters: BTreeMap<K, u64>,
    backlogged: BTreeSet<(u64, K)>,
    /// The counter of the last party that left the backlog.
    left_at: u64,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self {
            counters: BTreeMap::new(),
            backlogged: BTreeSet::new(),
            left_at: 0,
        }
    }
}

impl<K: Copy + Ord> Shares<K> {
    /// `party` has something waiting from now on.
    pub(crate) fn join(&mut self, party: K) {
        let counter = self.counters.entry(party).or_default();
        if self.backlogged.contains(&(*counter, party)) {
            return;
        }
        let floor = self
            .backlogged
            .first()
            .map_or(self.left_at, |(least, _)| *least);
        *counter = floor.max(*counter);
        self.backlogged.insert((*counter, party));
    }

    /// `party` has nothing waiting any more.
    pub(crate) fn leave(&mut self, party: K) {
        let Some(&counter) = self.counters.get(&party) else {
            return;
        };
        if self.backlogged.remove(&(counter, party)) {
            self.left_at = counter;
        }
    }

    /// The backlogged party that was served least; of equals the first in order.
    pub(crate) fn least(&self) -> Option<K> {
        self.backlogged.first().map(|(_, party)| *party)
    }

    /// `party` was served `amount`; negative to correct an estimate that was too high.
    pub(crate) fn charge(&mut self, party: K, amount: i64) {
        let Some(counter) = self.counters.get_mut(&party) else {
            return;
        };
        let old = *counter;
        *counter = old.saturating_add_signed(amount);
        if self.backlogged.remove(&(old, party)) {
            self.backlogged.insert((*counter, party));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random costs, parties that come and go: two that stay backlogged are served
    /// alike, within twice the largest cost.
    #[test]
    fn parties_that_stay_backlogged_are_served_alike() {
        for seed in 1..200_u64 {
            let mut shares = Shares::default();
            let mut random = seed;
            let mut next = |bound: u64| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (random >> 33) % bound
            };
            let largest = 1 + next(1_000);
            let mut served = [0_u64; 5];
            // Some history first: the two begin with whatever it left them.
            for party in 2..5 {
                shares.join(party);
            }
            for _ in 0..next(50) {
                if let Some(party) = shares.least() {
                    shares.charge(party, next(largest) as i64 + 1);
                }
            }
            shares.join(0);
            shares.join(1);
            for _ in 0..400 {
                let passing = 2 + next(3) as usize;
                if next(2) == 0 {
                    shares.join(passing)
                } else {
                    shares.leave(passing)
                }
                let cost = next(largest) + 1;
                if let Some(party) = shares.least() {
                    served[party] += cost;
                    shares.charge(party, cost as i64);
                }
                assert!(served[0].abs_diff(served[1]) <= 2 * largest, "seed {seed}");
            }
        }
    }

    #[test]
    fn idling_earns_no_credit() {
        let mut shares = Shares::default();
        shares.join('a');
        shares.join('b');
        shares.leave('b');
        shares.charge('a', 1_000);
        shares.join('b');
        assert_eq!(
            shares.least(),
            Some('a'),
            "b starts where a is, and of equals the first goes"
        );
        shares.charge('a', 1);
        assert_eq!(shares.least(), Some('b'));
    }

    #[test]
    fn a_debt_outlives_a_moment_of_idling() {
        let mut shares = Shares::default();
        shares.join('a');
        shares.join('b');
        shares.charge('a', 1_000);
        shares.leave('a');
        shares.join('a');
        assert_eq!(shares.least(), Some('b'));
    }
}
