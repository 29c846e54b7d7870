//! Time zones: which there are, and what a clock on the wall says there.

use aion_abi::date::UnixMillis;
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// The zone where none is named.
const UTC: &str = "UTC";
const DAY_MS: u32 = 24 * 3_600_000;

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// There is no such time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone of the IANA database")]
pub struct NoZone(String);

impl Zone {
    /// The zone of this name; UTC where none is named.
    ///
    /// # Errors
    /// Where there is none. A zone by its offset, or the machine's own, is none of the database.
    pub fn named(name: Option<&str>) -> Result<Self, NoZone> {
        let name = name.unwrap_or(UTC);
        let found = TimeZone::get(name).ok();
        let known = found.filter(|it| it.iana_name().is_some());
        known.map(Self).ok_or_else(|| NoZone(name.to_owned()))
    }

    /// Milliseconds since Monday, 00:00, as the clocks there say; `None` for a date beyond what calendars know.
    #[must_use]
    pub fn week_ms(&self, at: UnixMillis) -> Option<u32> {
        let at = self.at(at)?;
        let day = u32::try_from(at.weekday().to_monday_zero_offset()).ok()?;
        let parts = [(at.hour(), 60), (at.minute(), 60), (at.second(), 1000)];
        let of_day = parts.into_iter().try_fold(0, |sum, (part, times)| {
            Some((sum + u32::try_from(part).ok()?) * times)
        });
        let rest = u32::try_from(at.millisecond()).ok()?;
        Some(day * DAY_MS + of_day? + rest)
    }

    /// A date there.
    pub(crate) fn at(&self, at: UnixMillis) -> Option<Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
        Some(at.to_zoned(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn week_ms(zone: &str, at: &str) -> u32 {
        let at: Timestamp = at.parse().unwrap();
        let at = UnixMillis(u64::try_from(at.as_millisecond()).unwrap());
        Zone::named(Some(zone)).unwrap().week_ms(at).unwrap()
    }

    #[test]
    fn a_week_begins_on_monday_by_the_clock_on_the_wall() {
        const MINUTE: u32 = 60_000;
        assert_eq!(week_ms("UTC", "2026-11-30T00:00:59.007Z"), 59_007);
        assert_eq!(
            week_ms("UTC", "2026-11-29T23:59:00Z"),
            (7 * 1440 - 1) * MINUTE
        );
        assert_eq!(week_ms("Europe/Berlin", "2026-11-29T23:00:00Z"), 0);
        // One hour less in winter than in summer.
        assert_eq!(
            week_ms("Europe/Berlin", "2026-07-06T05:30:00Z"),
            (7 * 60 + 30) * MINUTE
        );
        assert_eq!(
            week_ms("America/New_York", "2026-11-30T03:30:00Z"),
            (6 * 1440 + 22 * 60 + 30) * MINUTE
        );
    }

    #[test]
    fn what_is_no_zone_of_the_database_is_none() {
        for name in ["Mars/Olympus", "+02:00", "", "Local"] {
            assert!(Zone::named(Some(name)).is_err(), "{name}");
        }
        assert!(Zone::named(None).is_ok());
    }
}
