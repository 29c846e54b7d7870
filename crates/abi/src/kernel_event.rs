//! What an agent's processes did in the kernel of the machine, as the launcher tells the daemon and the daemon a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::date::UnixMillis;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelEvent {
    /// When.
    pub at_ms: UnixMillis,
    /// What it is about.
    pub kind: KernelEventKind,
    /// The process, as the machine numbers it.
    pub pid: u32,
    /// The process' name. Of an untrusted process, like the text.
    pub process: String,
    /// The system call, e.g. `openat`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What the system call returned (a negative `errno` where it failed), or the signal.
    pub result: i32,
    /// What a rule of policy did about it, where one was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<OnViolation>,
    /// A path, or an address and a port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelEventKind {
    /// A program was executed.
    Exec,
    /// A file was opened, or was to be, outside what the agent was shown.
    Open,
    /// A connection to an IP address was made, or was to be.
    Connect,
    /// A system call was refused.
    Denied,
    /// The kernel ended the process as it ran out of memory.
    OutOfMemory,
    /// A signal ended a process.
    Signal,
}

impl KernelEventKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Open => "open",
            Self::Connect => "connect",
            Self::Denied => "denied",
            Self::OutOfMemory => "out-of-memory",
            Self::Signal => "signal",
        }
    }
}

/// What is done about an event that a rule forbids, the strictest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnViolation {
    /// It is told.
    Alert,
    /// It is refused.
    Deny,
    /// The process is killed, and the turn ends.
    Kill,
}

impl OnViolation {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Deny => "deny",
            Self::Kill => "kill",
        }
    }
}

/// What was counted of one worker since it is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelCounts {
    /// System calls that ended, by class.
    pub calls: BTreeMap<String, u64>,
    /// Those of them that were refused.
    pub denied: BTreeMap<String, u64>,
    /// Events by kind, those that were lost too.
    pub events: BTreeMap<KernelEventKind, u64>,
    /// Those of them that broke a rule of policy.
    #[serde(default)]
    pub violations: BTreeMap<KernelEventKind, Violations>,
    /// Events that were lost, by why: `ring` (it was full), `rate` (more than an agent's bound), `daemon` (it did
    /// not keep up), `unread` (they were in the ring still as it was let go); and `unfollowed`, threads of which nothing
    /// is known.
    pub lost: BTreeMap<String, u64>,
    /// Sampled calls by class and by how long they took: up to 256 ns, 512 ns and so on, the last without an end.
    pub latency: BTreeMap<String, Vec<u32>>,
}

/// How often a rule was broken, and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violations {
    /// What was done.
    pub action: OnViolation,
    /// How often.
    pub count: u64,
}

/// What agents are followed by and held to rules by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// They tell, count and kill.
    Tracepoints,
    /// That of memory's victims, without which only these are not told.
    MarkVictim,
    /// The hooks of BPF LSM: they refuse.
    Lsm,
    /// The hooks of cgroups.
    Cgroup,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tracepoints, Self::MarkVictim, Self::Lsm, Self::Cgroup];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tracepoints => "tracepoints",
            Self::MarkVictim => "mark-victim",
            Self::Lsm => "lsm",
            Self::Cgroup => "cgroup",
        }
    }
}

/// Something that tracing can use of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelHook {
    /// Which.
    pub name: Hook,
    /// Why it is not used here; `None` where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<String>,
}
