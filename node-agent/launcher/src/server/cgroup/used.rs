//! What a group says that its worker used, and came up against. A file that is not there says nothing.

use std::fs;
use std::path::Path;

use aion_sandbox::protocol::Throttled;

use super::{Controller, Group, Version};

impl Group {
    /// How often the kernel killed for want of memory in here; `None` without a memory group.
    pub(in crate::server) fn killed_for_memory(&self) -> Option<u64> {
        let (version, directory) = self.of_controller(Controller::Memory)?;
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        counter(&directory.join(file), "oom_kill")
    }

    /// Whether the kernel killed for want of memory in here.
    pub(in crate::server) fn out_of_memory(&self) -> Option<bool> {
        self.killed_for_memory().map(|count| count > 0)
    }

    /// Whether a process or a thread was not made in here, for there were as many as may be; `None` without a group
    /// that counts them, or on a kernel that does not say (before Linux 4.3).
    pub(in crate::server) fn refused_a_process(&self) -> Option<bool> {
        let (_, directory) = self.of_controller(Controller::Pids)?;
        counter(&directory.join("pids.events"), "max").map(|count| count > 0)
    }

    /// How often and how long it waited for its share of CPU; `None` without a quota.
    pub(in crate::server) fn throttled(&self) -> Option<Throttled> {
        let (version, directory) = self.of_controller(Controller::Cpu)?;
        let file = directory.join("cpu.stat");
        let waited_us = match version {
            Version::V1 => counter(&file, "throttled_time")? / 1_000,
            Version::V2 => counter(&file, "throttled_usec")?,
        };
        Some(Throttled {
            periods: counter(&file, "nr_periods")?,
            throttled: counter(&file, "nr_throttled")?,
            waited_us,
        })
    }

    /// The most memory that was held at once, in bytes, where the kernel says.
    pub(in crate::server) fn peak_memory(&self) -> Option<u64> {
        let (version, directory) = self.of_controller(Controller::Memory)?;
        number(&directory.join(peak_file(version)))
    }

    /// Memory with the cache of files, in bytes.
    pub(super) fn memory_usage(&self) -> Option<u64> {
        let (version, directory) = self.of_controller(Controller::Memory)?;
        let usage = match version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        number(&directory.join(usage))
    }

    /// What it holds that cannot be had back without it: files that were read and not lately used are left out.
    pub(super) fn held_memory(&self) -> Option<u64> {
        let (version, directory) = self.of_controller(Controller::Memory)?;
        let inactive = match version {
            Version::V1 => "total_inactive_file",
            Version::V2 => "inactive_file",
        };
        let inactive = counter(&directory.join("memory.stat"), inactive).unwrap_or(0);
        Some(self.memory_usage()?.saturating_sub(inactive))
    }
}

/// The file of the most memory.
pub(super) fn peak_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.max_usage_in_bytes",
        Version::V2 => "memory.peak",
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A counter of a file with one a line.
fn counter(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut rows = text.lines().filter_map(|line| line.split_once(' '));
    let (_, count) = rows.find(|(key, _)| *key == name)?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Bounds;
    use super::*;

    fn made(version: Version) -> (tempfile::TempDir, Group) {
        let root = tempfile::tempdir().unwrap();
        let bounds = Bounds {
            memory: Some(1 << 20),
            pids: Some(8),
            cpu_milli: Some(500),
            ..Bounds::default()
        };
        let mut group = Group::of(&bounds);
        for controller in [Controller::Memory, Controller::Pids, Controller::Cpu] {
            group.add(controller, version, root.path(), &bounds);
        }
        (root, group)
    }

    #[test]
    fn a_kill_for_memory_is_counted_on_both_versions() {
        let (root, group) = made(Version::V2);
        assert_eq!(group.killed_for_memory(), None);
        let file = root.path().join("memory.events");
        fs::write(&file, "oom 1\noom_kill 0\noom_group_kill 4\n").unwrap();
        assert_eq!(group.out_of_memory(), Some(false));
        fs::write(&file, "oom 1\noom_kill 2\n").unwrap();
        assert_eq!(group.killed_for_memory(), Some(2));
        let (root, group) = made(Version::V1);
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        fs::write(root.path().join("memory.oom_control"), text).unwrap();
        assert_eq!(group.out_of_memory(), Some(true));
    }

    #[test]
    fn a_process_that_was_not_made_is_seen() {
        let (root, group) = made(Version::V1);
        assert_eq!(group.refused_a_process(), None);
        fs::write(root.path().join("pids.events"), "max 0\n").unwrap();
        assert_eq!(group.refused_a_process(), Some(false));
        fs::write(root.path().join("pids.events"), "max 3\n").unwrap();
        assert_eq!(group.refused_a_process(), Some(true));
    }

    #[test]
    fn waiting_for_cpu_is_told_in_one_unit_on_both_versions() {
        let expect = Some(Throttled {
            periods: 20,
            throttled: 15,
            waited_us: 1_500,
        });
        let (root, group) = made(Version::V1);
        let file = root.path().join("cpu.stat");
        fs::write(
            file,
            "nr_periods 20\nnr_throttled 15\nthrottled_time 1500000\n",
        )
        .unwrap();
        assert_eq!(group.throttled(), expect);
        let (root, group) = made(Version::V2);
        let text = "usage_usec 9\nnr_periods 20\nnr_throttled 15\nthrottled_usec 1500\n";
        fs::write(root.path().join("cpu.stat"), text).unwrap();
        assert_eq!(group.throttled(), expect);
    }

    #[test]
    fn files_that_were_read_are_not_held() {
        let (root, group) = made(Version::V2);
        fs::write(root.path().join("memory.current"), "1000\n").unwrap();
        assert_eq!(group.held_memory(), Some(1000));
        let text = "active_file 50\ninactive_file 300\n";
        fs::write(root.path().join("memory.stat"), text).unwrap();
        assert_eq!(group.held_memory(), Some(700));
    }
}
