//! The bounds of a chat request, the same for every driver. Pure.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatRequest, ResponseFormat, Role, ToolChoice},
};

/// The most messages of a conversation.
const MAX_MESSAGES: usize = 1024;
/// The most tools offered, which is what common endpoints take.
const MAX_TOOLS: usize = 128;
/// The highest temperature, in thousandths.
const MAX_TEMPERATURE: u32 = 2000;
/// The most texts that end an answer, which is what common endpoints take.
const MAX_STOPS: usize = 4;

pub(super) fn check(request: &ChatRequest) -> Result<(), Problem> {
    let bad = |text: String| Err(Problem::new(Code::BadRequest, text));
    if !(1..=MAX_MESSAGES).contains(&request.messages.len()) {
        return bad(format!(
            "messages: there are {}, and must be 1 to {MAX_MESSAGES}",
            request.messages.len()
        ));
    }
    if request.tools.len() > MAX_TOOLS {
        return bad(format!(
            "tools: there are {}, and may be {MAX_TOOLS}",
            request.tools.len()
        ));
    }
    for (at, tool) in request.tools.iter().enumerate() {
        if tool.name.is_empty() || !tool.parameters.is_object() {
            return bad(format!(
                "tools[{at}]: it needs a name, and parameters that are a JSON Schema object"
            ));
        }
    }
    for (at, message) in request.messages.iter().enumerate() {
        if (message.role == Role::Tool) != message.tool_call_id.is_some() {
            return bad(format!(
                "messages[{at}].toolCallId: a message of a tool has it, and no other"
            ));
        }
        if message.role != Role::Assistant && !message.tool_calls.is_empty() {
            return bad(format!(
                "messages[{at}].toolCalls: only an assistant calls tools"
            ));
        }
    }
    if request.max_tokens == Some(0) {
        return bad("maxTokens: it must be at least 1".to_owned());
    }
    if request
        .temperature_milli
        .is_some_and(|temperature| temperature > MAX_TEMPERATURE)
    {
        return bad(format!(
            "temperatureMilli: it may be at most {MAX_TEMPERATURE}"
        ));
    }
    if request.top_p_milli.is_some_and(|it| it > 1000) {
        return bad("topPMilli: it must be 0 to 1000".to_owned());
    }
    if request.stop.len() > MAX_STOPS || request.stop.iter().any(String::is_empty) {
        return bad(format!(
            "stop: there may be {MAX_STOPS} texts, none of them empty"
        ));
    }
    let offered = |name: &String| request.tools.iter().any(|tool| tool.name == *name);
    match &request.tool_choice {
        Some(ToolChoice::Tool(name)) if !offered(name) => {
            return bad(format!("toolChoice: {name:?} is none of the tools"));
        }
        Some(ToolChoice::Required) if request.tools.is_empty() => {
            return bad("toolChoice: there are no tools to call".to_owned());
        }
        _ => {}
    }
    if let Some(ResponseFormat::JsonSchema { name, schema, .. }) = &request.response_format
        && (name.is_empty() || !schema.is_object())
    {
        return bad(
            "responseFormat: it needs a name, and a schema that is a JSON Schema object".to_owned(),
        );
    }
    Ok(())
}
