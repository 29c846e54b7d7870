//! What a node counts: what its agents and tenants used, and what waits for what.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET /api/v1/usage[?namespace=&limit=&after=]` | → [`Usage`] |
//! | `GET /api/v1/queues[?limit=&after=]` | → [`Queues`] |

use serde::{Deserialize, Serialize};

use crate::event::Queue;

/// What agents used on this node, as the kernel's ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "UsageList"))]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// By namespace and name.
    pub items: Vec<UsageOf>,
    /// All agents of each namespace of the page together. Who asks by a key is not told: others' are among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<UsageOf>,
    /// API keys with a budget, on the first page: [`MAX_KEYS`] at most. Who asks by a key is told of that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<UsageOfKey>,
    /// Where there may be more: the `after` of the next page. An answer looks at a bounded number of agents, so a page may have
    /// fewer rows than were asked for, and still not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What was used together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "Usage"))]
#[serde(rename_all = "camelCase")]
pub struct UsageOf {
    /// Whose.
    pub namespace: String,
    /// The agent; absent for all of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Calls of the last minute, those included that were refused other than by a quota.
    pub calls_in_minute: u64,
    /// So many may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<u64>,
    /// Tokens of models of the last hour.
    pub tokens_in_hour: u64,
    /// So many may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<u64>,
    /// Calls that were not refused, since its account is on this node.
    pub calls: u64,
    /// Tokens of models since then.
    pub tokens: u64,
    /// Bytes over connections of its own since then.
    pub bytes: u64,
    /// CPU time of the turns that have ended and are kept, in milliseconds.
    pub cpu_ms: u64,
    /// CPU that one turn may use, in thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
}

/// The most keys that are told.
pub const MAX_KEYS: usize = 1_000;

/// What was used of the budget of an API key, or of whoever shows tokens of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageOfKey {
    /// The same for one key, and another for every other.
    pub id: String,
    /// What people call it. A key that was revoked has none, and the owner of a token only where that asks itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace of its agents; absent where the name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Tokens of models of the last hour, of all turns that were begun by it and of those that they called.
    pub tokens_in_hour: u64,
    /// So many may be; absent where the name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<u64>,
}

/// What waits in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// How much in all.
    pub depths: Queue,
    /// By driver: `workers` for turns, and for calls what they wait for or have, such as `model:default/small`. By name.
    pub items: Vec<QueueOf>,
    /// Where there are more: the `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What waits for one driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueOf {
    /// Which.
    pub driver: String,
    /// So many may have it at once.
    pub slots: u64,
    /// So many have it.
    pub running: u64,
    /// So many wait.
    pub waiting: u64,
    /// Of these, by lane.
    pub lanes: Lanes,
    /// Of these, by namespace: those that wait most, [`MAX_TENANTS`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<Waiting>,
}

/// The most namespaces of one queue that are told.
pub const MAX_TENANTS: usize = 20;

/// How many wait, by lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "WaitingByLane"))]
#[serde(rename_all = "camelCase")]
pub struct Lanes {
    /// Devices and control loops.
    pub realtime: u64,
    /// A person waits.
    pub interactive: u64,
    /// Somebody will look later.
    pub batch: u64,
    /// Housekeeping.
    pub background: u64,
}

/// How many of a namespace wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "WaitingOfTenant"))]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Whose.
    pub namespace: String,
    /// How many.
    pub waiting: u64,
}
