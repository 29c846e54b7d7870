//! Memory that comes close to its limit: seen before anything is killed, so that the worker can be told.
//!
//! Version 2 counts each time that `memory.high` was gone over, and slows the worker down meanwhile; version 1 has a
//! threshold that wakes whoever asked for it, and slows nothing. Either says only that memory *with* the cache of files
//! is there; whether the worker itself holds that much is looked at, at once and until the cache is gone, too.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::fs::{SeekFrom, seek};

use super::{Controller, Group, Version};

/// Between two looks while memory is close to its limit.
const LOOK: Duration = Duration::from_millis(250);
/// A worker is told at most so often.
const TELL: Duration = Duration::from_secs(1);

/// What wakes the launcher when a worker's memory comes close to its limit.
#[derive(Debug)]
pub(in crate::server) struct Pressure {
    group: Group,
    /// From which on there is pressure, and the most there may be.
    pub(in crate::server) high: u64,
    pub(in crate::server) most: u64,
    version: Version,
    event: OwnedFd,
    /// When to look next; while it is not close, the kernel says when.
    look: Option<Instant>,
    told: Option<Instant>,
}

impl Pressure {
    /// Watches a group that has a memory limit and something below it; `None` for others.
    pub(in crate::server) fn watch(group: &Group) -> Option<io::Result<Self>> {
        let (high, most) = (group.high?, group.most_memory()?);
        let (version, directory) = group.of_controller(Controller::Memory)?;
        let event = match version {
            Version::V1 => threshold(directory, high),
            Version::V2 => File::open(directory.join("memory.events")).map(Into::into),
        };
        Some(event.and_then(|event| {
            let mut pressure = Self {
                group: group.clone(),
                high,
                most,
                version,
                event,
                look: None,
                told: None,
            };
            pressure.drain()?;
            // It may be close already, where an earlier launcher started it.
            pressure.look = Some(Instant::now());
            Ok(pressure)
        }))
    }

    /// What to wait for, while it is not close.
    pub(in crate::server) fn event(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let flags = match self.version {
            Version::V1 => PollFlags::IN,
            Version::V2 => PollFlags::PRI,
        };
        self.look.is_none().then_some((self.event.as_fd(), flags))
    }

    /// When to look next, while it is.
    pub(in crate::server) fn due(&self) -> Option<Instant> {
        self.look
    }

    /// The kernel said something.
    pub(in crate::server) fn woken(&mut self, now: Instant) {
        self.look = Some(now);
    }

    /// Looks if it is time; gives what the worker holds where it is to be told.
    pub(in crate::server) fn look(&mut self, now: Instant) -> Option<u64> {
        if self.look.is_none_or(|at| at > now) {
            return None;
        }
        // First what was said, so that what is said from here on wakes again.
        let drained = self.drain();
        let close = drained.is_ok() && self.group.memory_usage().is_some_and(|it| it >= self.high);
        self.look = close.then(|| now + LOOK);
        let held = self.group.held_memory().filter(|held| *held >= self.high)?;
        if self.told.is_some_and(|at| now.duration_since(at) < TELL) {
            return None;
        }
        self.told = Some(now);
        Some(held)
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 256];
        match self.version {
            Version::V1 => match rustix::io::read(&self.event, &mut buffer) {
                Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
                Err(error) => Err(error.into()),
            },
            Version::V2 => {
                // The kernel wakes for what changed since this very descriptor was read.
                seek(&self.event, SeekFrom::Start(0))?;
                while rustix::io::read(&self.event, &mut buffer)? > 0 {}
                Ok(())
            }
        }
    }
}

fn threshold(directory: &std::path::Path, high: u64) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let usage = File::open(directory.join("memory.usage_in_bytes"))?;
    let order = format!("{} {} {high}", event.as_raw_fd(), usage.as_raw_fd());
    fs::write(directory.join("cgroup.event_control"), order)?;
    Ok(event)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Bounds;
    use super::*;

    struct Fixture {
        root: tempfile::TempDir,
        pressure: Pressure,
    }

    impl Fixture {
        /// A group of version 2 with a high of 1,000 bytes, as files.
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let bounds = Bounds {
                memory: Some(1 << 20),
                memory_high: Some(1_000),
                ..Bounds::default()
            };
            let mut group = Group::of(&bounds);
            group.add(Controller::Memory, Version::V2, root.path(), &bounds);
            fs::write(root.path().join("memory.events"), "high 0\n").unwrap();
            let pressure = Pressure::watch(&group).unwrap().unwrap();
            Self { root, pressure }
        }

        fn uses(&self, usage: u64, inactive: u64) {
            let write = |file: &str, text: String| fs::write(self.root.path().join(file), text);
            write("memory.current", format!("{usage}\n")).unwrap();
            write("memory.stat", format!("inactive_file {inactive}\n")).unwrap();
        }
    }

    #[test]
    fn a_worker_is_told_once_a_second_while_it_holds_too_much() {
        let mut it = Fixture::new();
        let now = Instant::now() + TELL;
        it.uses(1_200, 0);
        assert_eq!(it.pressure.look(now), Some(1_200));
        assert!(
            it.pressure.event().is_none(),
            "it is looked at, not waited for"
        );
        it.uses(1_300, 0);
        assert_eq!(it.pressure.look(now + LOOK), None, "told a moment ago");
        assert_eq!(it.pressure.look(now + TELL), Some(1_300));
        it.uses(900, 0);
        assert_eq!(it.pressure.look(now + 2 * TELL), None);
        assert!(it.pressure.due().is_none() && it.pressure.event().is_some());
    }

    #[test]
    fn what_is_read_is_no_pressure_and_is_looked_at_until_it_is_gone() {
        let mut it = Fixture::new();
        let now = Instant::now() + TELL;
        it.uses(5_000, 4_500);
        assert_eq!(it.pressure.look(now), None);
        assert_eq!(it.pressure.due(), Some(now + LOOK));
        it.uses(5_000, 3_000);
        assert_eq!(it.pressure.look(now + LOOK), Some(2_000));
    }

    #[test]
    fn a_group_without_a_limit_is_not_watched() {
        assert!(Pressure::watch(&Group::default()).is_none());
    }
}
