//! The pause that a server names in `Retry-After`. What may not enter: who waits for it.

use std::time::Duration;

use aion_abi::problem::Problem;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

/// The longest that is read.
const LONGEST: u64 = 24 * 3600;

/// The pause of an answer with these headers, in either form of RFC 9110, section 10.2.3. One that names a date is
/// measured by the answer's own `Date`: the two clocks need not agree.
pub(crate) fn named_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let named = headers.get(RETRY_AFTER).and_then(text)?;
    pause(&named).or_else(|| {
        let until = httpdate::parse_http_date(named.trim()).ok()?;
        let said = httpdate::parse_http_date(headers.get(DATE).and_then(text)?.trim()).ok()?;
        let left = until.duration_since(said).unwrap_or_default();
        Some(left.min(Duration::from_secs(LONGEST)))
    })
}

/// Seconds.
fn pause(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(LONGEST as f64)))
}

/// The problem with the pause after which the call may be made again, where one is known, in milliseconds.
pub(crate) fn not_before(problem: Problem, millis: Option<u64>) -> Problem {
    match millis {
        Some(millis) => problem.retry_after_ms(millis),
        None => problem,
    }
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

    #[test]
    fn a_date_is_measured_by_the_servers_own_clock() {
        let named = |after: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            named_pause(&headers)
        };
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let before = Some("Wed, 21 Oct 2015 07:27:30 GMT");
        assert_eq!(named(date, before), Some(Duration::from_secs(30)));
        let after = Some("Wed, 21 Oct 2015 07:29:00 GMT");
        assert_eq!(named(date, after), Some(Duration::ZERO));
        let long_before = Some("Mon, 19 Oct 2015 07:28:00 GMT");
        assert_eq!(named(date, long_before), Some(Duration::from_secs(LONGEST)));
        assert_eq!(named(date, None), None);
        assert_eq!(named("30", None), Some(Duration::from_secs(30)));
    }
}
