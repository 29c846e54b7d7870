//! How long to wait before something that failed is tried again: the one rule for every part of AION-OS.
//!
//! The bound doubles with each failure, and a pause is a random part of it, at least half: who failed together,
//! such as all nodes of a cluster when its API server went away, does not come back in step. A pause that somebody
//! else named is kept, and a random part of it is added. What may not
//! enter: sleeping, and what is worth another try, which each caller knows best.

use std::time::Duration;

/// The pauses of one thing that is tried until it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses of at most `first` at first, and of at most `longest` ever.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// How long to wait now that it failed once more.
    #[must_use = "a pause that is not waited for is a busy loop"]
    pub fn pause(&mut self) -> Duration {
        let half = self.bound() / 2;
        self.failures = self.failures.saturating_add(1);
        half + half.mul_f64(fastrand::f64())
    }

    /// How long to wait where somebody named a pause: never less than that, and up to half of it more, since
    /// the same was named to others.
    #[must_use = "a pause that is not waited for is a busy loop"]
    pub fn after(named: Duration) -> Duration {
        named.saturating_add((named / 2).mul_f64(fastrand::f64()))
    }

    /// It worked: the next failure is a first one again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    fn bound(&self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_is_at_least_half_of_a_bound_that_doubles_up_to_the_longest() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for milliseconds in [100, 200, 400, 800, 1000, 1000, 1000] {
            let bound = Duration::from_millis(milliseconds);
            let pause = backoff.pause();
            assert!(
                pause >= bound / 2 && pause <= bound,
                "{pause:?} of {bound:?}"
            );
        }
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }

    #[test]
    fn who_failed_together_does_not_come_back_together() {
        let together = [Backoff::new(FIRST, LONGEST); 32];
        let pauses: HashSet<Duration> = together.into_iter().map(|mut it| it.pause()).collect();
        assert!(pauses.len() > 16, "{pauses:?}");
    }

    #[test]
    fn who_was_named_the_same_pause_waits_at_least_so_long_and_comes_back_apart() {
        let named = Duration::from_secs(5);
        let pauses: HashSet<Duration> = (0..32).map(|_| Backoff::after(named)).collect();
        assert!(pauses.len() > 16, "{pauses:?}");
        let (least, most) = (pauses.iter().min(), pauses.iter().max());
        assert!(least >= Some(&named) && most <= Some(&(named + named / 2)));
        assert_eq!(Backoff::after(Duration::MAX), Duration::MAX);
        assert_eq!(Backoff::after(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn what_fails_for_ever_waits_for_the_longest_pause_and_no_number_overflows() {
        let mut backoff = Backoff::new(FIRST, Duration::MAX);
        for _ in 0..100 {
            let _ = backoff.pause();
        }
        assert!(backoff.pause() >= FIRST * 1000);
    }
}
