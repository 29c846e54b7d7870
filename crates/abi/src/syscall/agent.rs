//! What a turn says and keeps, and the turns of other agents that it begins.

use serde::{Deserialize, Serialize};

use crate::{problem::Problem, steps::StepTold};

/// The largest checkpoint, in bytes of its text.
pub const MAX_CHECKPOINT: usize = 256 * 1024;

/// Says something to whoever started the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageRequest {
    /// A part of the answer, or something beside it.
    pub text: String,
    /// What the text is.
    pub kind: MessageKind,
    /// With [`MessageKind::Failed`]: the refusal that ended the turn. Without one the text is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// With [`MessageKind::Progress`]: the steps that it is about, at most [`crate::steps::MAX_TOLD`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTold>,
}

/// What a message is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// A line about what the agent does now; not part of the answer, and gone with the next.
    Progress,
    /// What the person must know beside the answer: what could not be used or read. Kept and told whole.
    Notice,
    /// A notice that a part of what the caller gave is not in the answer: the turn is `ok`, and incomplete.
    #[serde(rename = "leftOut")]
    LeftOut,
    /// The next part of the answer.
    Delta,
    /// The whole answer; ends the turn's output. One a turn, and none after `Failed`.
    Final,
    /// The turn cannot be answered: why, and what to do. Ends the turn's output too; the turn is not `ok`.
    Failed,
}

/// An empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageResponse {}

/// `agent.ask` and `agent.spawn`: begins a turn of another agent of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskRequest {
    /// The agent's name.
    pub agent: String,
    /// What it is asked.
    pub input: String,
    /// What its turn may do, of what its agent may: capabilities, as a policy names them. Left out, all of that. What the
    /// caller's own callers let it do holds too, and what the Agent says under `tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<Vec<String>>,
    /// Its turn gives up after so long; what is left to the caller holds too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// Of `agent.spawn`: the turn that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpawnResponse {
    /// For `agent.wait` and `agent.cancel`.
    pub turn: u64,
}

/// `agent.wait` and `agent.cancel`: a turn that the calling one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BegunRequest {
    /// As `agent.spawn` gave it.
    pub turn: u64,
}

/// Of `agent.ask` and `agent.wait`: how a turn ended. That it did not end well is an answer, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndedResponse {
    /// Which.
    pub turn: u64,
    /// Whether it ended well.
    pub ok: bool,
    /// Its answer, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Why it is not ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// A part of what it was given is not in the answer; a notice says which.
    #[serde(default)]
    pub incomplete: bool,
    /// What it said beside the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Of `agent.cancel`: an empty object. The turn ends soon, if it had not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelResponse {}

/// Keeps the program's own state for its next turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointRequest {
    /// Replaces the last one; at most [`MAX_CHECKPOINT`] bytes. Given back in the boot document.
    pub state: String,
}

/// An empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointResponse {}
