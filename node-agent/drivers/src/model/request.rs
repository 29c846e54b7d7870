//! The body of `POST /chat/completions`. Pure.

use aion_abi::syscall::model::{ChatRequest, Message, ResponseFormat, Role, ToolChoice};
use serde_json::{Map, Value, json};

use super::names::Names;

/// Whether the answer is to come in events.
pub(super) const STREAM: &str = "stream";

/// What a model at an endpoint was found to do, or not to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quirks {
    /// It wants `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
    /// It knows neither.
    pub(super) no_max_tokens: bool,
    /// It does not know `stream_options`.
    pub(super) no_stream_options: bool,
    /// It takes no other temperature than its own.
    pub(super) no_temperature: bool,
    /// It answers in a stream alone.
    pub(super) only_streams: bool,
    /// It takes no tools.
    pub(super) no_tools: bool,
    /// It takes no message without a text, as one is that only calls tools.
    pub(super) wants_text: bool,
    /// It has no role for instructions: they stand before what the user says first.
    pub(super) no_system: bool,
    /// It thinks aloud without saying that it begins to.
    pub(super) thinks_first: bool,
}

impl Quirks {
    /// What of `request` is left out, in the names of the syscall.
    pub(super) fn left_out(self, request: &ChatRequest) -> Vec<String> {
        let tools = self.no_tools && !request.tools.is_empty();
        let most = self.no_max_tokens && request.max_tokens.is_some();
        let temperature = self.no_temperature && request.temperature_milli.is_some();
        let choice = tools && request.tool_choice.is_some();
        [
            (tools, "tools"),
            (choice, "toolChoice"),
            (most, "maxTokens"),
            (temperature, "temperatureMilli"),
        ]
        .into_iter()
        .filter(|(left, _)| *left)
        .map(|(_, name)| name.to_owned())
        .collect()
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
    body.insert("messages".into(), conversation(messages, names, quirks));
    let streams = !request.at_once || quirks.only_streams;
    body.insert(STREAM.into(), streams.into());
    if streams && !quirks.no_stream_options {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if !request.tools.is_empty() && !quirks.no_tools {
        let tools = request.tools.iter().map(|tool| {
            let mut function = json!({
                "name": names.sent(&tool.name),
                "description": tool.description,
                "parameters": schema(&tool.parameters),
            });
            if let Some(strict) = tool.strict {
                function["strict"] = strict.into();
            }
            json!({"type": "function", "function": function})
        });
        body.insert("tools".into(), tools.collect());
        if let Some(choice) = &request.tool_choice {
            body.insert("tool_choice".into(), chosen(choice, names));
        }
    }
    if let Some(most) = request.max_tokens.filter(|_| !quirks.no_max_tokens) {
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
    // A server that does not take one of these refuses, and its words are the answer: nothing is left out.
    if let Some(milli) = request.top_p_milli {
        body.insert("top_p".into(), (f64::from(milli) / 1000.0).into());
    }
    if !request.stop.is_empty() {
        body.insert("stop".into(), json!(request.stop));
    }
    if let Some(format) = &request.response_format {
        body.insert("response_format".into(), form(format));
    }
    Value::Object(body)
}

fn chosen(choice: &ToolChoice, names: &Names) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Tool(name) => {
            json!({"type": "function", "function": {"name": names.sent(name)}})
        }
    }
}

fn form(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            let mut told = json!({"name": name, "schema": schema});
            if let Some(description) = description {
                told["description"] = description.as_str().into();
            }
            if let Some(strict) = strict {
                told["strict"] = (*strict).into();
            }
            json!({"type": "json_schema", "json_schema": told})
        }
    }
}

/// Some endpoints refuse an object without properties, which is what a tool without arguments has.
fn schema(parameters: &Value) -> Value {
    let mut schema = parameters.clone();
    if let Some(fields) = schema.as_object_mut()
        && fields.get("type").is_none_or(|kind| kind == "object")
    {
        fields.entry("type").or_insert_with(|| "object".into());
        fields.entry("properties").or_insert_with(|| json!({}));
    }
    schema
}

fn conversation(messages: &[&Message], names: &Names, quirks: Quirks) -> Value {
    let mut told: Vec<Value> = Vec::with_capacity(messages.len());
    let mut instructions = String::new();
    for message in messages {
        if quirks.no_system && message.role == Role::System {
            instructions.push_str(&message.content);
            instructions.push_str("\n\n");
            continue;
        }
        let mut said = if quirks.no_tools {
            without_tools(message)
        } else {
            said(message, names, quirks)
        };
        if message.role == Role::User && !instructions.is_empty() {
            said["content"] = format!("{instructions}{}", message.content).into();
            instructions.clear();
        }
        told.push(said);
    }
    if !instructions.is_empty() {
        told.push(json!({"role": "user", "content": instructions.trim_end()}));
    }
    told.into()
}

/// Calls that another model made, and their results, in words: the endpoint takes no messages of tools.
fn without_tools(message: &Message) -> Value {
    let mut content = message.content.clone();
    for call in &message.tool_calls {
        content.push_str(&format!("\n[called {} with {}]", call.name, call.arguments));
    }
    match message.role {
        Role::System => json!({"role": "system", "content": content}),
        Role::Assistant => json!({"role": "assistant", "content": content.trim_start()}),
        Role::User => json!({"role": "user", "content": content}),
        Role::Tool => json!({"role": "user", "content": format!("[its result]\n{content}")}),
    }
}

fn said(message: &Message, names: &Names, quirks: Quirks) -> Value {
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
        if message.content.is_empty() && !quirks.wants_text {
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

    fn say(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.into(),
            tool_calls: vec![],
            tool_call_id: None,
        }
    }

    /// What a user asks, the call of a tool that the model makes of it, and what comes of that.
    fn asked(question: &str, tool: &str, result: &str) -> [Message; 3] {
        let call = ToolUse {
            id: "1".into(),
            name: tool.into(),
            arguments: "{}".into(),
        };
        [
            say(Role::User, question),
            Message {
                tool_calls: vec![call],
                ..say(Role::Assistant, "")
            },
            Message {
                tool_call_id: Some("1".into()),
                ..say(Role::Tool, result)
            },
        ]
    }

    #[test]
    fn a_conversation_with_tools_has_the_form_endpoints_take() {
        let request = ChatRequest {
            messages: asked("What is on?", "calendar.read", "nothing").into(),
            tools: vec![ToolSpec {
                strict: Some(false),
                name: "calendar.read".into(),
                description: "Reads".into(),
                parameters: json!({"type": "object"}),
            }],
            max_tokens: Some(100),
            temperature_milli: Some(700),
            top_p_milli: Some(900),
            stop: vec!["END".into()],
            tool_choice: Some(ToolChoice::Tool("calendar.read".into())),
            response_format: Some(ResponseFormat::JsonSchema {
                name: "day".into(),
                description: None,
                schema: json!({"type": "object"}),
                strict: Some(true),
            }),
            ..ChatRequest::default()
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
                "top_p": 0.9,
                "stop": ["END"],
                "tool_choice": {"type": "function", "function": {"name": "calendar_read"}},
                "response_format": {"type": "json_schema", "json_schema": {
                    "name": "day", "schema": {"type": "object"}, "strict": true}},
                "tools": [{"type": "function", "function": {
                    "name": "calendar_read", "description": "Reads", "strict": false,
                    "parameters": {"type": "object", "properties": {}}}}],
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
    fn a_call_without_words_has_an_empty_text_where_one_is_wanted() {
        let request = ChatRequest {
            messages: asked("What is on?", "calendar.read", "nothing").into(),
            ..ChatRequest::default()
        };
        let messages: Vec<_> = request.messages.iter().collect();
        for (wants_text, content) in [(false, Value::Null), (true, json!(""))] {
            let quirks = Quirks {
                wants_text,
                ..Quirks::default()
            };
            let body = body(&request, &messages, "reed", &Names::of(&request), quirks);
            assert_eq!(body["messages"][1]["content"], content);
        }
    }

    #[test]
    fn what_an_endpoint_does_not_take_is_said_in_another_way() {
        let mut messages = vec![say(Role::System, "Be brief.")];
        messages.extend(asked("How high is it?", "weir.level", "two feet"));
        let request = ChatRequest {
            messages,
            tools: vec![ToolSpec {
                strict: None,
                name: "weir.level".into(),
                description: String::new(),
                parameters: json!({}),
            }],
            max_tokens: Some(7),
            temperature_milli: Some(700),
            tool_choice: Some(ToolChoice::Required),
            ..ChatRequest::default()
        };
        let quirks = Quirks {
            no_tools: true,
            no_system: true,
            no_max_tokens: true,
            no_temperature: true,
            no_stream_options: true,
            ..Quirks::default()
        };
        let messages: Vec<_> = request.messages.iter().collect();
        let body = body(&request, &messages, "reed", &Names::of(&request), quirks);
        assert_eq!(
            body,
            json!({"model": "reed", "stream": true, "messages": [
                {"role": "user", "content": "Be brief.\n\nHow high is it?"},
                {"role": "assistant", "content": "[called weir.level with {}]"},
                {"role": "user", "content": "[its result]\ntwo feet"},
            ]})
        );
        assert_eq!(
            quirks.left_out(&request),
            ["tools", "toolChoice", "maxTokens", "temperatureMilli"]
        );
    }
}
