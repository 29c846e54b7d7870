//! The node's clocks. The daemon reads the wall clock here and nowhere else.
//!
//! - [`Clock`] is the kernel's time: deadlines, windows and retention. It goes on by CLOCK_MONOTONIC, so no step of
//!   the wall clock reaches it, and it stands still while the machine sleeps: a turn goes on where it was.
//! - [`date`] is what the wall clock says now. What is signed, shown or stored as a date asks it each time.
//!
//! The types keep the two apart. Why these clocks, and what a restart makes of them: docs/adr/0007-two-clocks.md.

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use aion_abi::date::UnixMillis;
use aion_drivers::memory::Reading;
use aion_kernel::{Date, Millis, Now};
use k8s_openapi::jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// A stop counts for so much at most: nothing that the kernel reckons with is longer, and a wall clock that is wrong
/// at one start ages nothing by more.
const LONGEST_STOP_MS: u64 = 24 * 3_600_000;

/// The kernel's time. Copies agree with one another.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    since: Instant,
    began: Millis,
    /// The same moment by a clock that also goes on while the machine sleeps.
    booted: Duration,
}

impl Clock {
    /// A clock that goes on behind the newest fact of the journal, if it has one.
    pub fn behind(latest: Option<Now>) -> Self {
        Self {
            since: Instant::now(),
            began: after(latest, date()),
            booted: since_boot(),
        }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        let since = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.plus(since)
    }

    /// Now, by both clocks.
    pub fn read(&self) -> Now {
        Now {
            at: self.now(),
            date: Date(date().0),
        }
    }

    /// The moment on the monotonic clock at which [`Clock::now`] is `at`.
    pub fn instant(&self, at: Millis) -> Instant {
        self.since + Duration::from_millis(at.since(self.began))
    }

    /// The date at which this run began, by what the wall clock says now.
    pub fn started(&self) -> UnixMillis {
        let up = since_boot().saturating_sub(self.booted).as_millis();
        let up = u64::try_from(up).unwrap_or(u64::MAX);
        UnixMillis(date().0.saturating_sub(up))
    }
}

/// What the wall clock says now.
#[expect(clippy::disallowed_methods, reason = "the daemon's one look at it")]
pub(crate) fn date() -> UnixMillis {
    SystemTime::now().into()
}

/// Every clock that the age of memory goes by.
pub(crate) fn reading() -> Reading {
    Reading {
        date: date(),
        boot: *BOOT,
        up_ms: u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX),
    }
}

/// This run of the machine; nil where `/proc` does not tell.
static BOOT: LazyLock<Uuid> = LazyLock::new(|| {
    let told = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    told.trim().parse().unwrap_or_default()
});

/// The same, as resources have it.
#[expect(clippy::disallowed_methods, reason = "the daemon's one look at it")]
pub(crate) fn timestamp() -> Timestamp {
    Timestamp::now()
}

/// The same to the second, as conditions are written: what is found at about the same time is told alike.
pub(crate) fn second() -> Timestamp {
    let now = timestamp();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The time since the machine started, while it slept too.
pub(crate) fn since_boot() -> Duration {
    let read = clock_gettime(ClockId::Boottime);
    Duration::try_from(read).unwrap_or_default()
}

/// Where the kernel's time goes on. The first run begins it at its date, so that what was recorded on a machine that
/// neither sleeps nor sets its clock can be read as one.
fn after(latest: Option<Now>, date: UnixMillis) -> Millis {
    match latest {
        None => Millis(date.0),
        Some(latest) => {
            let stopped = date.0.saturating_sub(latest.date.0);
            latest.at.plus(stopped.min(LONGEST_STOP_MS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Now = Now {
        at: Millis(5_000_000),
        date: Date(1_767_225_600_000),
    };

    #[test]
    fn a_restart_counts_the_stop_and_never_goes_back() {
        let after = |date| after(Some(LATEST), UnixMillis(date));
        assert_eq!(after(LATEST.date.0 + 700), LATEST.at.plus(700));
        assert_eq!(after(LATEST.date.0 - 700), LATEST.at);
        assert_eq!(after(0), LATEST.at, "a machine that lost its clock");
    }

    #[test]
    fn a_wall_clock_that_is_years_ahead_at_one_start_counts_for_a_day() {
        let ahead = UnixMillis(LATEST.date.0 + 50 * 365 * LONGEST_STOP_MS);
        assert_eq!(after(Some(LATEST), ahead), LATEST.at.plus(LONGEST_STOP_MS));
    }

    #[test]
    fn the_first_run_begins_at_its_date() {
        assert_eq!(after(None, UnixMillis(7)), Millis(7));
    }
}
