//! What A2A 1.0 calls a turn: its task's id, its context and its state. For the gateway, which answers by it, and for the
//! node, which tells the end of a turn by it.

use serde::{Deserialize, Serialize};

use crate::{
    admin::{TurnOutcome, TurnRecord},
    code::Code,
};

/// How a task is. Whether it waits for who asks (`INPUT_REQUIRED`) depends on who that is, so a turn alone does not say it; none waits for a
/// sign-in (`AUTH_REQUIRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It waits for its program to start.
    #[serde(rename = "TASK_STATE_SUBMITTED")]
    Submitted,
    /// Its program runs.
    #[serde(rename = "TASK_STATE_WORKING")]
    Working,
    /// It was answered.
    #[serde(rename = "TASK_STATE_COMPLETED")]
    Completed,
    /// It was not, for whatever reason.
    #[serde(rename = "TASK_STATE_FAILED")]
    Failed,
    /// Its caller ended it.
    #[serde(rename = "TASK_STATE_CANCELED")]
    Canceled,
    /// The agent itself will not.
    #[serde(rename = "TASK_STATE_REJECTED")]
    Rejected,
    /// It waits for an answer.
    #[serde(rename = "TASK_STATE_INPUT_REQUIRED")]
    InputRequired,
    /// It waits for a sign-in.
    #[serde(rename = "TASK_STATE_AUTH_REQUIRED")]
    AuthRequired,
}

impl State {
    /// That of a turn.
    #[must_use]
    pub fn of(record: &TurnRecord) -> Self {
        match &record.outcome {
            Some(outcome) => Self::end(outcome),
            None if record.running => Self::Working,
            None => Self::Submitted,
        }
    }

    /// That of a turn that ended so.
    #[must_use]
    pub fn end(outcome: &TurnOutcome) -> Self {
        match outcome.problem.as_ref().map(|it| it.code) {
            None if outcome.ok => Self::Completed,
            Some(Code::Cancelled) => Self::Canceled,
            Some(Code::Unanswered) => Self::Rejected,
            _ => Self::Failed,
        }
    }
}

/// The id of a turn's task: behind its number the context, where its caller named one.
#[must_use]
pub fn task_id(turn: u64, context: Option<&str>) -> String {
    match context {
        Some(context) => format!("{turn}-{context}"),
        None => turn.to_string(),
    }
}

/// The context of a turn.
#[must_use]
pub fn context_id(turn: u64, context: Option<&str>) -> String {
    context.map_or_else(|| format!("turn-{turn}"), str::to_owned)
}
