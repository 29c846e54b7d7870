//! The anti-replay window of one key: a sliding bitmap as in RFC 4303 §3.4.3, constant memory.
//!
//! Counters may arrive out of order by up to [`Window::WIDTH`]; each is accepted once. The window lives in
//! memory only. After a restart that of a worker which lives on is empty, so timestamps from before it began are
//! refused as stale ([`freshness`]) and the caller signs again: nothing recorded before can be replayed after.

use std::time::Duration;

use thiserror::Error;

use crate::date::UnixMillis;

/// How long ago a request may have been signed, in milliseconds.
pub const MAX_AGE_MS: u64 = 30_000;
/// How far ahead of the daemon's clock a timestamp may be, in milliseconds. Both read the clock of one machine, so only
/// one that is set back between signing and reading makes a request seem to come from the future.
pub const MAX_AHEAD_MS: u64 = 1_000;

/// Which counters of one key have been seen.
#[derive(Debug, Clone)]
pub struct Window {
    highest: u64,
    seen: [u64; Self::WORDS],
}

/// Why a counter or timestamp was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The counter was used before, or is too old to tell.
    #[error(
        "counter was used before, or is more than {} behind the newest",
        Window::WIDTH
    )]
    Replayed,
    /// The timestamp is too old, ahead, or not surely younger than the window.
    #[error("timestamp is too old or ahead, or an earlier daemon may have taken it")]
    Stale,
}

impl Window {
    const WORDS: usize = 256;
    /// How many counters behind the highest can still be accepted: those of a caller that makes 100,000 calls a second
    /// over several connections, one of which the daemon's machine leaves waiting for 160 ms.
    pub const WIDTH: u64 = 64 * Self::WORDS as u64;

    /// An empty window: every counter from 1 on is acceptable.
    pub fn new() -> Self {
        Self {
            highest: 0,
            seen: [0; Self::WORDS],
        }
    }

    /// Accepts `counter` once. Call only after the signature verified, else a forger moves the window.
    ///
    /// # Errors
    /// [`Refused::Replayed`] for 0, a counter seen before, or one older than the window.
    pub fn accept(&mut self, counter: u64) -> Result<(), Refused> {
        if counter > self.highest {
            self.advance(counter);
        } else if counter == 0 || self.highest - counter >= Self::WIDTH {
            return Err(Refused::Replayed);
        }
        let (word, bit) = Self::position(counter);
        if self.seen[word] & bit != 0 {
            return Err(Refused::Replayed);
        }
        self.seen[word] |= bit;
        Ok(())
    }

    fn advance(&mut self, to: u64) {
        let steps = (to - self.highest).min(Self::WIDTH);
        for counter in to - steps + 1..=to {
            let (word, bit) = Self::position(counter);
            self.seen[word] &= !bit;
        }
        self.highest = to;
    }

    fn position(counter: u64) -> (usize, u64) {
        let index = counter % Self::WIDTH;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a timestamp is fresh: at most [`MAX_AGE_MS`] old and [`MAX_AHEAD_MS`] ahead. Where the key was in use before
/// the window began, `window` ago, also whether nobody can have taken it before: what was taken then was ahead by
/// so much at most. How long ago is measured and not read off the wall clock, which may have been set since.
///
/// # Errors
/// [`Refused::Stale`] otherwise.
pub fn freshness(
    signed: UnixMillis,
    now: UnixMillis,
    window: Option<Duration>,
) -> Result<(), Refused> {
    let (age, ahead) = (now.since(signed), signed.since(now));
    let younger = |window: Duration| Duration::from_millis(age + MAX_AHEAD_MS) < window;
    if !window.is_none_or(younger) || age > MAX_AGE_MS || ahead > MAX_AHEAD_MS {
        return Err(Refused::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_counter_is_accepted_once_in_any_order() {
        let mut window = Window::new();
        for counter in [5, 1, 3, 2, 4] {
            assert_eq!(window.accept(counter), Ok(()));
            assert_eq!(window.accept(counter), Err(Refused::Replayed));
        }
        assert_eq!(window.accept(0), Err(Refused::Replayed));
    }

    #[test]
    fn a_counter_behind_the_window_is_refused() {
        let mut window = Window::new();
        assert_eq!(window.accept(Window::WIDTH + 1), Ok(()));
        assert_eq!(window.accept(1), Err(Refused::Replayed));
        assert_eq!(window.accept(2), Ok(()));
    }

    #[test]
    fn a_jump_to_the_last_counter_does_not_overflow_or_stall() {
        let mut window = Window::new();
        assert_eq!(window.accept(u64::MAX), Ok(()));
        assert_eq!(window.accept(u64::MAX), Err(Refused::Replayed));
        assert_eq!(window.accept(u64::MAX - 1), Ok(()));
    }

    #[test]
    fn the_window_agrees_with_a_set_of_all_counters() {
        // Numbers from a linear congruential generator (Knuth, MMIX): the same walk on every run.
        let mut state = 42u64;
        let mut window = Window::new();
        let (mut seen, mut highest) = (BTreeSet::new(), 0u64);
        for _ in 0..50_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let counter = (highest + 40).saturating_sub((state >> 33) % 1_200);
            let fits = counter > 0
                && (counter > highest || highest - counter < Window::WIDTH)
                && !seen.contains(&counter);
            assert_eq!(window.accept(counter).is_ok(), fits, "counter {counter}");
            if fits {
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }

    const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

    fn signed(ago: i64, window: Option<u64>) -> Result<(), Refused> {
        let at = UnixMillis(NOW.0.saturating_add_signed(-ago));
        freshness(at, NOW, window.map(Duration::from_millis))
    }

    #[test]
    fn a_timestamp_is_fresh_for_a_while_and_hardly_ahead() {
        let (old, ahead) = (MAX_AGE_MS as i64, MAX_AHEAD_MS as i64);
        assert_eq!(signed(old, None), Ok(()));
        assert_eq!(signed(old + 1, None), Err(Refused::Stale));
        assert_eq!(signed(-ahead, None), Ok(()));
        assert_eq!(signed(-ahead - 1, None), Err(Refused::Stale));
    }

    #[test]
    fn a_timestamp_from_before_the_window_is_stale_where_the_key_is_older() {
        assert_eq!(signed(2_000, Some(3_001)), Ok(()));
        assert_eq!(signed(2_000, Some(2_999)), Err(Refused::Stale));
        assert_eq!(signed(2_000, None), Ok(()), "it saw all of this key's");
    }

    #[test]
    fn nothing_that_was_taken_before_a_restart_is_taken_after_it() {
        // Each timestamp that a daemon may take at the last moment before its end, sent at each moment after.
        for taken in NOW.0 - MAX_AGE_MS..=NOW.0 + MAX_AHEAD_MS {
            let taken = UnixMillis(taken);
            assert_eq!(freshness(taken, NOW, None), Ok(()));
            for later in (0..2 * MAX_AGE_MS).step_by(500) {
                let again = freshness(taken, NOW.plus(later), Some(Duration::from_millis(later)));
                assert_eq!(again, Err(Refused::Stale), "{taken}, {later} ms after");
            }
        }
    }
}
