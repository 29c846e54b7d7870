//! The parts of an AgentInstance: references that were resolved, rights that were granted.

use aion_abi::steps::Step;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent_request::{FileMode, MemoryShare};
use crate::memory_pool::Tiers;
use crate::model_endpoint::Provider;
use crate::program::{SecretKey, WithoutModel};
use crate::tool::{AsksPeople, McpServer, McpStdio, RemoteAgent, ToolOperation};

/// The Agent an instance belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentReference {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// A declarative program that stands in the Agent itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InlineProgram {
    /// The agent's instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub instructions: Option<String>,
    /// The steps of its workflow, where it is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "aion_abi::steps::workflow")]
    pub steps: Vec<Step>,
}

/// The models an instance may ask, for answers and for vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedModel {
    /// Endpoints with one chat model each, in the order they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub endpoints: Vec<ResolvedEndpoint>,
    /// The one that makes vectors of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<ResolvedEndpoint>,
}

impl ResolvedModel {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &ResolvedEndpoint> {
        self.endpoints.iter().chain(&self.embedding)
    }
}

/// One model of one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedEndpoint {
    /// The ModelEndpoint's name.
    #[schemars(length(min = 1, max = 63))]
    pub endpoint: String,
    /// The model that is asked for; `any` with provider local is the first that there is.
    #[schemars(length(min = 1, max = 189))]
    pub model: String,
    /// How it is reached.
    #[serde(default)]
    pub provider: Provider,
    /// The address before /chat/completions; none with provider local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub base_url: Option<String>,
    /// Where the bearer token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretKey>,
    /// Tokens that fit into its context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub context_tokens: Option<i32>,
    /// Calls the endpoint is given at once by a node.
    #[schemars(range(min = 1))]
    pub max_concurrent: i32,
    /// Seconds a call may take.
    #[schemars(range(min = 1))]
    pub timeout_seconds: i32,
}

impl ResolvedEndpoint {
    /// Whether `name` is one that agents write for it: `endpoint/model`, or the endpoint alone.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        match name.split_once('/') {
            Some(both) => both == (&self.endpoint, &self.model),
            None => name == self.endpoint,
        }
    }
}

/// A tool an instance is offered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedTool {
    /// The Tool's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The MCP server that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpServer>,
    /// The agent elsewhere that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a2a: Option<RemoteAgent>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// The operations that may be offered; empty: all that the server lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub operations: Vec<ToolOperation>,
    /// Calls the tool is given at once by a node.
    #[schemars(range(min = 1))]
    pub max_concurrent: i32,
    /// Seconds a call may take.
    #[schemars(range(min = 1))]
    pub timeout_seconds: i32,
    /// What its server may have a person asked while a call of it runs: never or yesOrNo.
    #[serde(default, skip_serializing_if = "AsksPeople::is_never")]
    pub asks_people: AsksPeople,
}

impl ResolvedTool {
    /// The program that is started for it, where it is one.
    #[must_use]
    pub fn stdio(&self) -> Option<&McpStdio> {
        self.mcp.as_ref()?.stdio.as_ref()
    }
}

/// Another agent that an instance asks as a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAgent {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// What its turn may do; left out, all that its agent may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 3, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub delegate: Option<Vec<String>>,
}

/// The memory an instance uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedMemory {
    /// The MemoryPool's name.
    #[schemars(length(min = 1, max = 63))]
    pub pool: String,
    /// The MemoryPool's uid, and how often what it held was lost: a pool that was deleted and made again is another pool,
    /// and so is one whose node was forgotten.
    #[schemars(length(max = 64))]
    pub pool_uid: String,
    /// Who sees what is remembered.
    #[serde(default)]
    pub share: MemoryShare,
    /// Where each kind of memory is kept. The node says it of one that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Tiers>,
    /// Days until it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub retention_days: Option<i32>,
    /// How much the pool holds in each tier, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "quotaMiB")]
    #[schemars(range(min = 1))]
    pub quota_mib: Option<i32>,
    /// The model that turns text into vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<ResolvedEndpoint>,
}

/// A mount an instance may open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedMount {
    /// The mount's name as the agent knows it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The volume it is on the node: a name that the node's configuration maps to a folder.
    #[schemars(length(min = 1, max = 63))]
    pub volume: String,
    /// What may be done with its files.
    #[serde(default)]
    pub mode: FileMode,
}

/// A right, and where it comes from.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// FAMILY.VERB or FAMILY.VERB:TARGET, such as tool.call:calendar.read.
    #[schemars(length(min = 3, max = 512))]
    pub capability: String,
    /// allow, or ask for a right that needs a person's approval each time.
    #[serde(default)]
    pub effect: GrantEffect,
}

/// How a right holds.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GrantEffect {
    /// It holds.
    #[default]
    Allow,
    /// It needs a person's approval each time.
    Ask,
    /// It does not hold, whatever another grant says: an exception from TOOL.*.
    Deny,
}

/// What an instance may use, after every policy had its say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Tokens an hour.
    #[schemars(range(min = 0))]
    pub tokens_per_hour: i64,
    /// Syscalls a minute.
    #[schemars(range(min = 0))]
    pub calls_per_minute: i32,
    /// Syscalls under way at once.
    #[schemars(range(min = 1))]
    pub concurrent_calls: i32,
    /// Tokens an hour of the whole namespace on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub tenant_tokens_per_hour: Option<i64>,
    /// Syscalls a minute of the whole namespace on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub tenant_calls_per_minute: Option<i32>,
}

/// The bounds of a running instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceLimits {
    /// Times the model is asked in one turn.
    #[schemars(range(min = 1))]
    pub max_steps: i32,
    /// Tokens of one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<i32>,
    /// Seconds of one turn.
    #[schemars(range(min = 1))]
    pub turn_seconds: i32,
    /// Memory, in MiB.
    #[serde(rename = "memoryMiB")]
    #[schemars(range(min = 1))]
    pub memory_mib: i32,
    /// The profile that it was resolved with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub profile: Option<String>,
    /// Memory from which on it is told of pressure, in MiB; left out, the node says.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "memoryHighMiB"
    )]
    #[schemars(range(min = 1))]
    pub memory_high_mib: Option<i32>,
    /// Its share where CPU is short; 100 is what everybody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub cpu_weight: Option<i32>,
    /// Its share where a block device is busy; 100 is what everybody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub io_weight: Option<i32>,
    /// KiB a second that it reads of each block device.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ioReadKiB")]
    #[schemars(range(min = 1))]
    pub io_read_kib: Option<i32>,
    /// KiB a second that it writes to each block device.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "ioWriteKiB"
    )]
    #[schemars(range(min = 1))]
    pub io_write_kib: Option<i32>,
    /// CPU, in thousandths of a core.
    #[schemars(range(min = 1))]
    pub cpu_millis: i32,
    /// Output of one turn, in MiB.
    #[serde(default = "output_mib", rename = "outputMiB")]
    #[schemars(range(min = 1))]
    pub output_mib: i32,
    /// What the /tmp of a process agent holds, in MiB; no other runtime has one.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "tmpMiB")]
    #[schemars(range(min = 1))]
    pub tmp_mib: Option<i32>,
    /// Processes and threads that a process agent has at once; no other runtime makes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<i32>,
    /// What a declarative agent does where no model answers.
    #[serde(default)]
    pub without_model: WithoutModel,
}

/// For instances that were written before there was such a bound.
fn output_mib() -> i32 {
    crate::defaults::OUTPUT_MIB
}
