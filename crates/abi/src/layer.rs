//! The layers of a sandbox by name. The launcher reports by these names, an agent or a policy requires by them, and
//! a node's status lists them. How a layer is applied or read back may not enter.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! layers {
    ($($(#[$doc:meta])* $name:ident $written:literal,)*) => {
        /// One layer of the sandbox, spelled as the launcher reports it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        pub enum Layer {
            $($(#[$doc])* #[serde(rename = $written)] $name,)*
        }

        impl Layer {
            /// Every layer, in the order of reports.
            pub const ALL: [Self; [$($written),*].len()] = [$(Self::$name),*];

            /// As it is written in YAML and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $written,)*
                }
            }
        }
    };
}

layers! {
    /// A user namespace of its own, mapped to one unprivileged user of the host.
    UserNamespace "user-namespace",
    /// A mount namespace of its own, with an empty read-only root.
    MountNamespace "mount-namespace",
    /// A network namespace of its own, with no interface up.
    NetworkNamespace "network-namespace",
    /// A process-id namespace of its own.
    PidNamespace "pid-namespace",
    /// An IPC namespace of its own: System V and POSIX message queues.
    IpcNamespace "ipc-namespace",
    /// A host-name namespace of its own.
    UtsNamespace "uts-namespace",
    /// A cgroup that bounds memory.
    CgroupMemory "cgroup-memory",
    /// A cgroup that bounds processes and threads.
    CgroupPids "cgroup-pids",
    /// A cgroup that bounds CPU.
    CgroupCpu "cgroup-cpu",
    /// A cgroup that bounds reading and writing of block devices.
    CgroupIo "cgroup-io",
    /// Resource limits of the process.
    Rlimits "rlimits",
    /// No execve gains a privilege.
    NoNewPrivs "no-new-privs",
    /// All capability sets are empty, the bounding set included.
    Capabilities "capabilities",
    /// Files, sockets and signals confined by Landlock.
    Landlock "landlock",
    /// A system call filter.
    Seccomp "seccomp",
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The names of `layers`, for a message.
#[must_use]
pub fn list(layers: &[Layer]) -> String {
    let names: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    names.join(", ")
}
