//! One worker's groups: limits written, membership, what was used, removal.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::setting::{Setting, settings};
use super::{Bounds, Controller, Version, not_made};

/// The groups of one worker. Stored as paths, so that a later launcher finds them
/// from wherever it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Group {
    directories: Vec<(Controller, Version, PathBuf)>,
    /// The memory from which on there is pressure.
    #[serde(default)]
    pub(super) high: Option<u64>,
    /// The most memory.
    #[serde(default)]
    most: Option<u64>,
    #[serde(skip)]
    missing: Vec<(Controller, String)>,
}

impl Group {
    /// The groups of a worker with `bounds`, none of which is made yet.
    pub(super) fn of(bounds: &Bounds) -> Self {
        Self {
            high: bounds.memory_high,
            most: bounds.memory,
            ..Self::default()
        }
    }

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
        let settings = match settings(controller, version, directory, bounds) {
            Ok(settings) => settings,
            Err(why) => return self.lacks(controller, why),
        };
        for setting in settings {
            if let Err(error) = setting.write() {
                let why = format!("cannot write {}: {error}", setting.file.display());
                return self.lacks(controller, why);
            }
        }
    }

    /// Its limit of memory, in bytes, where it has a group that holds it.
    pub(in crate::server) fn most_memory(&self) -> Option<u64> {
        self.of_controller(Controller::Memory).and(self.most)
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
            .and_then(|(_, version, directory)| {
                settings(controller, *version, directory, bounds).ok()
            })
            .unwrap_or_default()
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

    /// Which interface a controller has, and where.
    pub(super) fn of_controller(&self, controller: Controller) -> Option<(Version, &Path)> {
        self.directories
            .iter()
            .find(|(it, _, _)| *it == controller)
            .map(|(_, version, directory)| (*version, directory.as_path()))
    }
}

fn not_entered(directory: &Path, error: &io::Error) -> String {
    format!("cannot enter {}: {error}", directory.display())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::IoBounds;
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory: Some(96 * 1024 * 1024 + 17),
        memory_high: Some(64 * 1024 * 1024),
        pids: Some(8),
        cpu_milli: Some(1500),
        cpu_weight: Some(50),
        io: IoBounds {
            weight: None,
            read_bps: Some(1 << 20),
            write_bps: None,
        },
    };

    fn made(version: Version) -> (tempfile::TempDir, Group) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("w");
        // As a kernel has them that counts swap.
        fs::create_dir(&directory).unwrap();
        for file in ["memory.swap.max", "memory.memsw.limit_in_bytes"] {
            fs::write(directory.join(file), "").unwrap();
        }
        let mut group = Group::of(&BOUNDS);
        for controller in Controller::ALL {
            group.add(controller, version, &directory, &BOUNDS);
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
        assert_eq!(read(&root, "memory.high"), "67108864");
        assert_eq!(read(&root, "cpu.weight"), "50");
        let io = read(&root, "io.max");
        assert!(io.ends_with(" rbps=1048576 wbps=max"), "{io}");
    }

    #[test]
    fn version_1_gets_its_files() {
        let (root, _) = made(Version::V1);
        assert_eq!(read(&root, "memory.limit_in_bytes"), "100663296");
        assert_eq!(read(&root, "memory.memsw.limit_in_bytes"), "100663296");
        assert_eq!(read(&root, "pids.max"), "8");
        assert_eq!(read(&root, "cpu.cfs_quota_us"), "150000");
        assert_eq!(read(&root, "cpu.shares"), "512");
        let io = read(&root, "blkio.throttle.read_bps_device");
        assert!(io.ends_with(" 1048576"), "{io}");
        assert!(
            !root
                .path()
                .join("w/blkio.throttle.write_bps_device")
                .exists()
        );
    }

    #[test]
    fn swap_that_cannot_be_limited_is_missing_unless_the_kernel_counts_none() {
        for (version, file) in [
            (Version::V1, "memory.memsw.limit_in_bytes"),
            (Version::V2, "memory.swap.max"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let mut group = Group::of(&BOUNDS);
            group.add(Controller::Memory, version, root.path(), &BOUNDS);
            assert_eq!(group.missing(Controller::Memory), None);
            // What refuses to be written.
            fs::create_dir(root.path().join(file)).unwrap();
            group.add(Controller::Memory, version, root.path(), &BOUNDS);
            let why = group.missing(Controller::Memory).unwrap();
            assert!(why.contains(file), "{why}");
        }
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
    fn a_group_that_cannot_be_made_is_missing_with_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let mut group = Group::default();
        let there = root.path().join("nowhere/w");
        group.add(Controller::Pids, Version::V2, &there, &BOUNDS);
        assert!(group.missing(Controller::Pids).unwrap().contains("nowhere"));
        assert_eq!(group.directory(Controller::Pids), None);
    }
}
