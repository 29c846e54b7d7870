//! The layers of a sandbox, and what an agent or a policy requires of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One layer of the sandbox, as it is read back from the kernel.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// No execve gains a privilege.
    NoNewPrivileges,
    /// All capability sets are empty.
    Capabilities,
    /// Mount, pid, network, IPC and UTS namespaces of its own.
    Namespaces,
    /// A system call filter.
    Seccomp,
    /// Files and sockets confined by Landlock.
    Landlock,
    /// Memory, processes and CPU bounded by a cgroup.
    Cgroup,
    /// Resource limits of the process.
    Rlimits,
}

impl Layer {
    /// Every layer there is.
    pub const ALL: [Self; 7] = [
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::Namespaces,
        Self::Seccomp,
        Self::Landlock,
        Self::Cgroup,
        Self::Rlimits,
    ];

    /// As it is written in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoNewPrivileges => "noNewPrivileges",
            Self::Capabilities => "capabilities",
            Self::Namespaces => "namespaces",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Cgroup => "cgroup",
            Self::Rlimits => "rlimits",
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
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub require: Vec<Layer>,
}
