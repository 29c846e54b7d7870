//! `agent.message` and `agent.checkpoint`.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

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
