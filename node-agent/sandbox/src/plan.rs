//! The messages between the launcher and a process it made, on that one's end of
//! their socket pair: the plan down, with every descriptor that the worker has, then
//! ready and at most one note up.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use aion_abi::layer::Layer;

/// The longest note, in bytes.
pub const MAX_NOTE: usize = 1024;

/// The number of the one descriptor that a process of the launcher's is made with,
/// beside the three that every program has: its end of their socket pair.
pub const LINK: i32 = 3;

/// What the worker is to do to itself. It is in its other namespaces before it reads
/// this, and on version 2 of cgroups in its group.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Whether it takes a mount namespace of its own, and empties it.
    pub private_root: bool,
    /// How it comes by its socket; a compiler has none.
    pub socket: Option<Socket>,
    /// Whether a module is among its descriptors.
    pub module: bool,
    /// What it has in its root beside its socket, if anything.
    #[serde(default)]
    pub shown: Option<Shown>,
    /// The ports of its network, where it has one: it opens its doors, and hands them over with
    /// [`WorkerMessage::Ready`].
    #[serde(default)]
    pub ports: Vec<u16>,
    /// How many cgroups it moves itself into, by writing `0` to their descriptors.
    pub groups: usize,
    /// Resource limits, soft and hard alike, by the kernel's number.
    pub limits: Vec<(u32, u64)>,
    /// The user to become, where no user namespace did it.
    pub switch_user: Option<u32>,
    /// Seccomp programs, installed in this order.
    pub filters: Vec<Filter>,
}

/// What a worker has in its root. Paths are the machine's.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    /// What it is made of.
    pub what: What,
    /// Folders to read, with the name each has under `/mnt`.
    pub mounts: Vec<(String, PathBuf)>,
    /// Whether detached mounts of what it is made of and of its folders are among the descriptors.
    pub handles: bool,
}

/// What a root with something in it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The machine's programs and libraries, for a tool, which finds everything where it is outside.
    Machine {
        /// The tool's program, links followed.
        program: PathBuf,
    },
    /// The files of an image.
    Image {
        /// Their folder.
        files: PathBuf,
        /// How much may be kept beside them, in memory.
        scratch_bytes: u64,
    },
}

impl Shown {
    /// Whether it is a tool's, which alone has a standard input.
    pub fn is_tool(&self) -> bool {
        matches!(self.what, What::Machine { .. })
    }

    fn handles(&self) -> usize {
        match self.handles {
            true => 1 + self.mounts.len(),
            false => 0,
        }
    }
}

/// How a worker comes by its socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Socket {
    /// A detached mount of its folder is among the descriptors.
    Mount,
    /// Its folder is among the descriptors: the worker, of another user, may not
    /// look its path up, and has no namespace to mount it in.
    Folder,
    /// It is at this path of the host, which the worker may look up.
    Path(PathBuf),
}

/// The descriptors that come with a plan.
#[derive(Debug)]
pub struct Handed<T> {
    /// The boot document, to be read to its end.
    pub boot: T,
    /// The gate: one byte [`aion_abi::boot::GO`] means go; end of file means die.
    pub gate: T,
    /// Where standard output goes.
    pub stdout: T,
    /// Where standard error goes.
    pub stderr: T,
    /// Where a tool's standard input comes from; every other worker has none.
    pub stdin: Option<T>,
    /// The module, where [`Plan::module`] says so: to run, or to compile.
    pub module: Option<T>,
    /// What [`Plan::socket`] speaks of.
    pub socket: Option<T>,
    /// What [`Plan::shown`] speaks of: what the root is made of, then the folders.
    pub mounts: Vec<T>,
    /// As many as [`Plan::groups`] says.
    pub groups: Vec<T>,
}

impl<'a> Handed<BorrowedFd<'a>> {
    /// As they ride with the plan.
    pub fn in_order(&self) -> Vec<BorrowedFd<'a>> {
        [self.boot, self.gate, self.stdout, self.stderr]
            .into_iter()
            .chain(self.stdin)
            .chain(self.module)
            .chain(self.socket)
            .chain(self.mounts.iter().copied())
            .chain(self.groups.iter().copied())
            .collect()
    }
}

impl Handed<OwnedFd> {
    /// Takes those of `plan`; `None` unless there are as many as it speaks of.
    pub fn take(plan: &Plan, fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = fds.into_iter();
        let mounts = plan.shown.as_ref().map_or(0, Shown::handles);
        let socket = matches!(plan.socket, Some(Socket::Mount | Socket::Folder));
        let one = |wanted: bool, fds: &mut std::vec::IntoIter<OwnedFd>| match wanted {
            true => fds.next().map(Some),
            false => Some(None),
        };
        let handed = Self {
            boot: fds.next()?,
            gate: fds.next()?,
            stdout: fds.next()?,
            stderr: fds.next()?,
            stdin: one(plan.shown.as_ref().is_some_and(Shown::is_tool), &mut fds)?,
            module: one(plan.module, &mut fds)?,
            socket: one(socket, &mut fds)?,
            mounts: fds.by_ref().take(mounts).collect(),
            groups: fds.by_ref().take(plan.groups).collect(),
        };
        let all = handed.mounts.len() == mounts && handed.groups.len() == plan.groups;
        (all && fds.next().is_none()).then_some(handed)
    }
}

/// A seccomp program: one `sock_filter` in eight bytes, as `code`, `jt`, `jf` and
/// `k` from the most significant end.
pub type Filter = Vec<u64>;

/// What a worker tells its launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum WorkerMessage {
    /// It is confined and waits at its gate. The doors of its network ride beside it.
    Ready {
        /// What was tried against the Landlock domain and refused.
        landlock: Option<String>,
        /// Steps that failed.
        failures: Vec<(Layer, String)>,
    },
    /// Why it is about to end, in one line.
    Note(String),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;

    fn opened(count: usize) -> Vec<OwnedFd> {
        let open = || File::open("/dev/null").unwrap().into();
        std::iter::repeat_with(open).take(count).collect()
    }

    fn plan(socket: Option<Socket>, shown: Option<Shown>) -> Plan {
        Plan {
            private_root: true,
            module: false,
            socket,
            shown,
            ports: Vec::new(),
            groups: 2,
            limits: Vec::new(),
            switch_user: None,
            filters: Vec::new(),
        }
    }

    fn shown(what: What, handles: bool) -> Option<Shown> {
        let mounts = vec![("a".into(), "/a".into()), ("b".into(), "/b".into())];
        Some(Shown {
            what,
            mounts,
            handles,
        })
    }

    fn tool(handles: bool) -> Option<Shown> {
        let program = "/usr/bin/true".into();
        shown(What::Machine { program }, handles)
    }

    fn image() -> Option<Shown> {
        let what = What::Image {
            files: "/x".into(),
            scratch_bytes: 1,
        };
        shown(what, true)
    }

    #[test]
    fn descriptors_are_taken_in_the_order_that_they_are_handed_over_in() {
        let module = Plan {
            module: true,
            ..plan(None, None)
        };
        for (plan, count) in [
            (plan(Some(Socket::Mount), None), 7),
            (plan(Some(Socket::Folder), None), 7),
            (plan(Some(Socket::Path("/s".into())), None), 6),
            (module, 7),
            (plan(None, tool(false)), 7),
            (plan(None, tool(true)), 10),
            (plan(Some(Socket::Mount), image()), 10),
            (plan(Some(Socket::Path("/s".into())), image()), 9),
        ] {
            let fds = opened(count);
            let numbers: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
            let taken = Handed::take(&plan, fds).unwrap();
            let again = Handed {
                boot: taken.boot.as_fd(),
                gate: taken.gate.as_fd(),
                stdout: taken.stdout.as_fd(),
                stderr: taken.stderr.as_fd(),
                stdin: taken.stdin.as_ref().map(AsFd::as_fd),
                module: taken.module.as_ref().map(AsFd::as_fd),
                socket: taken.socket.as_ref().map(AsFd::as_fd),
                mounts: taken.mounts.iter().map(AsFd::as_fd).collect(),
                groups: taken.groups.iter().map(AsFd::as_fd).collect(),
            };
            let order: Vec<i32> = again.in_order().iter().map(AsRawFd::as_raw_fd).collect();
            assert_eq!(order, numbers, "{plan:?}");
            let tool = plan.shown.as_ref().is_some_and(Shown::is_tool);
            assert_eq!(taken.stdin.is_some(), tool);
            for wrong in [count - 1, count + 1] {
                assert!(Handed::take(&plan, opened(wrong)).is_none(), "{plan:?}");
            }
        }
    }
}
