//! How long it takes until a program that ended is started again: at once the first time, longer each time it does
//! not stay, and never at the same moment as the others on a machine that just came up. Pure.

use std::time::Duration;

/// The longest before the first try.
const FIRST: Duration = Duration::from_millis(500);
/// The longest of all.
const LONGEST: Duration = Duration::from_secs(60);
/// A program that ran so long has stayed: what ended it is something new.
pub(super) const STAYED: Duration = Duration::from_secs(60);

/// The ends of one program.
#[derive(Debug, Default)]
pub(super) struct Pace {
    in_a_row: u32,
}

impl Pace {
    /// It ended after it `ran`. Gives how long to wait; `chance` is anything from 0 to 1.
    pub(super) fn ended(&mut self, ran: Duration, chance: f64) -> Duration {
        if ran >= STAYED {
            self.in_a_row = 0;
        }
        let doubled = FIRST.saturating_mul(1 << self.in_a_row.min(16));
        self.in_a_row = self.in_a_row.saturating_add(1);
        // Half of it is certain, so that a loop is slowed whatever the chance.
        doubled
            .min(LONGEST)
            .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// How often it ended without having stayed.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(3);

    #[test]
    fn a_program_that_does_not_stay_is_started_more_and_more_rarely() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..12).map(|_| pace.ended(SHORT, 1.0)).collect();
        assert_eq!(pauses[0], FIRST);
        for pair in pauses.windows(2) {
            assert_eq!(pair[1], (pair[0] * 2).min(LONGEST));
        }
        assert_eq!(pauses[11], LONGEST);
        assert_eq!(pace.in_a_row(), 12);
        assert_eq!(pace.ended(STAYED, 1.0), FIRST);
        assert_eq!(pace.in_a_row(), 1);
    }

    #[test]
    fn chance_spreads_the_starts_over_the_second_half_of_the_pause() {
        for chance in [0.0, 0.3, 1.0, -1.0, 7.0] {
            let mut pace = Pace::default();
            for _ in 0..40 {
                let longest = pace.ended(SHORT, 1.0);
                pace.in_a_row -= 1;
                let pause = pace.ended(SHORT, chance);
                assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
            }
        }
    }
}
