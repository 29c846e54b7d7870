//! The daemon's clock: wall time that never goes back within one run.
//!
//! The kernel wants values that do not step; callers sign with wall time. So the wall clock is read once,
//! at the start, and the monotonic clock goes on from there.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aion_kernel::Millis;

/// Reads the time. Copies agree with one another.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Millis(self.started_ms.saturating_add(since))
    }

    /// When this run began: older timestamps are stale.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The moment on the monotonic clock at which [`Clock::now`] is `at`.
    pub fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.0.saturating_sub(self.started_ms))
    }
}
