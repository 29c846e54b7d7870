//! A moment in UTC, and the Gregorian calendar.

/// A moment in UTC: seconds since 1970 and nanoseconds on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct When {
    /// Since 1970; before it less than zero.
    pub seconds: i64,
    /// Always less than a second.
    pub nanos: u32,
}

/// How far a difference of two moments goes, in nanoseconds: what is farther apart counts as that far.
const FAR: i128 = i64::MAX as i128;

impl When {
    /// The first moment of year 1, which stands for none.
    pub const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanos: 0,
    };

    /// Seconds since 1970.
    pub const fn unix(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Midnight of a day; months and days beyond their bounds go on into the next, as a calendar's do.
    pub fn of(year: i64, month: i64, day: i64) -> Self {
        let months = year * 12 + month - 1;
        Self::unix(
            86_400 * (days_to(months.div_euclid(12), months.rem_euclid(12) + 1, 1) + day - 1),
        )
    }

    /// Later (or earlier) by nanoseconds.
    #[must_use]
    pub fn plus_nanos(self, nanos: i64) -> Self {
        let all = i64::from(self.nanos) + nanos.rem_euclid(1_000_000_000);
        Self {
            seconds: self.seconds + nanos.div_euclid(1_000_000_000) + all / 1_000_000_000,
            nanos: (all % 1_000_000_000) as u32,
        }
    }

    /// Hours since another moment, at most some 292 years of them.
    pub fn hours_since(self, other: Self) -> f64 {
        const HOUR: i128 = 3_600_000_000_000;
        let nanos = (i128::from(self.seconds) - i128::from(other.seconds)) * 1_000_000_000
            + i128::from(self.nanos)
            - i128::from(other.nanos);
        let nanos = nanos.clamp(-FAR - 1, FAR);
        (nanos / HOUR) as f64 + (nanos % HOUR) as f64 / HOUR as f64
    }

    /// Days since 1970, with their fraction.
    #[inline]
    pub fn days(self) -> f64 {
        self.seconds as f64 / 86_400.0 + f64::from(self.nanos) / 86_400e9
    }

    /// Year, month from 1, day from 1 (Hinnant, chrono-Compatible Low-Level Date Algorithms, `civil_from_days`).
    pub fn date(self) -> (i64, i64, i64) {
        let days = self.seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Hour, minute and second.
    pub fn clock(self) -> (i64, i64, i64) {
        let second = self.seconds.rem_euclid(86_400);
        (second / 3600, second / 60 % 60, second % 60)
    }
}

/// The days from 1970-01-01 to one of the Gregorian calendar (Hinnant, as above, `days_from_civil`).
#[inline]
pub(super) fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// How many days a month has.
#[inline]
pub(super) fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 != 0 || year % 100 == 0 && year % 400 != 0 => 28,
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
