//! How long it takes until a program that ended is started again: at once the first time, longer each time it does
//! not stay. Starting, waiting and the clock may not enter.

use std::time::Duration;

use aion_backoff::Backoff;

/// A program that ran so long has stayed: what ended it is something new.
pub(super) const STAYED: Duration = Duration::from_secs(60);

/// The ends of one program.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    in_a_row: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(60)),
            in_a_row: 0,
        }
    }
}

impl Pace {
    /// It ended after it `ran`. Gives how long to wait.
    pub(super) fn ended(&mut self, ran: Duration) -> Duration {
        if ran >= STAYED {
            *self = Self::default();
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.backoff.pause()
    }

    /// How often it ended without having stayed.
    pub(super) const fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(3);

    #[test]
    fn a_program_that_does_not_stay_waits_longer_each_time_and_one_that_stayed_begins_anew() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..12).map(|_| pace.ended(SHORT)).collect();
        assert!(pauses[0] <= Duration::from_millis(500), "{pauses:?}");
        // Half a pause is certain, so each second one is longer whatever the chance.
        assert!(pauses[0] < pauses[2] && pauses[2] < pauses[4], "{pauses:?}");
        let longest = pauses[11];
        assert!(
            longest >= Duration::from_secs(30) && longest <= Duration::from_secs(60),
            "{pauses:?}"
        );
        assert_eq!(pace.in_a_row(), 12);
        assert!(pace.ended(STAYED) <= Duration::from_millis(500));
        assert_eq!(pace.in_a_row(), 1);
    }
}
