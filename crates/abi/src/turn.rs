//! Turns as they are asked for, kept and listed.

use serde::{Deserialize, Serialize};

use crate::{admin::TurnOutcome, caller::TurnCaller, date::UnixMillis, steps::StepRecord};

/// The longest context of a turn, in bytes.
pub const MAX_CONTEXT: usize = 128;
/// The longest name of a question, in bytes.
pub const MAX_MESSAGE_ID: usize = 128;
/// The most bytes of a question where turns are listed; the rest is in each turn's own record.
pub const LISTED_INPUT: usize = 1024;
/// The most bytes of a page of turns; the first of a page is whole in any case.
pub const MAX_BYTES: usize = 1 << 20;

/// Starts a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnRequest {
    /// What to ask.
    pub input: String,
    /// Uploads the turn finds in its `input` mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<String>,
    /// Give up after this long; the agent's own bound holds too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// What its caller calls the conversation that it belongs to: 1 to 128 of `A-Z a-z 0-9 - . _ ~`. It is given back with the
    /// turn, and means nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 128)))]
    pub context: Option<String>,
    /// What its caller calls this question: 1 to 128 bytes without control characters. The agent's program is told it, and no
    /// model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 128)))]
    pub message_id: Option<String>,
}

impl TurnRequest {
    /// Whether `context` may be one.
    #[must_use]
    pub fn is_context(context: &str) -> bool {
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        (1..=MAX_CONTEXT).contains(&context.len()) && context.bytes().all(is_plain)
    }

    /// Whether `message_id` may be one.
    #[must_use]
    pub fn is_message_id(id: &str) -> bool {
        (1..=MAX_MESSAGE_ID).contains(&id.len()) && !id.contains(char::is_control)
    }
}

/// A turn as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnRecord {
    /// Its id.
    pub turn: u64,
    /// Its trace: 32 hexadecimal digits, as in a `traceparent` (W3C Trace Context). Everything that is told of the turn
    /// is told with it, and so is that of a question asked again under its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// `namespace/agent`.
    pub agent: String,
    /// Who called it, where another agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<TurnCaller>,
    /// What was asked.
    pub input: String,
    /// When, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at_ms: Option<UnixMillis>,
    /// As it was asked in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The trigger of the agent that asked, where none of its callers did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The whole answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Its program was started, and the turn has not ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub running: bool,
    /// The steps of a workflow that have begun, in the order in which they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// Steps beyond those that are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_beyond: u64,
    /// How it ended; absent while it waits or runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<TurnOutcome>,
}

impl TurnRecord {
    /// When its state changed last, as far as that is known: at its end, or else when it was asked.
    #[must_use]
    pub fn changed_at(&self) -> Option<UnixMillis> {
        let elapsed = self.outcome.as_ref().map_or(0, |it| it.elapsed_ms);
        self.asked_at_ms
            .map(|it| UnixMillis(it.0.saturating_add(elapsed)))
    }
}

/// Some of an agent's turns, those that wait or run and those that are kept: the newest first, without their answers, of
/// long questions the beginning. Who asks by a key has those that the key began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnPage {
    /// By number, the highest first.
    pub items: Vec<TurnRecord>,
    /// Where there are more: the `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

fn is_zero(it: &u64) -> bool {
    *it == 0
}

fn is_false(it: &bool) -> bool {
    !it
}
