//! What starts turns of agents by itself, as the admin interface tells it, and deliveries of webhooks.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `GET /api/v1/triggers` · `GET /api/v1/namespaces/{ns}/agents/{agent}/triggers` | → [`Triggers`] |
//! | `POST …/agents/{agent}/triggers/{trigger}/fire` | starts a turn of it by hand → [`Fired`] |
//! | `POST …/agents/{agent}/hooks/{trigger}` | raw bytes, with the headers that sign them → [`Fired`] with 202, or 200 for one that came before |

use serde::{Deserialize, Serialize};

use crate::date::UnixMillis;

/// The largest delivery of a webhook, in bytes.
pub const MAX_DELIVERY: usize = 1 << 20;

/// Headers that say who sent a delivery, whatever form it is signed in.
pub const SIGNED_HEADERS: [&str; 6] = [
    "stripe-signature",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-github-delivery",
    "x-hub-signature-256",
];

/// Triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Triggers {
    /// By agent and name.
    pub items: Vec<TriggerState>,
}

/// One trigger of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerState {
    /// `namespace/agent`.
    pub agent: String,
    /// Its name.
    pub name: String,
    /// `cron`, `webhook` or `event`.
    pub kind: String,
    /// When it starts a turn, in words.
    pub when: String,
    /// The turn that it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<TriggerRun>,
    /// When it is due next, by its schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at_ms: Option<UnixMillis>,
    /// Whether that last turn is under way.
    #[serde(default)]
    pub running: bool,
    /// Occasions that wait.
    #[serde(default)]
    pub waiting: u64,
    /// What was left out last, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<TriggerSkip>,
}

/// A turn that a trigger started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerRun {
    /// When.
    pub at_ms: UnixMillis,
    /// Which.
    pub turn: u64,
}

/// An occasion that started no turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerSkip {
    /// When that was decided.
    pub at_ms: UnixMillis,
    /// Why.
    pub why: String,
}

/// What came of an occasion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// The turn that was started; none while the occasion waits for others, or for the turn before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// It came before, and started nothing now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}
