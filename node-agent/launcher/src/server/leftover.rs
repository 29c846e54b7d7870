//! What is left of a worker that ended: a group that something still holds.

use std::time::{Duration, Instant};

use aion_backoff::Backoff;

use super::RETRY;
use super::cgroup::Group;

/// Between two tries.
const PAUSES: Backoff = Backoff::new(RETRY, Duration::from_secs(2));

/// A group that could not be removed yet.
#[derive(Debug)]
pub(super) struct Leftover {
    group: Group,
    /// The worker's user, which is nobody else's while a process of it may run.
    pub(super) user: Option<u32>,
    due: Instant,
    pauses: Backoff,
}

impl Leftover {
    pub(super) fn new(group: Group, user: Option<u32>) -> Self {
        let mut pauses = PAUSES;
        Self {
            group,
            user,
            due: Instant::now() + pauses.pause(),
            pauses,
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
        self.due = now + self.pauses.pause();
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("3600").spawn().unwrap()
    }

    #[test]
    fn what_is_left_is_killed_again_until_nothing_holds_the_group() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("w");
        fs::create_dir(&directory).unwrap();
        let procs = directory.join("cgroup.procs");
        let known = serde_json::json!({"directories": [["Pids", "V1", directory]]});
        let group = serde_json::from_value(known).unwrap();
        let mut left = Leftover::new(group, Some(10));
        for _ in 0..3 {
            let mut child = sleeper();
            fs::write(&procs, child.id().to_string()).unwrap();
            let due = left.due();
            assert!(!left.cleared(due - RETRY / 4));
            assert!(child.try_wait().unwrap().is_none(), "it was not time yet");
            assert!(!left.cleared(due));
            assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
            assert!(left.due() >= due + RETRY, "the pause grows");
        }
        fs::remove_file(&procs).unwrap();
        let due = left.due();
        assert!(left.cleared(due));
        assert!(!directory.exists());
    }
}
