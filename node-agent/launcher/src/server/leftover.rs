//! What is left of a worker that ended: a group that something still holds.

use std::time::{Duration, Instant};

use super::RETRY;
use super::cgroup::Group;

/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(2);

/// A group that could not be removed yet.
#[derive(Debug)]
pub(super) struct Leftover {
    group: Group,
    /// The worker's user, which is nobody else's while a process of it may run.
    pub(super) user: Option<u32>,
    due: Instant,
    pause: Duration,
}

impl Leftover {
    pub(super) fn new(group: Group, user: Option<u32>) -> Self {
        Self {
            group,
            user,
            due: Instant::now() + RETRY,
            pause: RETRY,
        }
    }

    /// When to try again.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Tries again if it is time, and kills again too: what was there may have made
    /// more before it died. `true` once there is nothing left.
    pub(super) fn cleared(&mut self, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        if self.group.end() {
            return true;
        }
        self.pause = (self.pause * 2).min(LONGEST);
        self.due = now + self.pause;
        false
    }
}
