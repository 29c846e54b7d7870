//! A chat completion, whole or a chunk of one, as OpenAI words it.

use aion_abi::syscall::model;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::lent;
use crate::{
    clock,
    openai::spoken::{Beside, End},
};

/// What each part of an answer says first.
pub(super) struct Head {
    /// Where it is not the turn's.
    id: Option<String>,
    model: String,
    created: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletion")]
pub(crate) struct Object {
    id: String,
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    model: String,
    choices: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// Not of OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    aion: Option<Aion>,
}

/// Of whom it tells.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Aion {
    Agent(Beside),
    Model(lent::Beside),
}

/// The one answer that there is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionChoice")]
pub(super) struct Choice {
    index: u32,
    #[serde(flatten)]
    said: Said,
    logprobs: Option<Value>,
    finish_reason: Option<&'static str>,
}

/// What is said of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ChatCompletionSaid")]
pub(super) enum Said {
    /// All of it.
    Message(Message),
    /// What is new of it.
    Delta(Delta),
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionMessage")]
pub(super) struct Message {
    role: &'static str,
    content: Option<String>,
    /// Who refuses says so in words.
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// A call of a tool of the client's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionToolCall")]
pub(super) struct ToolCall {
    /// Its place, where it is a part of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) function: Function,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionFunction")]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// What is not said is left out.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionDelta")]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall>,
}

/// Tokens of the models that the agent asked, all of its calls together.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionUsage")]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Head {
    pub(super) fn of(model: &str) -> Self {
        Self {
            id: None,
            model: model.to_owned(),
            created: clock::now().as_second(),
        }
    }

    pub(super) fn named(self, id: String) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    /// Which model it is from.
    pub(super) fn answers(&mut self, model: String) {
        self.model = model;
    }

    /// An object of the answer of `turn`.
    pub(super) fn object(&self, kind: &'static str, turn: u64, choice: Option<Choice>) -> Object {
        Object {
            id: match &self.id {
                Some(id) => id.clone(),
                None => format!("chatcmpl-{turn}"),
            },
            object: kind,
            created: self.created,
            model: self.model.clone(),
            choices: choice.into_iter().collect(),
            usage: None,
            aion: None,
        }
    }
}

impl Object {
    pub(super) fn with_usage(self, end: &End) -> Self {
        let usage = Some(Usage::of(end));
        Self { usage, ..self }
    }

    pub(super) fn with_what_is_beside(self, end: &End) -> Self {
        let aion = Some(Aion::Agent(end.beside()));
        Self { aion, ..self }
    }

    /// With what the answer of a model cost.
    pub(super) fn passed(self, used: model::Usage, beside: Option<lent::Beside>) -> Self {
        let usage = Some(Usage {
            prompt_tokens: used.input_tokens,
            completion_tokens: used.output_tokens,
            total_tokens: used.input_tokens + used.output_tokens,
        });
        let aion = beside.map(Aion::Model);
        Self {
            usage,
            aion,
            ..self
        }
    }

    pub(super) fn beside_a_model(self, beside: lent::Beside) -> Self {
        let aion = Some(Aion::Model(beside));
        Self { aion, ..self }
    }
}

impl Choice {
    pub(super) fn of(said: Said, finish_reason: Option<&'static str>) -> Self {
        Self {
            index: 0,
            said,
            logprobs: None,
            finish_reason,
        }
    }
}

impl Message {
    pub(super) fn of(content: String) -> Self {
        Self {
            role: "assistant",
            content: Some(content),
            refusal: None,
            tool_calls: Vec::new(),
        }
    }

    /// A model's: what only calls tools has no text.
    pub(super) fn with(text: String, tool_calls: Vec<ToolCall>) -> Self {
        Self {
            role: "assistant",
            content: Some(text).filter(|it| tool_calls.is_empty() || !it.is_empty()),
            refusal: None,
            tool_calls,
        }
    }
}

impl Usage {
    fn of(end: &End) -> Self {
        Self {
            prompt_tokens: end.tokens_read(),
            completion_tokens: end.outcome.output_tokens,
            total_tokens: end.outcome.tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_told_as_those_read_and_those_written() {
        let outcome = json!({"ok": true, "tokens": 12, "outputTokens": 5});
        let used = Usage::of(&End {
            routed: None,
            turn: 1,
            outcome: serde_json::from_value(outcome).unwrap(),
        });
        let expected = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
        assert_eq!(json!(used), expected);
    }
}
