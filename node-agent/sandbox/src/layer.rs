//! The layers of a sandbox and what is known about each: names that stay the
//! same across releases, a state, and the evidence for it. Nothing here applies
//! or checks a layer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One layer of confinement. The kebab-case spelling is part of the API: policy
/// requires layers by it and `SandboxEnforced` reports by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerName {
    /// An own user namespace, mapped to one unprivileged user of the host.
    UserNamespace,
    /// An own mount namespace whose root is an empty, read-only tmpfs.
    MountNamespace,
    /// An own network namespace with no interface up.
    NetworkNamespace,
    /// An own process-id namespace.
    PidNamespace,
    /// An own System V IPC and POSIX message-queue namespace.
    IpcNamespace,
    /// An own host-name namespace.
    UtsNamespace,
    /// A cgroup with a memory limit.
    CgroupMemory,
    /// A cgroup with a limit on the number of processes and threads.
    CgroupPids,
    /// A cgroup with a CPU quota.
    CgroupCpu,
    /// Resource limits of the process itself.
    Rlimits,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Every capability dropped, the bounding set included.
    Capabilities,
    /// A Landlock domain that allows no file, no TCP and no signal outwards.
    Landlock,
    /// A seccomp filter.
    Seccomp,
}

impl LayerName {
    /// Every layer, in the order of reports.
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

    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
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

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known about a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerState {
    /// In force, as read back from the kernel or, for Landlock, as probed.
    Enforced,
    /// Asked for and not in force.
    Missing {
        /// Why, and what would bring it, in one line.
        why: String,
    },
    /// Nothing asked for it, such as a CPU quota where no limit is set.
    NotRequested,
}

/// One line of a report on a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Layer {
    /// Which layer.
    pub name: LayerName,
    /// What is known.
    pub state: LayerState,
    /// What was read and where, in one line; empty where nothing was.
    pub evidence: String,
}

impl Layer {
    /// A layer that is in force.
    pub fn enforced(name: LayerName, evidence: impl Into<String>) -> Self {
        Self {
            name,
            state: LayerState::Enforced,
            evidence: evidence.into(),
        }
    }

    /// A layer that is not in force.
    pub fn missing(name: LayerName, why: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self {
            name,
            state: LayerState::Missing { why: why.into() },
            evidence: evidence.into(),
        }
    }

    /// A layer that nothing asked for.
    pub fn not_requested(name: LayerName) -> Self {
        Self {
            name,
            state: LayerState::NotRequested,
            evidence: String::new(),
        }
    }

    /// Whether it is in force.
    pub fn is_enforced(&self) -> bool {
        self.state == LayerState::Enforced
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_spelling_on_the_wire_is_the_stable_spelling() {
        for name in LayerName::ALL {
            assert_eq!(
                serde_json::to_string(&name).unwrap(),
                format!("\"{}\"", name.as_str())
            );
        }
    }
}
