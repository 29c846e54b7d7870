//! Times and sizes in few characters.

use aion_abi::date::UnixMillis;
use jiff::{Timestamp, tz::TimeZone};

/// How long ago a moment was, as kubectl writes it: `45s`, `12m`, `3h5m`, `2d3h`, `40d`.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..10_800 => format!("{minutes}m"),
        10_800..172_800 => match minutes % 60 {
            0 => format!("{hours}h"),
            rest if hours < 8 => format!("{hours}h{rest}m"),
            _ => format!("{hours}h"),
        },
        _ => match hours % 24 {
            rest if days < 8 && rest > 0 => format!("{days}d{rest}h"),
            _ => format!("{days}d"),
        },
    }
}

/// How long something took.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!(
            "{} min {} s",
            milliseconds / 60_000,
            milliseconds % 60_000 / 1000
        ),
    }
}

/// A file's size.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size);
        }
    }
    format!("{bytes} B")
}

/// A moment as a clock on this machine shows it, `2026-03-01 14:05:09`.
pub(crate) fn clock(date: UnixMillis, zone: &TimeZone) -> String {
    i64::try_from(date.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || "an unknown time".to_owned(),
            |at| at.to_zoned(zone.clone()).strftime("%F %T").to_string(),
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_age_has_at_most_two_units() {
        let now = Timestamp::from_second(10_000_000).unwrap();
        for (seconds, expect) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (10_799, "179m"),
            (11_100, "3h5m"),
            (10_800, "3h"),
            (40_000, "11h"),
            (200_000, "2d7h"),
            (900_000, "10d"),
            (-5, "0s"),
        ] {
            let then = Timestamp::from_second(10_000_000 - seconds).unwrap();
            assert_eq!(since(then, now), expect, "{seconds}");
        }
    }

    #[test]
    fn durations_and_sizes_read_at_once() {
        assert_eq!(duration(80), "80 ms");
        assert_eq!(duration(2_345), "2.3 s");
        assert_eq!(duration(61_000), "1 min 1 s");
        assert_eq!(size(812), "812 B");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(10 << 20), "10.0 MiB");
    }

    #[test]
    fn a_clock_shows_the_zone_it_is_given() {
        assert_eq!(clock(UnixMillis(0), &TimeZone::UTC), "1970-01-01 00:00:00");
        assert_eq!(
            clock(UnixMillis(u64::MAX), &TimeZone::UTC),
            "an unknown time"
        );
    }
}
