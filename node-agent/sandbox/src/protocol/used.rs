//! What a worker uses, and what it comes up against before it ends.

use serde::{Deserialize, Serialize};

use super::WorkerId;

/// Waiting for CPU under a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttled {
    /// Periods of the quota in which it had something to do.
    pub periods: u64,
    /// Those of them in which its share was used up.
    pub throttled: u64,
    /// How long it waited, in microseconds; of all its threads together.
    pub waited_us: u64,
}

impl Throttled {
    /// Periods that tell something: a second of them.
    const ENOUGH: u64 = 10;
    /// From so many of a hundred periods on it is worth a word.
    const NOTABLE_PERCENT: u64 = 25;

    /// Of a hundred periods, those in which it waited.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let periods = self.periods.max(1);
        self.throttled.saturating_mul(100) / periods
    }

    /// Whether it waited so often that somebody should know.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.periods >= Self::ENOUGH && self.percent() > Self::NOTABLE_PERCENT
    }
}

/// Memory that is close to its limit, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressure {
    /// Whose.
    pub id: WorkerId,
    /// What it holds; files that were read and not lately used are left out.
    pub held_bytes: u64,
    /// From which on it is told.
    pub high_bytes: u64,
    /// Beyond which a process of its is ended.
    pub most_bytes: u64,
}

/// What was used since the last time that it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The most memory that was held at once, in bytes; `None` without a cgroup, or where the kernel does not let the
    /// peak be set back.
    pub peak_memory_bytes: Option<u64>,
    /// How many of its processes were ended for want of memory, since it was started.
    pub killed_for_memory: u64,
    /// Its limit of memory, in bytes.
    pub most_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_notable_where_it_is_often_and_there_was_time_to_see_it() {
        let of = |periods, throttled| Throttled {
            periods,
            throttled,
            waited_us: 1,
        };
        assert!(of(40, 11).is_notable());
        assert!(!of(40, 10).is_notable(), "a quarter is usual");
        assert!(!of(9, 9).is_notable(), "too short to tell");
        assert_eq!(of(0, 0).percent(), 0);
    }
}
