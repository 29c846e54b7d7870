//! The layers of a sandbox, and what an agent or a policy requires of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One layer of the sandbox, spelled as the launcher reports it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A user namespace of its own.
    UserNamespace,
    /// A mount namespace of its own, with an empty read-only root.
    MountNamespace,
    /// A network namespace of its own, with no interface up.
    NetworkNamespace,
    /// A process-id namespace of its own.
    PidNamespace,
    /// An IPC namespace of its own.
    IpcNamespace,
    /// A host-name namespace of its own.
    UtsNamespace,
    /// A cgroup that bounds memory.
    CgroupMemory,
    /// A cgroup that bounds processes and threads.
    CgroupPids,
    /// A cgroup that bounds CPU.
    CgroupCpu,
    /// Resource limits of the process.
    Rlimits,
    /// No execve gains a privilege.
    NoNewPrivs,
    /// All capability sets are empty.
    Capabilities,
    /// Files, sockets and signals confined by Landlock.
    Landlock,
    /// A system call filter.
    Seccomp,
}

impl Layer {
    /// Every layer there is, in the order of reports.
    pub const ALL: [Self; 14] = [
        Self::UserNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::CgroupMemory,
        Self::CgroupPids,
        Self::CgroupCpu,
        Self::Rlimits,
        Self::NoNewPrivs,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// As it is written in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserNamespace => "user-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::NetworkNamespace => "network-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::CgroupMemory => "cgroup-memory",
            Self::CgroupPids => "cgroup-pids",
            Self::CgroupCpu => "cgroup-cpu",
            Self::Rlimits => "rlimits",
            Self::NoNewPrivs => "no-new-privs",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// What is required of the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxRules {
    /// Layers without which no instruction of the agent runs. A node that cannot enforce one of them is
    /// not chosen. Layers that are not required are used where the node has them, and a missing one is
    /// named in the condition SandboxEnforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 14), extend("x-kubernetes-list-type" = "set"))]
    pub require: Vec<Layer>,
}
