//! A chat completion, whole or a chunk of one, as OpenAI words it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    clock,
    openai::spoken::{Beside, End},
};

/// What each part of an answer says first.
pub(super) struct Head {
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
    aion: Option<Beside>,
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
    content: String,
    /// An agent that refuses says so in words.
    refusal: Option<String>,
}

/// What is not said is left out.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionDelta")]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
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
            model: model.to_owned(),
            created: clock::now().as_second(),
        }
    }

    /// An object of the answer of `turn`.
    pub(super) fn object(&self, kind: &'static str, turn: u64, choice: Option<Choice>) -> Object {
        Object {
            id: format!("chatcmpl-{turn}"),
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
        let aion = Some(end.beside());
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
            content,
            refusal: None,
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
