//! A request of `/v1/responses`.

use std::collections::BTreeMap;

use aion_abi::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::openai::{
    conversation::{Conversation, Message, TextOr},
    refused::{self, Format, refused},
};

/// What is read of a request. What a sampler would be set by (temperature, reasoning and the like) is left to the agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ResponseRequest")]
pub(crate) struct Request {
    pub(super) model: String,
    input: Option<TextOr<Message>>,
    pub(super) instructions: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    stream: Option<bool>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    text: Option<Text>,
    top_logprobs: Option<u64>,
    background: Option<Value>,
    context_management: Option<Value>,
    conversation: Option<Value>,
    include: Option<Value>,
    moderation: Option<Value>,
    previous_response_id: Option<Value>,
    prompt: Option<Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TextForm")]
struct Text {
    format: Option<Format>,
}

impl Request {
    pub(super) fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// # Errors
    /// It asks for what an agent does not give.
    pub(super) fn conversation(self) -> Result<Conversation, Problem> {
        refused::tools("tools", self.tools.as_ref())?;
        refused::tool_choice("tool_choice", self.tool_choice.as_ref())?;
        let format = self.text.as_ref().and_then(|text| text.format.as_ref());
        refused::format("text.format", format)?;
        if self.top_logprobs.is_some_and(|it| it > 0) {
            let what = "are not known of an agent";
            return Err(refused("top_logprobs", what, "leave it out"));
        }
        let (kept, said) = ("names what is kept nowhere", "send what was said in input");
        let (unknown, left) = ("is not known of an agent", "leave it out");
        for (field, value, what, remedy) in [
            (
                "background",
                &self.background,
                "asks for an answer that is fetched later",
                "ask through POST /v1/agents/{name}/turns, whose turns go on",
            ),
            (
                "context_management",
                &self.context_management,
                unknown,
                left,
            ),
            ("conversation", &self.conversation, kept, said),
            ("include", &self.include, unknown, left),
            ("moderation", &self.moderation, unknown, left),
            (
                "previous_response_id",
                &self.previous_response_id,
                kept,
                said,
            ),
            ("prompt", &self.prompt, kept, said),
        ] {
            refused::anything(field, value.as_ref(), what, remedy)?;
        }
        let conversation = match self.input {
            None => Conversation::read("input", Vec::new())?,
            Some(TextOr::Text(question)) => Conversation::of("input", question)?,
            Some(TextOr::List(items)) => Conversation::read("input", items)?,
        };
        Ok(conversation.under(self.instructions.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn asked(field: &str, value: Value) -> Result<String, String> {
        let mut request = json!({"model": "a", "input": "?"});
        request[field] = value;
        let request: Request = serde_json::from_value(request).unwrap();
        let conversation = request.conversation().map_err(|it| it.detail);
        conversation.map(Conversation::asked)
    }

    #[test]
    fn a_text_is_asked_as_it_is_and_items_with_what_was_said() {
        assert_eq!(asked("input", json!("Where?")).unwrap(), "Where?");
        let items = json!([
            {"role": "user", "content": [{"type": "input_text", "text": "Who?"}]},
            {
                "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Ada.", "annotations": []}],
            },
            {"role": "user", "content": "When?"},
        ]);
        assert_eq!(
            asked("input", items).unwrap(),
            "The conversation so far:\nuser: Who?\nassistant: Ada.\n\nThe question now:\nWhen?"
        );
        assert_eq!(
            asked("instructions", json!("Be brief.")).unwrap(),
            "What the caller wants to be kept to:\nBe brief.\n\nThe question now:\n?"
        );
    }

    #[test]
    fn what_an_agent_does_not_give_is_refused_by_name() {
        for (field, value) in [
            ("tools", json!([{"type": "web_search"}])),
            ("background", json!(true)),
            ("previous_response_id", json!("resp_1")),
            ("conversation", json!({"id": "conv_1"})),
            ("prompt", json!({"id": "pmpt_1"})),
            ("include", json!(["message.output_text.logprobs"])),
            ("moderation", json!({"model": "omni"})),
            ("context_management", json!([{"type": "compaction"}])),
            ("top_logprobs", json!(2)),
            ("text", json!({"format": {"type": "json_schema"}})),
            ("input", json!([])),
            ("input", json!("  ")),
            ("input", json!(null)),
            ("input", json!([{"type": "item_reference", "id": "msg_1"}])),
            (
                "input",
                json!([{"role": "user", "content": [{"type": "input_image"}]}]),
            ),
        ] {
            let said = asked(field, value).unwrap_err();
            assert!(said.starts_with(field), "{said}");
        }
        for (field, value) in [
            ("tools", json!([])),
            ("background", json!(false)),
            ("include", json!([])),
            ("previous_response_id", json!(null)),
            (
                "text",
                json!({"format": {"type": "text"}, "verbosity": "low"}),
            ),
            ("temperature", json!(0.2)),
            ("store", json!(true)),
        ] {
            assert_eq!(asked(field, value).unwrap(), "?");
        }
    }
}
