//! A response, as OpenAI words it at each of its states. Its fields are those that OpenAI's clients require of one, and what
//! an agent does not have has the value that says so.

use std::collections::BTreeMap;

use aion_abi::{code::Code, problem::Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::request::Request;
use crate::{
    clock,
    openai::{
        message,
        spoken::{Beside, End},
    },
};

/// What each state of a response says first.
pub(super) struct Head {
    pub(super) model: String,
    created_at: i64,
    instructions: Option<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ResponseStatus")]
pub(crate) enum Status {
    InProgress,
    Completed,
    Failed,
    /// A part of what the caller gave is not in the answer.
    Incomplete,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Response")]
pub(crate) struct Object {
    id: String,
    object: &'static str,
    created_at: i64,
    completed_at: Option<i64>,
    pub(super) status: Status,
    background: bool,
    error: Option<Failure>,
    incomplete_details: Option<Incomplete>,
    instructions: Option<String>,
    metadata: BTreeMap<String, String>,
    model: String,
    output: Vec<Item>,
    parallel_tool_calls: bool,
    previous_response_id: Option<String>,
    store: bool,
    temperature: Option<f64>,
    text: Text,
    tool_choice: &'static str,
    tools: Vec<Value>,
    top_p: Option<f64>,
    truncation: &'static str,
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aion: Option<Aion>,
}

/// Not of OpenAI's.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Aion {
    Ended(Beside),
    /// AION-OS's own code, since OpenAI's clients know only theirs.
    Failed {
        code: Code,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseFailure")]
struct Failure {
    code: &'static str,
    message: String,
}

/// OpenAI's reasons are others than ours: what is missing is told in the text.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseIncomplete")]
struct Incomplete {}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseText")]
struct Text {
    format: Form,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseForm")]
struct Form {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The message that the answer is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseItem")]
pub(crate) struct Item {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    status: Status,
    content: Vec<Part>,
}

/// Its text.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponsePart")]
pub(crate) struct Part {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

/// Tokens of the models that the agent asked, all of its calls together.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResponseUsage")]
struct Usage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

/// What is not counted apart is none.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ResponseInputDetails")]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

/// As [`InputDetails`].
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ResponseOutputDetails")]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Head {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            model: request.model.clone(),
            created_at: clock::now().as_second(),
            instructions: request.instructions.clone(),
            metadata: request.metadata.clone().unwrap_or_default(),
        }
    }

    /// Before its end.
    pub(super) fn under_way(&self, turn: u64) -> Object {
        Object {
            id: format!("resp_{turn}"),
            object: "response",
            created_at: self.created_at,
            completed_at: None,
            status: Status::InProgress,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: self.instructions.clone(),
            metadata: self.metadata.clone(),
            model: self.model.clone(),
            output: Vec::new(),
            parallel_tool_calls: false,
            previous_response_id: None,
            store: false,
            temperature: None,
            text: Text {
                format: Form { kind: "text" },
            },
            tool_choice: "none",
            tools: Vec::new(),
            top_p: None,
            truncation: "disabled",
            usage: None,
            aion: None,
        }
    }

    /// With its whole text.
    pub(super) fn ended(&self, text: String, end: &End) -> Object {
        let outcome = &end.outcome;
        let status = Status::of(end);
        Object {
            status,
            completed_at: Some(clock::now().as_second()),
            incomplete_details: outcome.incomplete.then_some(Incomplete {}),
            output: vec![Item::of(end.turn, status, vec![Part::of(text)])],
            usage: Some(Usage {
                input_tokens: end.tokens_read(),
                input_tokens_details: InputDetails::default(),
                output_tokens: outcome.output_tokens,
                output_tokens_details: OutputDetails::default(),
                total_tokens: outcome.tokens,
            }),
            aion: Some(Aion::Ended(end.beside())),
            ..self.under_way(end.turn)
        }
    }

    /// With what was said before it failed.
    pub(super) fn failed(&self, turn: u64, output: Vec<Item>, problem: &Problem) -> Object {
        let code = match problem.code {
            Code::QuotaExceeded => "rate_limit_exceeded",
            Code::BadRequest | Code::TooLarge | Code::Unanswered => "invalid_prompt",
            _ => "server_error",
        };
        Object {
            status: Status::Failed,
            error: Some(Failure {
                code,
                message: message(problem),
            }),
            output,
            aion: Some(Aion::Failed { code: problem.code }),
            ..self.under_way(turn)
        }
    }
}

impl Status {
    /// Of an answer to its last word.
    pub(super) fn of(end: &End) -> Self {
        match end.outcome.incomplete {
            true => Self::Incomplete,
            false => Self::Completed,
        }
    }
}

impl Item {
    pub(super) fn of(turn: u64, status: Status, content: Vec<Part>) -> Self {
        Self {
            id: item_id(turn),
            kind: "message",
            role: "assistant",
            status,
            content,
        }
    }
}

impl Part {
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self {
            kind: "output_text",
            text: text.into(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
        }
    }
}

/// The name of the message that the answer of `turn` is.
pub(super) fn item_id(turn: u64) -> String {
    format!("msg_{turn}")
}
