//! A request of `/v1/chat/completions`.

use aion_abi::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::openai::{
    conversation::{Conversation, Message},
    refused::{self, Format, refused},
};

/// What is read of a request. What a sampler would be set by (temperature and the like) is left to an agent, and passed on to a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionRequest")]
pub(crate) struct Request {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) n: Option<u64>,
    pub(super) tools: Option<Vec<Value>>,
    pub(super) tool_choice: Option<Value>,
    pub(super) functions: Option<Vec<Value>>,
    pub(super) function_call: Option<Value>,
    pub(super) web_search_options: Option<Value>,
    pub(super) audio: Option<Value>,
    pub(super) response_format: Option<Format>,
    pub(super) logprobs: Option<bool>,
    pub(super) top_logprobs: Option<Value>,
    pub(super) modalities: Option<Vec<String>>,
    pub(super) stop: Option<Value>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_completion_tokens: Option<u32>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    /// What else there is: an agent has no use for it, and a model is not asked where it says anything.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct StreamOptions {
    include_usage: Option<bool>,
    /// What else there is, as of the request.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

const UNKNOWN: &str = "are not known of an agent";

impl Request {
    pub(super) fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    pub(super) fn wants_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|it| it.include_usage) == Some(true)
    }

    /// # Errors
    /// It asks for what an agent does not give.
    pub(super) fn conversation(self) -> Result<Conversation, Problem> {
        refused::tools("tools", self.tools.as_ref())?;
        refused::tool_choice("tool_choice", self.tool_choice.as_ref())?;
        refused::tools("functions", self.functions.as_ref())?;
        refused::tool_choice("function_call", self.function_call.as_ref())?;
        let (what, remedy) = (
            "asks for a search",
            "give the Agent a tool or documents to search",
        );
        refused::anything(
            "web_search_options",
            self.web_search_options.as_ref(),
            what,
            remedy,
        )?;
        refused::anything(
            "audio",
            self.audio.as_ref(),
            "asks for audio",
            "ask for text",
        )?;
        if self.n.is_some_and(|n| n != 1) {
            let remedy = "leave it out, and ask again";
            return Err(refused("n", "asks for several answers", remedy));
        }
        refused::format("response_format", self.response_format.as_ref())?;
        if self.logprobs == Some(true) {
            return Err(refused("logprobs", UNKNOWN, "leave it out"));
        }
        let top = self.top_logprobs.as_ref();
        refused::anything("top_logprobs", top, UNKNOWN, "leave it out")?;
        let what = "cannot be kept by an agent";
        refused::anything("stop", self.stop.as_ref(), what, "leave it out")?;
        let mut modalities = self.modalities.iter().flatten();
        if let Some(other) = modalities.find(|it| *it != "text") {
            let what = format!("asks for {other:?}");
            return Err(refused("modalities", &what, "ask for text"));
        }
        Conversation::read("messages", self.messages)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_agent_does_not_give_is_refused_by_name() {
        let asked = |field: &str, value: Value| {
            let mut request = json!({"model": "a", "messages": [{"role": "user", "content": "?"}]});
            request[field] = value;
            let request: Request = serde_json::from_value(request).unwrap();
            let conversation = request.conversation().map_err(|it| it.detail);
            conversation.map(Conversation::asked)
        };
        for (field, value) in [
            ("tools", json!([{"type": "function"}])),
            ("tool_choice", json!("required")),
            ("functions", json!([{"name": "f"}])),
            ("function_call", json!({"name": "f"})),
            ("web_search_options", json!({})),
            ("audio", json!({"voice": "alloy"})),
            ("top_logprobs", json!(2)),
            ("n", json!(2)),
            ("response_format", json!({"type": "json_object"})),
            ("logprobs", json!(true)),
            ("stop", json!(["."])),
            ("modalities", json!(["text", "audio"])),
            ("messages", json!([])),
        ] {
            let said = asked(field, value).unwrap_err();
            assert!(said.starts_with(field), "{said}");
        }
        for (field, value) in [
            ("tools", json!([])),
            ("tool_choice", json!("auto")),
            ("n", json!(1)),
            ("response_format", json!({"type": "text"})),
            ("temperature", json!(0.2)),
            ("stop", json!(null)),
        ] {
            assert_eq!(asked(field, value).unwrap(), "?");
        }
    }
}
