//! One worker's groups: limits written, membership, what was used, removal.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{Bounds, Controller, Version, not_made};

/// The period that a CPU quota is given in, in microseconds.
const PERIOD_US: u64 = 100_000;
/// The smallest quota that the kernel takes, in microseconds.
const MIN_QUOTA_US: u64 = 1_000;

/// The groups of one worker. Stored as paths, so that a later launcher finds them
/// from wherever it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Group {
    directories: Vec<(Controller, Version, PathBuf)>,
    #[serde(skip)]
    missing: Vec<(Controller, String)>,
}

/// One file of a group with what was written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Setting {
    pub(in crate::server) file: PathBuf,
    pub(in crate::server) value: String,
}

impl Group {
    /// Makes one controller's group with its limit. On failure the controller is
    /// among the missing ones.
    pub(super) fn add(
        &mut self,
        controller: Controller,
        version: Version,
        directory: &Path,
        bounds: &Bounds,
    ) {
        if let Err(error) = fs::create_dir(directory)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return self.lacks(controller, not_made(directory, &error));
        }
        self.directories
            .push((controller, version, directory.to_owned()));
        for setting in settings(controller, version, directory, bounds) {
            if let Err(error) = fs::write(&setting.file, &setting.value) {
                let why = format!("cannot write {}: {error}", setting.file.display());
                return self.lacks(controller, why);
            }
        }
        // Swap would let a worker hold more than its memory. Its file is not
        // there on a kernel without swap accounting, and then it is not counted.
        if let Some(memory) = bounds.memory.filter(|_| controller == Controller::Memory) {
            let _ = match version {
                Version::V1 => fs::write(
                    directory.join("memory.memsw.limit_in_bytes"),
                    memory.to_string(),
                ),
                Version::V2 => fs::write(directory.join("memory.swap.max"), "0"),
            };
        }
    }

    /// Notes a controller that is not to be had.
    pub(super) fn lacks(&mut self, controller: Controller, why: String) {
        self.missing.push((controller, why));
    }

    /// Why a controller is missing, if it is.
    pub(in crate::server) fn missing(&self, controller: Controller) -> Option<&str> {
        self.missing
            .iter()
            .find(|(it, _)| *it == controller)
            .map(|(_, why)| why.as_str())
    }

    /// The files by which a process that was just made moves itself in, by writing `0`. Version 1 has them: one thread
    /// that moves itself is moved at once, and anybody else only after a grace period of RCU, which takes milliseconds.
    pub(in crate::server) fn doors(&mut self) -> Vec<OwnedFd> {
        let (mut doors, mut failed) = (Vec::new(), Vec::new());
        for (controller, version, directory) in &self.directories {
            if *version == Version::V1 {
                match File::options().write(true).open(directory.join("tasks")) {
                    Ok(door) => doors.push(door.into()),
                    Err(error) => failed.push((*controller, not_entered(directory, &error))),
                }
            }
        }
        self.missing.extend(failed);
        doors
    }

    /// Moves a process into those that have no door. On version 2 the controllers share one.
    pub(in crate::server) fn enter(&mut self, pid: u32) {
        let mut failed: Vec<(Controller, String)> = Vec::new();
        let mut tried: Option<(&Path, Option<String>)> = None;
        for (controller, version, directory) in &self.directories {
            if *version == Version::V1 {
                continue;
            }
            if tried.as_ref().is_none_or(|(it, _)| *it != directory) {
                let entered = fs::write(directory.join("cgroup.procs"), pid.to_string());
                let why = entered.err().map(|error| not_entered(directory, &error));
                tried = Some((directory, why));
            }
            let why = tried.as_ref().and_then(|(_, why)| why.clone());
            failed.extend(why.map(|why| (*controller, why)));
        }
        self.missing.extend(failed);
    }

    /// The directory of a controller.
    pub(in crate::server) fn directory(&self, controller: Controller) -> Option<&Path> {
        self.directories
            .iter()
            .find(|(it, _, _)| *it == controller)
            .map(|(_, _, directory)| directory.as_path())
    }

    /// The files that hold a controller's limit, with the values they should hold.
    pub(in crate::server) fn settings(
        &self,
        controller: Controller,
        bounds: &Bounds,
    ) -> Vec<Setting> {
        self.directories
            .iter()
            .find(|(it, _, _)| *it == controller)
            .map(|(_, version, directory)| settings(controller, *version, directory, bounds))
            .unwrap_or_default()
    }

    /// Whether the kernel killed for want of memory in here; `None` without a
    /// memory group.
    pub(in crate::server) fn out_of_memory(&self) -> Option<bool> {
        let (version, directory) = self.of(Controller::Memory)?;
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        happened(&directory.join(file), "oom_kill ")
    }

    /// Whether a process or a thread was not made in here, for there were as many as may be; `None` without a group
    /// that counts them, or on a kernel that does not say (before Linux 4.3).
    pub(in crate::server) fn refused_a_process(&self) -> Option<bool> {
        let (_, directory) = self.of(Controller::Pids)?;
        happened(&directory.join("pids.events"), "max ")
    }

    /// The most memory that was held at once, in bytes, where the kernel says.
    pub(in crate::server) fn peak_memory(&self) -> Option<u64> {
        let (version, directory) = self.of(Controller::Memory)?;
        let file = match version {
            Version::V1 => "memory.max_usage_in_bytes",
            Version::V2 => "memory.peak",
        };
        fs::read_to_string(directory.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Kills what is in here and removes the groups. `false` while one is still
    /// held: what was killed takes its time, and what forks may have been faster.
    pub(in crate::server) fn end(&mut self) -> bool {
        for (_, version, directory) in &self.directories {
            if *version == Version::V2 {
                // All at once, where the kernel can (Linux 5.14).
                let _ = fs::write(directory.join("cgroup.kill"), "1");
            }
        }
        for pid in self.processes() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.remove()
    }

    /// The processes in here, if any.
    fn processes(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self
            .directories
            .iter()
            .filter_map(|(_, _, directory)| fs::read_to_string(directory.join("cgroup.procs")).ok())
            .flat_map(|text| {
                text.lines()
                    .filter_map(|it| it.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Removes the groups. `false` while a process or a mount still holds one.
    pub(in crate::server) fn remove(&mut self) -> bool {
        self.directories
            .retain(|(_, _, directory)| match fs::remove_dir(directory) {
                Ok(()) => false,
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            });
        self.directories.is_empty()
    }

    fn of(&self, controller: Controller) -> Option<(Version, &Path)> {
        self.directories
            .iter()
            .find(|(it, _, _)| *it == controller)
            .map(|(_, version, directory)| (*version, directory.as_path()))
    }
}

/// Whether a counter of a group is above 0.
fn happened(file: &Path, counter: &str) -> Option<bool> {
    let text = fs::read_to_string(file).ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix(counter))?;
    Some(count.trim().parse::<u64>().ok()? > 0)
}

fn not_entered(directory: &Path, error: &io::Error) -> String {
    format!("cannot enter {}: {error}", directory.display())
}

fn settings(
    controller: Controller,
    version: Version,
    directory: &Path,
    bounds: &Bounds,
) -> Vec<Setting> {
    let setting = |file: &str, value: String| Setting {
        file: directory.join(file),
        value,
    };
    match (controller, version) {
        (Controller::Memory, _) => bounds.memory.map_or_else(Vec::new, |bytes| {
            let file = match version {
                Version::V1 => "memory.limit_in_bytes",
                Version::V2 => "memory.max",
            };
            // The kernel keeps whole pages.
            let page = rustix::param::page_size() as u64;
            vec![setting(file, (bytes / page * page).max(page).to_string())]
        }),
        (Controller::Pids, _) => bounds
            .pids
            .map_or_else(Vec::new, |pids| vec![setting("pids.max", pids.to_string())]),
        (Controller::Cpu, _) => bounds.cpu_milli.map_or_else(Vec::new, |milli| {
            let quota = (u64::from(milli) * PERIOD_US / 1000).max(MIN_QUOTA_US);
            match version {
                Version::V1 => vec![
                    setting("cpu.cfs_period_us", PERIOD_US.to_string()),
                    setting("cpu.cfs_quota_us", quota.to_string()),
                ],
                Version::V2 => vec![setting("cpu.max", format!("{quota} {PERIOD_US}"))],
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory: Some(96 * 1024 * 1024 + 17),
        pids: Some(8),
        cpu_milli: Some(1500),
    };

    fn made(version: Version) -> (tempfile::TempDir, Group) {
        let root = tempfile::tempdir().unwrap();
        let mut group = Group::default();
        for controller in Controller::ALL {
            group.add(controller, version, &root.path().join("w"), &BOUNDS);
        }
        (root, group)
    }

    fn read(root: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(root.path().join("w").join(file)).unwrap()
    }

    #[test]
    fn version_2_gets_its_files() {
        let (root, group) = made(Version::V2);
        assert_eq!(group.missing(Controller::Memory), None);
        assert_eq!(read(&root, "memory.max"), "100663296");
        assert_eq!(read(&root, "memory.swap.max"), "0");
        assert_eq!(read(&root, "pids.max"), "8");
        assert_eq!(read(&root, "cpu.max"), "150000 100000");
    }

    #[test]
    fn version_1_gets_its_files() {
        let (root, _) = made(Version::V1);
        assert_eq!(read(&root, "memory.limit_in_bytes"), "100663296");
        assert_eq!(read(&root, "pids.max"), "8");
        assert_eq!(read(&root, "cpu.cfs_quota_us"), "150000");
    }

    #[test]
    fn a_process_moves_itself_in_on_version_1_and_is_moved_once_on_version_2() {
        let (root, mut group) = made(Version::V1);
        fs::write(root.path().join("w/tasks"), "").unwrap();
        assert_eq!(group.doors().len(), Controller::ALL.len());
        group.enter(7);
        assert!(!root.path().join("w/cgroup.procs").exists());
        let (root, mut group) = made(Version::V2);
        assert!(group.doors().is_empty());
        group.enter(7);
        assert_eq!(read(&root, "cgroup.procs"), "7");
        assert_eq!(group.missing(Controller::Memory), None);
    }

    #[test]
    fn a_group_that_cannot_be_entered_is_missing_with_its_reason() {
        let (root, mut group) = made(Version::V1);
        assert!(group.doors().is_empty());
        assert!(group.missing(Controller::Pids).unwrap().contains("enter"));
        drop(root);
        let (root, mut group) = made(Version::V2);
        drop(root);
        group.enter(7);
        for controller in Controller::ALL {
            assert!(group.missing(controller).unwrap().contains("enter"));
        }
    }

    #[test]
    fn a_kill_for_memory_is_seen_on_both_versions() {
        let (root, group) = made(Version::V2);
        fs::write(root.path().join("w/memory.events"), "oom 1\noom_kill 0\n").unwrap();
        assert_eq!(group.out_of_memory(), Some(false));
        fs::write(root.path().join("w/memory.events"), "oom 1\noom_kill 1\n").unwrap();
        assert_eq!(group.out_of_memory(), Some(true));
        let (root, group) = made(Version::V1);
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        fs::write(root.path().join("w/memory.oom_control"), text).unwrap();
        assert_eq!(group.out_of_memory(), Some(true));
    }

    #[test]
    fn a_process_that_was_not_made_is_seen() {
        let (root, group) = made(Version::V1);
        assert_eq!(group.refused_a_process(), None);
        fs::write(root.path().join("w/pids.events"), "max 0\n").unwrap();
        assert_eq!(group.refused_a_process(), Some(false));
        fs::write(root.path().join("w/pids.events"), "max 3\n").unwrap();
        assert_eq!(group.refused_a_process(), Some(true));
    }

    #[test]
    fn a_group_that_cannot_be_made_is_missing_with_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let mut group = Group::default();
        let there = root.path().join("nowhere/w");
        group.add(Controller::Pids, Version::V2, &there, &BOUNDS);
        assert!(group.missing(Controller::Pids).unwrap().contains("nowhere"));
        assert_eq!(group.directory(Controller::Pids), None);
    }
}
