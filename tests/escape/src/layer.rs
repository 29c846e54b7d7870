//! The parts of a sandbox that can be taken away one by one, to see that an attempt can succeed. None is a switch of the
//! launcher's: what a layer is made with is answered as if it had been done, or as on a machine that lacks it.

use std::fmt;

/// One part that holds attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// A user of its own: a user namespace, and where there is none another user of the machine.
    User,
    /// Mounts that are read-only, and have no devices and programs of other users.
    MountAttributes,
    /// A network namespace.
    Network,
    /// A process-id namespace.
    Pid,
    /// An IPC namespace.
    Ipc,
    /// A host-name namespace.
    Uts,
    /// A cgroup that bounds memory.
    CgroupMemory,
    /// A cgroup that bounds processes, and the resource limit of the same number.
    CgroupPids,
    /// The bound on what is kept in `/tmp`.
    Scratch,
    /// Resource limits.
    Rlimits,
    /// No execve gains a privilege.
    NoNewPrivs,
    /// No capabilities.
    Capabilities,
    /// Landlock.
    Landlock,
    /// The system call filter.
    Seccomp,
}

impl Layer {
    /// Every part.
    pub const ALL: [Self; 14] = [
        Self::User,
        Self::MountAttributes,
        Self::Network,
        Self::Pid,
        Self::Ipc,
        Self::Uts,
        Self::CgroupMemory,
        Self::CgroupPids,
        Self::Scratch,
        Self::Rlimits,
        Self::NoNewPrivs,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// As it is written in arguments and in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::MountAttributes => "mount-attributes",
            Self::Network => "network-namespace",
            Self::Pid => "pid-namespace",
            Self::Ipc => "ipc-namespace",
            Self::Uts => "uts-namespace",
            Self::CgroupMemory => "cgroup-memory",
            Self::CgroupPids => "cgroup-pids",
            Self::Scratch => "scratch",
            Self::Rlimits => "rlimits",
            Self::NoNewPrivs => "no-new-privs",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    /// Reads [`Self::name`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// The name that is not a layer's.
    pub fn list(names: &str) -> Result<Vec<Self>, String> {
        let names = names.split(',').filter(|name| !name.is_empty());
        names
            .map(|name| Self::named(name).ok_or_else(|| name.to_owned()))
            .collect()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
