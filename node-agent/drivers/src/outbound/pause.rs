//! The pause that a server names in `Retry-After`. What may not enter: who waits for it.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest that is read.
const LONGEST: u64 = 24 * 3600;

/// The pause of an answer with these headers.
pub(crate) fn named_pause(headers: &HeaderMap) -> Option<Duration> {
    pause(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// Seconds; the form with a date is rare among these servers, and is left out.
pub(crate) fn pause(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(LONGEST as f64)))
}

/// In milliseconds, as a problem has it.
pub(crate) fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_and_bounded() {
        assert_eq!(pause(" 2 "), Some(Duration::from_secs(2)));
        assert_eq!(pause("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(pause("1e300"), Some(Duration::from_secs(LONGEST)));
        for odd in ["-1", "NaN", "inf", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(pause(odd), None, "{odd}");
        }
    }
}
