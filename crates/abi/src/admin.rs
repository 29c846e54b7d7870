//! The admin and invoke interface of a daemon: what `aionctl` and the gateway say to a node.
//!
//! Standalone it is HTTP/1.1 over a Unix socket of mode 0600; a second one ([`ASKING_SOCKET`]) has
//! what asks agents; in a cluster the same paths over TCP behind TokenReview and SubjectAccessReview. Bodies are JSON, refusals are [`Problem`]s, and streams are
//! `text/event-stream` whose events carry one JSON value each.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `GET /api/v1/status` | → [`NodeStatus`] |
//! | `POST /api/v1/apply` | [`ApplyRequest`] → [`ApplyResponse`] |
//! | `GET /api/v1/resources/{kind}[?namespace=]` | → `{items: […]}` of whole resources; the kind is its plural, `agents` |
//! | `GET, DELETE /api/v1/resources/{kind}/{namespace}/{name}` | → the resource; `-` for the namespace of a cluster-wide one |
//! | `PUT, DELETE /api/v1/mounts/{name}` · `GET /api/v1/mounts` | [`MountMapping`] → the mappings (standalone only) |
//! | `POST /api/v1/namespaces/{ns}/agents/{agent}/uploads?name=` | raw bytes → [`Upload`] |
//! | `GET /api/v1/namespaces/{ns}/agents/{agent}/turns[?limit=&after=]` | → [`crate::turn::TurnPage`] |
//! | `POST /api/v1/namespaces/{ns}/agents/{agent}/turns` | [`TurnRequest`] → stream of [`TurnEvent`]; with [`IDEMPOTENCY_KEY`] the same question is one turn |
//! | `GET /api/v1/turns/{turn}` · `…/events` | → [`TurnRecord`] · stream of [`TurnEvent`], from its start |
//! | `DELETE /api/v1/turns/{turn}` | cancels a turn that waits or runs → [`TurnRecord`]; closing its stream does not |
//! | `GET /api/v1/turns/{turn}/files/{path}` | → raw bytes of a file the turn wrote to `output` |
//! | `GET /api/v1/namespaces/{ns}/agents/{agent}/logs[?follow=true&tail=N]` | → stream of [`LogLine`] |
//! | `GET /api/v1/namespaces/{ns}/agents/{agent}/why` | → [`Why`] |
//! | `/api/v1/keys` · `/api/v1/key` · `/api/v1/issuers` | [`crate::key`] (standalone only) |
//! | `GET /api/v1/triggers` · `…/agents/{agent}/triggers` · `…/hooks/{trigger}` | [`crate::trigger`] |
//! | `GET /api/v1/approvals` · `…/agents/{agent}/approvals[/{approval}]` · `/api/v1/events` | [`crate::approval`], [`crate::event`] |
//! | `…/agents/{agent}/memory[/{item}]` · `…/audit` · `/api/v1/turns/{turn}/audit` | [`crate::memory`] (standalone only), [`crate::audit`] |
//! | `GET …/agents/{agent}/tools` · `/api/v1/usage` · `/api/v1/queues` | [`crate::tools`], [`crate::usage`] |
//! | `GET /api/v1/namespaces/{ns}/agents/{agent}/kernel-events` | → stream of [`KernelTrace`]: the last ones, and those to come |
//!
//! A node agent that is being stopped refuses with 503 `restarting` and `Retry-After`, and ends its streams. A stream
//! of a turn that ends before `ended` does not say how the turn ends: follow it again when the node agent is back.

use serde::{Deserialize, Serialize};

pub use crate::apply::{Applied, ApplyRequest, ApplyResponse, Change, Manifest, Rejected};
use crate::resources::Resources;
pub use crate::turn::{TurnRecord, TurnRequest};
use crate::{
    date::UnixMillis,
    kernel_event::{KernelEvent, KernelHook},
    problem::Problem,
    steps::StepEvent,
};

/// Names a question: asked again under the same key, for as long as its turn is kept, it is the same turn.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Where agents are asked, and nothing else is done, below the state of a node that stands alone: for the gateway.
pub const ASKING_SOCKET: &str = "asking/node.sock";

/// The mount a turn reads its uploaded files from.
pub const INPUT_MOUNT: &str = "input";
/// The mount a turn writes files for its caller to.
pub const OUTPUT_MOUNT: &str = "output";

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The daemon's version.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// `standalone` or `kubernetes`.
    pub mode: String,
    /// When the daemon started.
    pub started_at_ms: UnixMillis,
    /// Whether `OFFLINE_MODE` is on.
    pub offline: bool,
    /// Agents known, and how many are ready.
    pub agents: u32,
    /// Agents that are ready.
    pub agents_ready: u32,
    /// Turns waiting and running.
    pub turns_waiting: u32,
    /// Turns running now.
    pub turns_running: u32,
    /// Calls that wait for a person's approval.
    #[serde(default)]
    pub approvals_pending: u32,
    /// What the launcher can enforce here.
    pub layers: Vec<Layer>,
    /// Whether the launcher answers.
    pub launcher: String,
    /// What agents are followed by in the kernel of the machine, or why they are not.
    #[serde(default)]
    pub hooks: Vec<KernelHook>,
    /// Where the state is.
    pub home: String,
}

/// One layer of the sandbox, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// A stable name, e.g. `seccomp`.
    pub name: String,
    /// Whether the kernel was seen to enforce it.
    pub enforced: bool,
    /// What was read, or why it is missing.
    pub evidence: String,
}

/// A mount name and the folder its user confirmed for it (standalone).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountMapping {
    /// Absolute path of a folder.
    pub path: String,
    /// Whether an agent whose permission says `readWrite` may write.
    #[serde(default)]
    pub writable: bool,
}

/// A file kept for a turn to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Names it in a [`TurnRequest`]; erased an hour later if no turn takes it.
    pub upload: String,
    /// The file's name.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// What a turn's caller sees. The stream ends after `ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum TurnEvent {
    /// The kernel took the turn.
    Queued {
        /// Its id.
        turn: u64,
    },
    /// Its worker's sandbox stands and the program runs.
    Started {
        /// The run.
        incarnation: u32,
    },
    /// What the agent does now.
    Progress {
        /// One line.
        text: String,
        /// The steps of a workflow that it is about.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        steps: Vec<StepEvent>,
    },
    /// Something to know beside the answer, whole.
    Notice {
        /// What.
        text: String,
        /// A part of what the caller gave is not in the answer.
        #[serde(default, rename = "leftOut", skip_serializing_if = "is_false")]
        left_out: bool,
    },
    /// The turn waits for a person's word about a call.
    Asked {
        /// The approval's number.
        approval: u64,
        /// `family.verb` and its target.
        capability: String,
        /// By when somebody has to answer.
        #[serde(rename = "untilMs")]
        until_ms: UnixMillis,
    },
    /// It has the word.
    Answered {
        /// The approval's number.
        approval: u64,
        /// What was said.
        word: crate::approval::Word,
        /// Who said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// More of the answer.
    Delta {
        /// The text.
        text: String,
    },
    /// The whole answer.
    Final {
        /// The text.
        text: String,
    },
    /// The end.
    Ended(Box<TurnOutcome>),
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnOutcome {
    /// Whether the program ended well.
    pub ok: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What the program had its caller told beside the answer, in order: each once, and bounded together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Notices beyond that bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub notices_beyond: u64,
    /// A part of what the caller gave is not in the answer; a notice says which.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incomplete: bool,
    /// Files in the turn's `output` mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OutputFile>,
    /// Tokens charged.
    #[serde(default)]
    pub tokens: u64,
    /// Of these, those that models wrote.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// Bytes that its program sent over connections of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent_bytes: u64,
    /// Bytes that it received over them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received_bytes: u64,
    /// Syscalls made.
    #[serde(default)]
    pub syscalls: u64,
    /// What its workers used; none where no worker ran, or none was heard of again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// From start to end, in milliseconds.
    #[serde(default)]
    pub elapsed_ms: u64,
}

// What is usual is not said.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// A file a turn wrote for its caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutputFile {
    /// Its path beneath the `output` mount.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// A line an agent's worker wrote, or the daemon about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When.
    pub at_ms: UnixMillis,
    /// The run that wrote it.
    pub incarnation: u32,
    /// `stdout`, `stderr` or `node`.
    pub source: String,
    /// The text, without its newline.
    pub text: String,
}

/// The causal chain of one agent: from its signature to its last refusals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// `namespace/agent`.
    pub agent: String,
    /// Whether it would answer now.
    pub ready: bool,
    /// In causal order: accepted, references, signature, policy, placement, sandbox, limits, turns.
    pub links: Vec<Link>,
    /// The last refusals, newest first.
    pub denials: Vec<Denial>,
    /// What the newest of its last turns that had any had its caller told beside the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<Noted>,
    /// What its processes did last in the kernel of the machine, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_events: Vec<KernelTrace>,
}

/// What one run of an agent did in the kernel of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelTrace {
    /// The turn.
    pub turn: u64,
    /// The run.
    pub incarnation: u32,
    /// The trace of the turn, as in its [`TurnRecord`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The policy whose rule was broken, as KIND/NAME, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What happened; none where events were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<KernelEvent>,
    /// So many events of this run are lost by now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

/// The notices of one turn, as in its [`TurnOutcome`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Noted {
    /// The turn.
    pub turn: u64,
    /// Its notices.
    pub notices: Vec<String>,
    /// Those beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub notices_beyond: u64,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// e.g. `signature`.
    pub stage: String,
    /// How it stands.
    pub state: LinkState,
    /// CamelCase reason, as in the conditions.
    pub reason: String,
    /// In plain words, with what to do where it is not good.
    pub message: String,
}

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Good.
    Ok,
    /// Good, but less than there could be.
    Degraded,
    /// Not good: what comes after waits for it.
    Failed,
    /// Not known yet.
    Pending,
}

/// A syscall that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// When.
    pub at_ms: UnixMillis,
    /// The turn.
    pub turn: u64,
    /// The trace of the turn, while that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// `family.verb` and its target, e.g. `fs.read:notes`.
    pub capability: String,
    /// The code.
    pub code: crate::code::Code,
    /// Which rule or quota refused it.
    pub rule: String,
}
