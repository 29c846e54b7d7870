//! Which namespaces this machine gives the launcher, found by trying, and the
//! users that workers are mapped to.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::process::{Signal, getegid, geteuid, pidfd_send_signal};

use super::sys;
use aion_sandbox::Layer;
use aion_sandbox::protocol::InsideUser;

/// The layers that are namespaces, with their flags.
pub(super) const KINDS: [(Layer, i32); 6] = [
    (Layer::UserNamespace, libc::CLONE_NEWUSER),
    (Layer::MountNamespace, libc::CLONE_NEWNS),
    (Layer::NetworkNamespace, libc::CLONE_NEWNET),
    (Layer::PidNamespace, libc::CLONE_NEWPID),
    (Layer::IpcNamespace, libc::CLONE_NEWIPC),
    (Layer::UtsNamespace, libc::CLONE_NEWUTS),
];

/// Host users for workers, one each, where the launcher is root: a range that
/// systemd's table of users leaves unused, and its range for dynamic users where
/// a container has no other.
const USERS: [Range<u32>; 2] = [0x7000_0000..0x7000_1000, 61_184..65_520];

/// What was found.
#[derive(Debug)]
pub(super) struct Namespaces {
    flags: u64,
    missing: Vec<(Layer, String)>,
    users: Range<u32>,
    privileged: bool,
}

impl Namespaces {
    /// Tries them all together, then one by one.
    pub(super) fn find() -> io::Result<Self> {
        let privileged = geteuid().is_root();
        let own_map = fs::read_to_string("/proc/self/uid_map")?;
        let mut found = Self {
            flags: KINDS.iter().map(|(_, flag)| *flag as u64).sum(),
            missing: Vec::new(),
            users: if privileged { usable(&own_map) } else { 0..0 },
            privileged,
        };
        if found.try_out(found.flags).is_ok() {
            return Ok(found);
        }
        let all = std::mem::take(&mut found.flags);
        for (name, flag) in KINDS {
            match found.try_out(found.flags | flag as u64) {
                Ok(()) => found.flags |= flag as u64,
                Err(error) => found.missing.push((name, explain(name, &error))),
            }
        }
        tracing::info!(all, given = found.flags, "not every namespace is to be had");
        Ok(found)
    }

    /// None at all, for a machine on which a worker cannot live in them.
    pub(super) fn none(self, why: &str) -> Self {
        Self {
            flags: 0,
            missing: KINDS
                .iter()
                .map(|(name, _)| (*name, why.to_owned()))
                .collect(),
            // Users do not depend on namespaces: no worker is root's for want of them.
            ..self
        }
    }

    /// Those that a process is made in, as `CLONE_NEW…`: all but the mount namespace. That is a copy of the launcher's
    /// mounts, so a worker takes its own when it has its plan: an older one would show what was mounted before, and
    /// hold what was unmounted since.
    pub(super) fn early(&self) -> u64 {
        self.flags & !(libc::CLONE_NEWNS as u64)
    }

    /// Whether workers get this one.
    pub(super) fn has(&self, name: Layer) -> bool {
        KINDS
            .iter()
            .any(|(it, flag)| *it == name && self.flags & *flag as u64 != 0)
    }

    /// Why one is missing, if it is.
    pub(super) fn missing(&self, name: Layer) -> Option<&str> {
        self.missing
            .iter()
            .find(|(it, _)| *it == name)
            .map(|(_, why)| why.as_str())
    }

    /// Whether the launcher is root.
    pub(super) fn privileged(&self) -> bool {
        self.privileged
    }

    /// Whether workers get users of their own.
    pub(super) fn gives_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// A host user for a worker that none of `taken` is; `None` where the worker
    /// has to be the launcher's own. An error where all are taken.
    pub(super) fn free_user(&self, taken: &[u32]) -> Result<Option<u32>, String> {
        if !self.gives_users() {
            return Ok(None);
        }
        let free = self.users.clone().find(|user| !taken.contains(user));
        free.map(Some)
            .ok_or_else(|| format!("all {} users for workers are taken", self.users.len()))
    }

    /// Writes the maps of a worker's user namespace: `inside` is `user` outside, or
    /// the launcher's own.
    pub(super) fn map(&self, pid: u32, inside: InsideUser, user: Option<u32>) -> io::Result<()> {
        let (uid, gid) = match user {
            Some(user) => (user, user),
            None => (geteuid().as_raw(), getegid().as_raw()),
        };
        if user.is_none() {
            // The kernel wants this of whoever maps only himself.
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
        }
        fs::write(
            format!("/proc/{pid}/uid_map"),
            format!("{} {uid} 1\n", inside.uid),
        )?;
        fs::write(
            format!("/proc/{pid}/gid_map"),
            format!("{} {gid} 1\n", inside.gid),
        )
    }

    fn try_out(&self, flags: u64) -> io::Result<()> {
        // Never released: the end is the kill's.
        let (made, _release) = sys::spawn_idle(flags)?;
        let mapped = if flags & libc::CLONE_NEWUSER as u64 == 0 {
            Ok(())
        } else {
            self.map(made.pid, InsideUser::default(), self.users.clone().next())
        };
        pidfd_send_signal(&made.pidfd, Signal::KILL)?;
        sys::wait(made.pidfd.as_fd(), true)?;
        mapped
    }
}

/// The first range of [`USERS`] that is mapped whole in the launcher's own user
/// namespace, whose `/proc/self/uid_map` this is.
fn usable(own_map: &str) -> Range<u32> {
    let extents: Vec<Range<u64>> = own_map
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(|it| it.parse::<u64>().ok());
            let (inside, _, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
            Some(inside..inside + count)
        })
        .collect();
    USERS
        .into_iter()
        .find(|range| {
            extents.iter().any(|extent| {
                extent.start <= u64::from(range.start) && u64::from(range.end) <= extent.end
            })
        })
        .unwrap_or(0..0)
}

fn explain(name: Layer, error: &io::Error) -> String {
    let hint = match (name, error.raw_os_error()) {
        (Layer::UserNamespace, Some(libc::EPERM | libc::EACCES)) => {
            "; ordinary users may not make one here (sysctl kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns, or the container's seccomp profile)"
        }
        (_, Some(libc::EPERM | libc::EACCES)) => {
            "; it takes root or a user namespace with its capabilities (sysctl \
             kernel.apparmor_restrict_unprivileged_userns, or the container's seccomp profile)"
        }
        (_, Some(libc::ENOSPC)) => "; the limit in /proc/sys/user is reached",
        (_, Some(libc::EINVAL)) => "; this kernel was built without it",
        _ => "",
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(users: Range<u32>) -> Namespaces {
        Namespaces {
            flags: libc::CLONE_NEWPID as u64,
            missing: Vec::new(),
            users,
            privileged: true,
        }
    }

    #[test]
    fn workers_get_users_that_exist_in_the_launchers_own_namespace() {
        assert_eq!(usable("         0          0 4294967295\n"), USERS[0]);
        assert_eq!(usable("0 1000 1\n1 100000 65536\n"), USERS[1]);
        assert_eq!(usable("0 1000 1\n"), 0..0);
        assert_eq!(usable("garbage"), 0..0);
    }

    #[test]
    fn without_namespaces_a_worker_of_root_still_has_a_user_of_its_own() {
        let none = found(10..12).none("for the test");
        assert_eq!((none.flags, none.free_user(&[])), (0, Ok(Some(10))));
        assert_eq!(none.missing(Layer::PidNamespace), Some("for the test"));
    }

    #[test]
    fn two_workers_never_share_a_user() {
        let found = found(10..12);
        assert_eq!(found.free_user(&[]), Ok(Some(10)));
        assert_eq!(found.free_user(&[10]), Ok(Some(11)));
        // Not the launcher's own, which is root.
        assert!(found.free_user(&[10, 11]).is_err());
    }
}
