//! The body of `POST /chat/completions`. Pure.

use aion_abi::syscall::model::{ChatRequest, Message, Role};
use serde_json::{Map, Value, json};

use super::names::Names;

/// What an endpoint was found not to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quirks {
    /// It wants `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
    /// It does not know `stream_options`.
    pub(super) no_stream_options: bool,
    /// It takes no other temperature than its own.
    pub(super) no_temperature: bool,
}

impl Quirks {
    /// What a refusal with this text says about the endpoint; nothing where it is about something else.
    pub(super) fn learned(self, refusal: &str) -> Option<Self> {
        let mut now = self;
        if refusal.contains("max_completion_tokens") {
            now.completion_tokens = true;
        } else if refusal.contains("stream_options") {
            now.no_stream_options = true;
        } else if refusal.contains("temperature") {
            now.no_temperature = true;
        }
        (now != self).then_some(now)
    }
}

pub(super) fn body(
    request: &ChatRequest,
    messages: &[&Message],
    model: &str,
    names: &Names,
    quirks: Quirks,
) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert(
        "messages".into(),
        messages
            .iter()
            .map(|message| said(message, names))
            .collect(),
    );
    body.insert("stream".into(), true.into());
    if !quirks.no_stream_options {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({"type": "function", "function": {
                "name": names.sent(&tool.name),
                "description": tool.description,
                "parameters": tool.parameters,
            }})
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(most) = request.max_tokens {
        let name = if quirks.completion_tokens {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body.insert(name.into(), most.into());
    }
    if let Some(milli) = request.temperature_milli.filter(|_| !quirks.no_temperature) {
        body.insert("temperature".into(), (f64::from(milli) / 1000.0).into());
    }
    Value::Object(body)
}

fn said(message: &Message, names: &Names) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut said = json!({"role": role, "content": message.content});
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            json!({"id": call.id, "type": "function", "function": {
                "name": names.sent(&call.name),
                "arguments": call.arguments,
            }})
        });
        said["tool_calls"] = calls.collect();
        if message.content.is_empty() {
            said["content"] = Value::Null;
        }
    }
    if let Some(id) = &message.tool_call_id {
        said["tool_call_id"] = id.as_str().into();
    }
    said
}

#[cfg(test)]
mod tests {
    use aion_abi::syscall::model::{ToolSpec, ToolUse};

    use super::*;

    #[test]
    fn a_conversation_with_tools_has_the_form_endpoints_take() {
        let call = ToolUse {
            id: "1".into(),
            name: "calendar.read".into(),
            arguments: "{}".into(),
        };
        let say = |role, content: &str| Message {
            role,
            content: content.into(),
            tool_calls: vec![],
            tool_call_id: None,
        };
        let request = ChatRequest {
            messages: vec![
                say(Role::User, "What is on?"),
                Message {
                    tool_calls: vec![call],
                    ..say(Role::Assistant, "")
                },
                Message {
                    tool_call_id: Some("1".into()),
                    ..say(Role::Tool, "nothing")
                },
            ],
            tools: vec![ToolSpec {
                name: "calendar.read".into(),
                description: "Reads".into(),
                parameters: json!({"type": "object"}),
            }],
            max_tokens: Some(100),
            temperature_milli: Some(700),
        };
        let messages: Vec<_> = request.messages.iter().collect();
        let body = body(
            &request,
            &messages,
            "qwen3",
            &Names::of(&request),
            Quirks::default(),
        );
        assert_eq!(
            body,
            json!({
                "model": "qwen3",
                "stream": true,
                "stream_options": {"include_usage": true},
                "max_tokens": 100,
                "temperature": 0.7,
                "tools": [{"type": "function", "function": {
                    "name": "calendar_read", "description": "Reads", "parameters": {"type": "object"}}}],
                "messages": [
                    {"role": "user", "content": "What is on?"},
                    {"role": "assistant", "content": null, "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "calendar_read", "arguments": "{}"}}]},
                    {"role": "tool", "content": "nothing", "tool_call_id": "1"},
                ],
            })
        );
    }

    #[test]
    fn a_refused_parameter_is_learned_once() {
        let learned = Quirks::default().learned("use 'max_completion_tokens' instead");
        assert_eq!(
            learned,
            Some(Quirks {
                completion_tokens: true,
                ..Quirks::default()
            })
        );
        assert_eq!(
            learned.and_then(|quirks| quirks.learned("use 'max_completion_tokens' instead")),
            None
        );
        assert_eq!(Quirks::default().learned("your prompt is too long"), None);
    }
}
