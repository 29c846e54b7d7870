//! Keys that are tried: those that nobody has are so many a minute, and no more. Who has one is not held up by who has none.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// Failures in a [`MINUTE`], of all clients.
const FAILURES: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);
/// Keys that are remembered as good.
const REMEMBERED: usize = 4_096;
/// For how long one is.
const GOOD: Duration = Duration::from_secs(3600);

type Tag = [u8; 32];

/// See the module.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<Tried>);

#[derive(Default)]
struct Tried {
    failed: VecDeque<Instant>,
    good: HashMap<Tag, Instant>,
}

/// One that is under way.
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    tag: Tag,
}

impl Attempts {
    /// # Errors
    /// Too many failed, and this key was not good before.
    pub(crate) fn attempt(&self, key: &str) -> Result<Attempt<'_>, Problem> {
        let tag: Tag = Sha256::digest(key).into();
        let now = Instant::now();
        let mut tried = self.0.lock();
        while tried.failed.front().is_some_and(|it| now - *it >= MINUTE) {
            tried.failed.pop_front();
        }
        let is_good = tried.good.get(&tag).is_some_and(|it| now - *it < GOOD);
        if !is_good && tried.failed.len() >= FAILURES {
            let first = tried
                .failed
                .front()
                .map_or(MINUTE, |it| MINUTE - (now - *it));
            let wait = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
            let what = format!("{FAILURES} keys were wrong in the last minute");
            return Err(Problem::new(Code::QuotaExceeded, what)
                .remedy("wait; whoever used a key that counts is let in meanwhile")
                .retry_after_ms(wait.max(1)));
        }
        drop(tried);
        Ok(Attempt {
            attempts: self,
            tag,
        })
    }
}

impl Attempt<'_> {
    pub(crate) fn succeeds(self) {
        let now = Instant::now();
        let mut tried = self.attempts.0.lock();
        if tried.good.len() >= REMEMBERED {
            tried.good.retain(|_, it| now - *it < MINUTE);
        }
        if tried.good.len() < REMEMBERED || tried.good.contains_key(&self.tag) {
            tried.good.insert(self.tag, now);
        }
    }

    pub(crate) fn fails(self) {
        let mut tried = self.attempts.0.lock();
        tried.good.remove(&self.tag);
        if tried.failed.len() < FAILURES {
            tried.failed.push_back(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_guesses_is_held_up_and_who_has_a_key_is_not() {
        let attempts = Attempts::default();
        attempts.attempt("good").unwrap().succeeds();
        for at in 0..FAILURES {
            attempts.attempt(&at.to_string()).unwrap().fails();
        }
        let refused = attempts.attempt("another").err().unwrap();
        assert_eq!(refused.code, Code::QuotaExceeded);
        assert_eq!(refused.retry_after_ms, Some(60_000));
        attempts.attempt("good").unwrap().succeeds();
        // One that counts no longer is as any other.
        attempts.attempt("good").unwrap().fails();
        assert!(attempts.attempt("good").is_err());
        tokio::time::advance(MINUTE).await;
        assert!(attempts.attempt("another").is_ok());
    }
}
