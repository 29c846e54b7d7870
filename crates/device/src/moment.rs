//! A moment by both clocks: intervals are measured on the one that nobody sets, dates are told by the other.

use aion_abi::date::UnixMillis;

/// Now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds of a clock that nobody sets, and that goes on while the machine sleeps.
    pub at: u64,
    /// The date at the same moment.
    pub wall: UnixMillis,
}

impl Moment {
    /// The date of an earlier instant of the steady clock, by today's idea of the date: a wall clock that was wrong when
    /// the instant passed and has been set since does not date it wrongly.
    #[must_use]
    pub fn date_of(self, at: u64) -> UnixMillis {
        UnixMillis(self.wall.0.saturating_sub(self.at.saturating_sub(at)))
    }

    /// The instant of a date; this moment for a date to come, and 0 for one before the clock began.
    #[must_use]
    pub fn instant_of(self, date: UnixMillis) -> u64 {
        self.at.saturating_sub(self.wall.since(date))
    }
}
