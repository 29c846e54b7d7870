//! The parts of an Agent: what it asks for.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::program::ModelPurpose;
use crate::schema::{CAPABILITY, HOST_PORT, MODEL, NAME, said};

/// The models an agent uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelUse {
    /// The model it asks: the name of a ModelEndpoint of this namespace, and after a slash one of its
    /// models, such as local/qwen3. Without the slash it is the endpoint's first chat model.
    #[serde(rename = "use")]
    #[schemars(length(min = 1, max = 253), regex(pattern = MODEL))]
    pub use_model: String,
    /// Models that are asked in this order where the first does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        inner(length(min = 1, max = 253), regex(pattern = MODEL)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub fallback: Vec<String>,
    /// The model that makes vectors for its program, named like the others; its purpose must be embedding. It has no fallback:
    /// vectors of two models do not go together. What it remembers has the embedding of its MemoryPool, and not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = MODEL))]
    pub embedding: Option<String>,
}

impl ModelUse {
    /// All that it names: the field within `spec.model`, the name, and what it is for.
    pub fn named(&self) -> impl Iterator<Item = (String, &str, ModelPurpose)> {
        let fallback = self.fallback.iter().enumerate();
        let fallback = fallback.map(|(at, name)| (format!("fallback[{at}]"), name));
        let chat = std::iter::once(("use".to_owned(), &self.use_model)).chain(fallback);
        let embedding = self
            .embedding
            .iter()
            .map(|name| ("embedding".to_owned(), name));
        chat.map(|(field, name)| (field, name.as_str(), ModelPurpose::Chat))
            .chain(embedding.map(|(field, name)| (field, name.as_str(), ModelPurpose::Embedding)))
    }
}

/// A tool an agent is offered: exactly one of `name`, `mcp` and `agent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.name), has(self.mcp), has(self.agent)].exists_one(given, given)").message(said("a tool is given by name (any Tool of this namespace), by mcp (a Tool that is an MCP server) or by agent (another agent of this namespace)", "write exactly one of them")),
    validation = Rule::new("!has(self.delegate) || has(self.agent)").message(said("delegate says what the turn of another agent may do", "add agent, or remove it")).field_path(".delegate")
)]
pub struct ToolUse {
    /// The name of a Tool of this namespace, of whatever kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: Option<String>,
    /// The name of a Tool of this namespace that must be an MCP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub mcp: Option<String>,
    /// The name of another agent of this namespace, which is asked as a tool. The right to it, agent.ask:NAME, need not be
    /// listed under permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub agent: Option<String>,
    /// What a turn of that agent may do when this one asks it, of what the agent may: capabilities, such as calendar.read,
    /// memory.recall or fs.read:notes. Left out, all of that; empty, it may only answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 3, max = 253), regex(pattern = CAPABILITY)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub delegate: Option<Vec<String>>,
}

impl ToolUse {
    /// The Tool's name, however it was given; empty where neither was.
    #[must_use]
    pub fn tool(&self) -> &str {
        self.name
            .as_deref()
            .or(self.mcp.as_deref())
            .unwrap_or_default()
    }
}

/// The memory an agent uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryUse {
    /// The name of a MemoryPool of this namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub pool: String,
    /// Who sees what it remembers: private (only this agent; the default) or pool (every agent that
    /// shares the pool in this way).
    #[serde(default)]
    pub share: MemoryShare,
}

/// Who sees what an agent remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryShare {
    /// Only this agent.
    #[default]
    Private,
    /// Every agent that uses the pool with `share: pool`.
    Pool,
}

/// What an agent asks for. A request is not a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Capabilities it wants: TOOL.OPERATION for a tool (calendar.read; calendar."free at?" where the name has other
    /// characters than letters, digits and _-./), TOOL.* for all that it offers, or a syscall such as memory.forget. Its model, and remembering and recalling in its own pool, need not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        inner(length(min = 3, max = 253), regex(pattern = CAPABILITY)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allow: Vec<String>,
    /// Capabilities it wants with a person's approval each time: the call waits until somebody approves or denies it
    /// (aionctl approvals), and is refused if nobody does in time, a day unless the node says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        inner(length(min = 3, max = 253), regex(pattern = CAPABILITY)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub ask: Vec<String>,
    /// Hosts it wants to connect to, as HOST:PORT: a name, *.NAME for every name one label below, or an address in
    /// numbers (IPv6 in brackets). At most 16 ports, and not 53. The program of an image (runtime: process) gets a network
    /// that leads there by TCP and nowhere else; the other runtimes have none, and the condition FieldsInEffect says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 3, max = 260), regex(pattern = HOST_PORT)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub network: Vec<String>,
    /// Mounts it wants to open. A mount is a name: on a machine standing alone the owner maps it to a
    /// folder, in a cluster a ClusterAgentPolicy grants it. Paths are not accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mount"])
    )]
    pub files: Vec<FileRequest>,
}

/// A mount an agent wants to open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileRequest {
    /// The mount's name, such as notes.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub mount: String,
    /// read (read and list; the default) or readWrite (also create and overwrite).
    #[serde(default)]
    pub mode: FileMode,
}

/// Mounts that are there in every turn: what the caller gave, and what the caller gets. They are the turn's
/// own folders, so no machine maps them.
pub const TURN_MOUNTS: [&str; 2] = ["input", "output"];

/// What may be done with the files of a mount.
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
#[serde(rename_all = "camelCase")]
pub enum FileMode {
    /// Read and list.
    #[default]
    Read,
    /// Also create and overwrite.
    ReadWrite,
}

/// How much an agent may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.usdPerDay)").message(said("usdPerDay is not enforced by this release, and a limit that does not hold is worse than none", "remove it and use tokensPerHour")).field_path(".usdPerDay").reason(Reason::FieldValueForbidden))]
pub struct Limits {
    /// A profile of the cluster's or the node's file of profiles by name, such as small, standard, large, quiet or sealed:
    /// it says what is not said here, of memory, CPU, processes, the weight where CPU and disks are short, and the system
    /// call filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub profile: Option<String>,
    /// Tokens an hour, of its instances on a node together; 200000 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub tokens_per_hour: Option<i64>,
    /// Money it may spend a day, in US dollars as a decimal such as "0.50". Refused by this release,
    /// which does not count money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = r"^[0-9]{1,9}(\.[0-9]{1,4})?$")
    )]
    pub usd_per_day: Option<String>,
    /// Syscalls that its instances on a node may make together a minute; 6000 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub calls_per_minute: Option<i32>,
    /// Syscalls of its instances on a node that may be under way at once; 16 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrent_calls: Option<i32>,
    /// Times the model is asked in one turn at most; 16 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub max_steps: Option<i32>,
    /// Tokens of one answer of the model at most; left out, the model decides, and for a program that runs elsewhere it
    /// is 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_tokens: Option<i32>,
    /// Seconds a turn may take; 300 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub turn_seconds: Option<i32>,
    /// Memory of a running instance at most, in MiB; 256 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "memoryMiB")]
    #[schemars(range(min = 16, max = 1_048_576))]
    pub memory_mib: Option<i32>,
    /// CPU of a running instance at most, in thousandths of a core; 1000 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1_024_000))]
    pub cpu_millis: Option<i32>,
    /// What a turn may write to its output at most, in MiB; 256 unless said otherwise. It takes 4096 files and
    /// folders at most.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "outputMiB")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub output_mib: Option<i32>,
    /// What the /tmp of a process agent holds at most, in MiB; 64 unless said otherwise, and half of memoryMiB where
    /// that is less. It is memory: what lies there counts in memoryMiB, so it is less than that.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "tmpMiB")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub tmp_mib: Option<i32>,
    /// Processes and threads that a process agent has at once at most; 128 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub pids: Option<i32>,
}
