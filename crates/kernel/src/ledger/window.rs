//! A sliding window of constant size.

use serde::{Deserialize, Serialize};

use crate::ids::Millis;

/// Twelve whole buckets make the span; the thirteenth is the one being filled.
const BUCKETS: u64 = 13;

/// The sum of what was added during the last twelve to thirteen bucket widths.
///
/// Any span of twelve widths that ends now lies within the thirteen buckets, so a
/// bound on the sum is a bound on every such span: never over, early by at most one
/// width. A clock that steps back adds to the newest bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    newest: u64,
    /// Not there before the first addition: most accounts of agents at rest need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<Box<[u64; BUCKETS as usize]>>,
}

/// A window's span in milliseconds, a multiple of twelve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const MINUTE: Self = Self(60_000);
    pub(crate) const HOUR: Self = Self(3_600_000);

    fn width(self) -> u64 {
        self.0 / (BUCKETS - 1)
    }

    /// After this long without an addition the window is empty.
    pub(crate) fn drained_after(self) -> u64 {
        self.width() * BUCKETS
    }
}

impl Window {
    pub(crate) fn add(&mut self, span: Span, at: Millis, amount: u64) {
        let bucket = at.0 / span.width();
        let counts = self.counts.get_or_insert_default();
        if bucket > self.newest {
            for stale in self.newest + 1..=bucket.min(self.newest + BUCKETS) {
                counts[(stale % BUCKETS) as usize] = 0;
            }
            self.newest = bucket;
        }
        let count = &mut counts[(self.newest % BUCKETS) as usize];
        *count = count.saturating_add(amount);
    }

    pub(crate) fn sum(&self, span: Span, now: Millis) -> u64 {
        self.oldest_first(span, now)
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The first moment at which the sum is at most `most`, if nothing is added.
    pub(crate) fn at_most(&self, span: Span, now: Millis, most: u64) -> Millis {
        let mut sum = self.sum(span, now);
        let mut when = now;
        for (bucket, count) in self.oldest_first(span, now) {
            if sum <= most {
                break;
            }
            sum = sum.saturating_sub(count);
            when = Millis((bucket + BUCKETS) * span.width());
        }
        when
    }

    /// Bucket numbers and counts that still weigh at `now`.
    fn oldest_first(&self, span: Span, now: Millis) -> impl Iterator<Item = (u64, u64)> + '_ {
        let current = (now.0 / span.width()).max(self.newest);
        let first = (current + 1).saturating_sub(BUCKETS);
        let counts = self.counts.as_deref();
        counts.into_iter().flat_map(move |counts| {
            (first..=self.newest).map(|bucket| (bucket, counts[(bucket % BUCKETS) as usize]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every addition, remembered; the window must never show less than the last hour's.
    #[test]
    fn the_sum_covers_every_span_that_ends_now() {
        let mut window = Window::default();
        let mut all: Vec<(u64, u64)> = Vec::new();
        let mut at = 1_700_000_000_000_u64;
        let mut seed = 9_u64;
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            at += (seed >> 40) % 700_000;
            let amount = (seed >> 20) % 50;
            window.add(Span::HOUR, Millis(at), amount);
            all.push((at, amount));
            let later = at + (seed >> 33) % 400_000;
            let span = |ms: u64| {
                all.iter()
                    .filter(|(when, _)| when + ms > later)
                    .map(|(_, n)| n)
                    .sum::<u64>()
            };
            let sum = window.sum(Span::HOUR, Millis(later));
            assert!(sum >= span(3_600_000), "shows less than the last hour used");
            assert!(
                sum <= span(3_900_000),
                "shows more than an hour and a bucket used"
            );
        }
    }

    #[test]
    fn it_says_when_there_is_room_again() {
        let mut window = Window::default();
        window.add(Span::MINUTE, Millis(1_000_000), 3);
        window.add(Span::MINUTE, Millis(1_020_000), 4);
        let now = Millis(1_030_000);
        assert_eq!(window.at_most(Span::MINUTE, now, 7), now);
        for most in [4, 3, 0] {
            let when = window.at_most(Span::MINUTE, now, most);
            assert!(window.sum(Span::MINUTE, when) <= most);
            assert!(window.sum(Span::MINUTE, Millis(when.0 - 1)) > most);
        }
    }

    #[test]
    fn a_clock_that_steps_back_frees_nothing() {
        let mut window = Window::default();
        window.add(Span::MINUTE, Millis(1_000_000), 5);
        window.add(Span::MINUTE, Millis(10_000), 5);
        assert_eq!(window.sum(Span::MINUTE, Millis(10_000)), 10);
        assert_eq!(window.sum(Span::MINUTE, Millis(1_000_000)), 10);
    }
}
