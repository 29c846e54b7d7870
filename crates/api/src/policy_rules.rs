//! The rules that AgentPolicy and ClusterAgentPolicy share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::NAME;

/// Bounds that a policy sets. Where several policies and the agent's own limits speak, the smallest
/// holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyQuotas {
    /// Tokens that an agent's instances on a node may use together an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub tokens_per_hour: Option<i64>,
    /// Syscalls that an agent's instances on a node may make together a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub calls_per_minute: Option<i32>,
    /// Syscalls of an instance that may be under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrent_calls: Option<i32>,
    /// Seconds a turn may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub turn_seconds: Option<i32>,
    /// Memory of a running instance at most, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "memoryMiB")]
    #[schemars(range(min = 16, max = 1_048_576))]
    pub memory_mib: Option<i32>,
    /// Processes and threads of a process agent at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub pids: Option<i32>,
    /// The profiles that an agent may name as limits.profile; left out, any. One that stands in every policy's list is
    /// allowed, and an agent that names none has the first of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 63), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub profiles: Option<Vec<String>>,
    /// CPU of a running instance at most, in thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1_024_000))]
    pub cpu_millis: Option<i32>,
    /// What a turn may write to its output at most, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "outputMiB")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub output_mib: Option<i32>,
    /// Replicas of an agent at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Tokens that the namespace's agents on one node may use an hour, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub tenant_tokens_per_hour: Option<i64>,
    /// Syscalls that the namespace's agents on one node may make a minute, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub tenant_calls_per_minute: Option<i32>,
}
