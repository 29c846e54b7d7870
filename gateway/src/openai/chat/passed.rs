//! A request as a model of an agent is asked it: every field is passed on, has no bearing on an answer, or is refused by its
//! name. Nothing is left out in silence.

use aion_abi::{
    problem::Problem,
    syscall::model::{self, ChatRequest, ResponseFormat, Role, ToolChoice, ToolSpec, ToolUse},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::request::Request;
use crate::openai::{
    conversation::{Message, Part, TextOr},
    refused::{Format, refused},
};

/// Fields that name who asks or how the provider is to keep its books, and change no answer.
const OF_NO_BEARING: [&str; 6] = [
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
];
/// Fields that `false` switches off, and that are off.
const OFF: [&str; 2] = ["logprobs", "include_obfuscation"];
/// Fields that say nothing where they are empty.
const EMPTY: [&str; 3] = ["logit_bias", "functions", "annotations"];

/// A tool as OpenAI has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<Function>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    name: String,
    #[serde(default)]
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
}

/// A call of a tool, in a message of the assistant's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    id: String,
    /// Its place in a stream, which the list says too.
    #[serde(rename = "index")]
    _index: Option<u32>,
    #[serde(rename = "type")]
    kind: String,
    function: Option<Called>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    name: String,
    arguments: String,
}

impl Request {
    /// What the model `named` is asked; the agent's first that answers where none is.
    ///
    /// # Errors
    /// Which field cannot be passed on.
    pub(in crate::openai) fn passed(self, named: Option<&str>) -> Result<ChatRequest, Problem> {
        self.says_nothing_else()?;
        let at_once = !self.is_stream();
        let tools = self.tools.into_iter().flatten().enumerate();
        let tools = tools.map(|(nth, it)| tool(&format!("tools[{nth}]"), it));
        let messages = self.messages.into_iter().enumerate();
        let messages = messages.map(|(nth, it)| message(&format!("messages[{nth}]"), it));
        Ok(ChatRequest {
            model: named.map(str::to_owned),
            whole: true,
            at_once,
            messages: messages.collect::<Result<_, _>>()?,
            tools: tools.collect::<Result<_, _>>()?,
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            temperature_milli: thousandths("temperature", self.temperature, 2)?,
            top_p_milli: thousandths("top_p", self.top_p, 1)?,
            stop: stops(self.stop)?,
            tool_choice: choice(self.tool_choice)?,
            response_format: format(self.response_format)?,
        })
    }

    /// Refuses what has no place in a syscall.
    fn says_nothing_else(&self) -> Result<(), Problem> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(refused(
                "n",
                "asks for several answers",
                "ask once for each",
            ));
        }
        if let (Some(most), Some(also)) = (self.max_completion_tokens, self.max_tokens)
            && most != also
        {
            let what = format!("is {also}, and max_completion_tokens {most}");
            return Err(refused("max_tokens", &what, "say one of them"));
        }
        let mut modalities = self.modalities.iter().flatten();
        if let Some(other) = modalities.find(|it| *it != "text") {
            let what = format!("asks for {other:?}");
            return Err(refused("modalities", &what, "ask for text"));
        }
        let logprobs = self.logprobs.map(Value::Bool);
        let functions = self.functions.clone().map(Value::Array);
        let named = [
            ("logprobs", logprobs.as_ref()),
            ("functions", functions.as_ref()),
            ("function_call", self.function_call.as_ref()),
            ("top_logprobs", self.top_logprobs.as_ref()),
            ("web_search_options", self.web_search_options.as_ref()),
            ("audio", self.audio.as_ref()),
        ];
        let named = named.into_iter().filter_map(|(name, it)| Some((name, it?)));
        let other = self.other.iter().map(|(name, it)| (name.as_str(), it));
        for (name, value) in named.chain(other) {
            if OF_NO_BEARING.contains(&name) || is_usual(name, value) {
                continue;
            }
            return Err(not_passed_on(name));
        }
        let options = self.stream_options.iter().flat_map(|it| &it.other);
        says_nothing("stream_options", options)?;
        let format = self.response_format.as_ref();
        let schema = format.and_then(|it| it.json_schema.as_ref());
        says_nothing("response_format", format.iter().flat_map(|it| &it.other))?;
        let schema = schema.iter().flat_map(|it| &it.other);
        says_nothing("response_format.json_schema", schema)
    }
}

fn not_passed_on(field: &str) -> Problem {
    let remedy = "leave it out: docs/gateway.md says what is passed on to a model";
    refused(field, "is not passed on to models", remedy)
}

/// Refuses what is in `field` besides that which is read, where it says something.
fn says_nothing<'a>(
    field: &str,
    other: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Result<(), Problem> {
    let mut other = other.into_iter();
    match other.find(|(name, value)| !is_usual(name, value)) {
        Some((name, _)) => Err(not_passed_on(&format!("{field}.{name}"))),
        None => Ok(()),
    }
}

/// Whether `value` is what is so without it. Of a field that is not known, nobody knows.
fn is_usual(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(true) => name == "parallel_tool_calls",
        Value::Bool(false) => OFF.contains(&name),
        Value::Array(list) => list.is_empty() && EMPTY.contains(&name),
        Value::Object(fields) => fields.is_empty() && EMPTY.contains(&name),
        Value::Number(number) => {
            matches!(name, "frequency_penalty" | "presence_penalty") && number.as_f64() == Some(0.0)
        }
        Value::String(tier) => name == "service_tier" && matches!(&**tier, "auto" | "default"),
    }
}

fn thousandths(field: &str, value: Option<f64>, most: u8) -> Result<Option<u32>, Problem> {
    let Some(value) = value else { return Ok(None) };
    if !(0.0..=f64::from(most)).contains(&value) {
        let remedy = format!("say 0 to {most}");
        return Err(refused(field, "is out of bounds", &remedy));
    }
    // Within the bounds that were just looked at.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milli = (value * 1_000.0).round() as u32;
    Ok(Some(milli))
}

fn stops(stop: Option<Value>) -> Result<Vec<String>, Problem> {
    let wrong = || {
        refused(
            "stop",
            "is not a text or a list of texts",
            "send up to four",
        )
    };
    match stop {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(list) => serde_json::from_value(list).map_err(|_| wrong()),
    }
}

fn choice(choice: Option<Value>) -> Result<Option<ToolChoice>, Problem> {
    let Some(choice) = choice.filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    let chosen = match choice.as_str() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required") => Some(ToolChoice::Required),
        _ if choice["type"] == "function" => {
            let name = choice["function"]["name"].as_str();
            name.map(|name| ToolChoice::Tool(name.to_owned()))
        }
        _ => None,
    };
    let remedy = "say auto, none, required, or which function";
    let wrong = || refused("tool_choice", "is not one that is passed on", remedy);
    chosen.map(Some).ok_or_else(wrong)
}

fn format(format: Option<Format>) -> Result<Option<ResponseFormat>, Problem> {
    let Some(format) = format else {
        return Ok(None);
    };
    let remedy = "ask for text, json_object or json_schema";
    match (format.kind.as_str(), format.json_schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(ResponseFormat::JsonObject)),
        ("json_schema", Some(it)) => Ok(Some(ResponseFormat::JsonSchema {
            name: it.name,
            description: it.description,
            schema: it.schema,
            strict: it.strict,
        })),
        (kind, _) => {
            let what = format!("asks for {kind:?} and does not say all of it");
            Err(refused("response_format", &what, remedy))
        }
    }
}

fn tool(field: &str, tool: Value) -> Result<ToolSpec, Problem> {
    let remedy = "send functions, with a name, a description and parameters";
    let tool: Tool = serde_json::from_value(tool)
        .map_err(|why| refused(field, &format!("is not a tool: {why}"), remedy))?;
    let Some(function) = tool.function.filter(|_| tool.kind == "function") else {
        let what = format!("is {:?}, which is the provider's own", tool.kind);
        return Err(refused(field, &what, remedy));
    };
    let none = || json!({"type": "object", "properties": {}});
    Ok(ToolSpec {
        name: function.name,
        description: function.description.unwrap_or_default(),
        parameters: function.parameters.unwrap_or_else(none),
        strict: function.strict,
    })
}

fn message(field: &str, message: Message) -> Result<model::Message, Problem> {
    let its = |name: &str| format!("{field}.{name}");
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            let what = format!("is {other:?}");
            let remedy = "say system, developer, user, assistant or tool";
            return Err(refused(&its("role"), &what, remedy));
        }
    };
    let kind = message.kind.map(Value::String);
    let kind = kind.filter(|it| it != "message");
    let named = [("type", kind), ("function_call", message.function_call)];
    let named = named
        .into_iter()
        .filter_map(|(name, it)| Some((name.to_owned(), it?)));
    // A name of a tool's result says what its id says.
    let other = message.other.into_iter();
    let other = other.filter(|(name, _)| !(name == "name" && role == Role::Tool));
    let other: Map<String, Value> = named.chain(other).collect();
    says_nothing(field, &other)?;
    let calls = message.tool_calls.into_iter().flatten().enumerate();
    let calls = calls.map(|(nth, it)| call(&its(&format!("tool_calls[{nth}]")), it));
    Ok(model::Message {
        role,
        content: match message.content {
            None => String::new(),
            Some(TextOr::Text(text)) => text,
            Some(TextOr::List(parts)) => texts(&its("content"), parts)?,
        },
        tool_calls: calls.collect::<Result<_, _>>()?,
        tool_call_id: message.tool_call_id,
    })
}

fn texts(field: &str, parts: Vec<Part>) -> Result<String, Problem> {
    let mut texts = Vec::with_capacity(parts.len());
    for (nth, part) in parts.into_iter().enumerate() {
        let its = format!("{field}[{nth}]");
        match (part.kind.as_str(), part.text) {
            ("text", Some(text)) => {
                says_nothing(&its, &part.other)?;
                texts.push(text);
            }
            (kind, _) => {
                let what = format!("is {kind:?}, and models are passed text alone");
                return Err(refused(&its, &what, "send text"));
            }
        }
    }
    Ok(texts.join("\n"))
}

fn call(field: &str, call: Value) -> Result<ToolUse, Problem> {
    let remedy = "send the calls as they came";
    let call: Call = serde_json::from_value(call)
        .map_err(|why| refused(field, &format!("is not a call: {why}"), remedy))?;
    let Some(function) = call.function.filter(|_| call.kind == "function") else {
        return Err(refused(field, &format!("is {:?}", call.kind), remedy));
    };
    Ok(ToolUse {
        id: call.id,
        name: function.name,
        arguments: function.arguments,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn passed(more: &Value) -> Result<Value, String> {
        let mut request =
            json!({"model": "a:auto", "messages": [{"role": "user", "content": "?"}]});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        let request: Request = serde_json::from_value(request).unwrap();
        let passed = request.passed(Some("near/reed")).map_err(|it| it.detail)?;
        Ok(json!(passed))
    }

    #[test]
    fn what_a_syscall_can_say_is_passed_on() {
        let parameters = json!({"type": "object"});
        let function = json!({"name": "level", "parameters": parameters, "strict": true});
        let call = json!({"id": "1", "type": "function", "function": {"name": "level", "arguments": "{}"}});
        let told = passed(&json!({
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]},
                {"role": "user", "content": "How high?"},
                {"role": "assistant", "content": null, "tool_calls": [call], "refusal": null, "annotations": []},
                {"role": "tool", "tool_call_id": "1", "name": "level", "content": "2 ft"},
            ],
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "level"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": true}},
            "max_tokens": 9, "max_completion_tokens": 9, "temperature": 0.7, "top_p": 0.95, "stop": "END",
            "user": "u", "parallel_tool_calls": true, "presence_penalty": 0, "seed": null, "logit_bias": {},
            "service_tier": "auto", "logprobs": false, "stream_options": {"include_usage": true, "include_obfuscation": false},
        }));
        let expected = json!({
            "model": "near/reed", "whole": true, "atOnce": true,
            "messages": [
                {"role": "system", "content": "Be\nbrief."},
                {"role": "user", "content": "How high?"},
                {"role": "assistant", "content": "", "toolCalls": [{"id": "1", "name": "level", "arguments": "{}"}]},
                {"role": "tool", "content": "2 ft", "toolCallId": "1"},
            ],
            "tools": [{"name": "level", "description": "", "parameters": parameters, "strict": true}],
            "toolChoice": {"tool": "level"},
            "responseFormat": {"type": "jsonSchema", "name": "s", "schema": {}, "strict": true},
            "maxTokens": 9, "temperatureMilli": 700, "topPMilli": 950, "stop": ["END"],
        });
        assert_eq!(told.unwrap(), expected);
        let text = passed(&json!({"response_format": {"type": "text"}})).unwrap();
        assert_eq!(text.get("responseFormat"), None);
    }

    #[test]
    fn everything_else_is_refused_by_its_name() {
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]);
        for (field, value) in [
            ("n", json!(2)),
            ("seed", json!(7)),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(2)),
            ("functions", json!([{"name": "f"}])),
            ("function_call", json!("auto")),
            ("parallel_tool_calls", json!(false)),
            ("presence_penalty", json!(0.5)),
            ("reasoning_effort", json!("low")),
            ("logit_bias", json!({"1": 2})),
            ("enable_thinking", json!(false)),
            ("chat_template_kwargs", json!({})),
            ("web_search_options", json!({})),
            ("service_tier", json!("flex")),
            ("max_tokens", json!(5)),
            ("stream_options.every", json!({"every": 5})),
            (
                "response_format.json_schema.of",
                json!({"type": "json_schema",
                "json_schema": {"name": "s", "schema": {}, "of": 1}}),
            ),
            (
                "tools[0]",
                json!({"type": "function", "function": {"name": "f"}, "cache_control": {}}),
            ),
            (
                "messages[0].content[0].cache_control",
                json!([{"role": "user", "content": [
                {"type": "text", "text": "?", "cache_control": {"type": "ephemeral"}}]}]),
            ),
            ("top_p", json!(1.5)),
            ("modalities", json!(["audio"])),
            ("audio", json!({"voice": "a"})),
            ("tools[0]", json!({"type": "web_search"})),
            (
                "tools[0]",
                json!({"type": "function", "function": {"name": "f", "of": 1}}),
            ),
            ("tool_choice", json!("any")),
            ("response_format", json!({"type": "json_schema"})),
            ("response_format", json!({"type": "grammar"})),
            ("stop", json!(3)),
            ("temperature", json!(2.5)),
            ("top_p", json!(-1)),
            ("messages[0].content[0]", image),
            (
                "messages[0].role",
                json!([{"role": "function", "content": "4"}]),
            ),
            (
                "messages[0].name",
                json!([{"role": "user", "content": "?", "name": "Ada"}]),
            ),
            (
                "messages[0].tool_calls[0]",
                json!([{"role": "assistant", "tool_calls": [{"id": "1"}]}]),
            ),
        ] {
            let name = field.split(['[', '.']).next().unwrap();
            let value = match field {
                "tools[0]" => json!([value]),
                _ => value,
            };
            let said = passed(&json!({name: value, "max_completion_tokens": 9})).unwrap_err();
            assert!(said.starts_with(field), "{field}: {said}");
        }
    }
}
