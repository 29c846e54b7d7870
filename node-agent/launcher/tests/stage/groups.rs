//! Cgroups of version 2 as a service manager gives them, made below the root and taken away again.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

const ROOT: &str = "/sys/fs/cgroup";

/// What layers of a worker are made of.
pub(crate) const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// A slice whose groups have controllers; gone with all that is in it when dropped.
pub(crate) struct Slice(PathBuf);

impl Slice {
    /// `None`, with the test noted as skipped, where the controllers are not version 2's or the tests are not root's.
    pub(crate) fn make(controllers: &[&str]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !super::is_root() {
            return None;
        }
        let offered = fs::read_to_string(format!("{ROOT}/cgroup.controllers")).unwrap_or_default();
        if !CONTROLLERS
            .iter()
            .all(|it| offered.split_whitespace().any(|word| word == *it))
        {
            let why = "this machine's controllers are version 1's: tests/vm/run has a machine with others";
            aion_testkit::skip("cgroup version 2", why);
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let slice = format!("{ROOT}/aion-test-{}-{number}.slice", std::process::id());
        fs::create_dir(&slice).unwrap();
        let slice = Self(slice.into());
        for controller in CONTROLLERS {
            give(Path::new(ROOT), controller);
        }
        for controller in controllers {
            give(&slice.0, controller);
        }
        Some(slice)
    }

    /// Has it give all that the root gives: no group above it gives more then.
    pub(crate) fn gives_what_the_root_gives(&self) {
        let given = fs::read_to_string(format!("{ROOT}/cgroup.subtree_control")).unwrap();
        for controller in given.split_whitespace() {
            give(&self.0, controller);
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A group in it.
    pub(crate) fn group(&self, name: &str) -> PathBuf {
        let group = self.0.join(name);
        fs::create_dir(&group).unwrap();
        group
    }

    /// One that is a user's to divide, as a service manager makes and marks it.
    pub(crate) fn delegated(&self, name: &str, user: u32) -> PathBuf {
        let group = self.group(name);
        belongs(&group, user);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&group, "user.delegate", b"1", flags).unwrap();
        group
    }
}

/// Gives a group to a user, and does not say that it is one to divide.
pub(crate) fn belongs(group: &Path, user: u32) {
    for file in [
        "",
        "cgroup.procs",
        "cgroup.threads",
        "cgroup.subtree_control",
    ] {
        chown(group.join(file), Some(user), Some(user)).unwrap();
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..500 {
            remove(&self.0);
            if !self.0.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn remove(group: &Path) {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    let _ = fs::remove_dir(group);
}

fn give(group: &Path, controller: &str) {
    fs::write(
        group.join("cgroup.subtree_control"),
        format!("+{controller}"),
    )
    .unwrap();
}

/// Somebody's process in a group; ended when dropped.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn within(group: &Path) -> Self {
        let child = Command::new("sleep").arg("3600").spawn().unwrap();
        fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
        Self(child)
    }

    /// The group that it is in, from the root.
    pub(crate) fn group(&self) -> PathBuf {
        group_of(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The group of a process.
pub(crate) fn group_of(pid: u32) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    Path::new(ROOT).join(path.unwrap())
}
