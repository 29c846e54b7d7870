//! The calls of steps, as syscalls under the places of their steps, and what came of them.

use aion_abi::boot::Steps;
use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::agent::{AskRequest, EndedResponse, MessageKind};
use aion_abi::syscall::model::{ChatEvent, ChatRequest, Finish, Message, Role};
use aion_abi::syscall::tool::{CallRequest, CallResponse};
use aion_steps::{Answer, Call, MAX_RESULT, Start};
use serde_json::{Map, Value};

use super::say;
use crate::syscalls::patience::patiently;
use crate::syscalls::{Chat, Syscalls};

/// What a tool said of its failure is told up to this length, in bytes.
const MAX_REASON: usize = 1024;

/// Streams of one answer of the model that are begun at most, where each is lost.
const STREAMS: usize = 8;

/// Makes a call; gives the place of its step with what came of it.
pub(super) async fn make(
    syscalls: &impl Syscalls,
    program: &Steps,
    start: Start,
) -> (String, Result<Answer, Problem>) {
    let Start { step, call } = start;
    let outcome = match call {
        Call::Tool {
            operation,
            arguments,
        } => tool(syscalls, &step, operation, arguments).await,
        Call::Agent { agent, input } => ask(syscalls, &step, agent, input).await,
        Call::Prompt { prompt } => chat(syscalls, &step, prompt, program.max_tokens).await,
    };
    (step, outcome)
}

async fn tool(
    syscalls: &impl Syscalls,
    step: &str,
    operation: String,
    arguments: Map<String, Value>,
) -> Result<Answer, Problem> {
    let request = CallRequest {
        name: operation,
        arguments: Value::Object(arguments),
        link: None,
    };
    let call = async || syscalls.call_at(step, Syscall::ToolCall, &request).await;
    let answer: CallResponse = patiently(call).await?;
    if answer.is_error {
        let mut said = answer.text.trim().to_owned();
        said.truncate(said.floor_char_boundary(MAX_REASON));
        let detail = format!("{} says that it failed: {said}", request.name);
        return Err(Problem::new(Code::UpstreamFailed, detail));
    }
    Ok(Answer {
        text: answer.text,
        structured: answer.structured,
        turn: None,
    })
}

async fn ask(
    syscalls: &impl Syscalls,
    step: &str,
    agent: String,
    input: String,
) -> Result<Answer, Problem> {
    let request = AskRequest {
        agent,
        input,
        ..AskRequest::default()
    };
    let call = async || syscalls.call_at(step, Syscall::AgentAsk, &request).await;
    let ended: EndedResponse = patiently(call).await?;
    let (agent, turn) = (request.agent, ended.turn);
    let kind = match ended.incomplete {
        true => MessageKind::LeftOut,
        false => MessageKind::Notice,
    };
    for notice in ended.notices {
        let text = format!("step {step}: {agent}: {notice}");
        say(syscalls, kind, text).await?;
    }
    match (ended.answer, ended.problem) {
        (Some(text), None) => Ok(Answer {
            text,
            structured: None,
            turn: Some(turn),
        }),
        (_, Some(problem)) => {
            let detail = format!("turn {turn} of {agent}: {}", problem.detail);
            Err(Problem { detail, ..problem })
        }
        (None, None) => {
            let detail = format!("turn {turn} of {agent} gave no answer");
            Err(Problem::new(Code::Unanswered, detail))
        }
    }
}

/// One question to the model, without tools.
async fn chat(
    syscalls: &impl Syscalls,
    step: &str,
    prompt: String,
    max_tokens: Option<u32>,
) -> Result<Answer, Problem> {
    let request = ChatRequest {
        messages: vec![Message {
            role: Role::User,
            content: prompt,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }],
        whole: true,
        max_tokens,
        ..ChatRequest::default()
    };
    for _ in 1..STREAMS {
        match listen(syscalls, step, &request).await {
            // The connection was lost, as where the node agent is replaced: under its name the answer is found again, or
            // the model is asked again.
            Err(problem) if problem.code == Code::OutcomeUnknown && problem.call.is_none() => {}
            heard => return heard,
        }
    }
    listen(syscalls, step, &request).await
}

/// The answer of one stream.
async fn listen(
    syscalls: &impl Syscalls,
    step: &str,
    request: &ChatRequest,
) -> Result<Answer, Problem> {
    let call = async || syscalls.chat_at(step, request).await;
    let mut stream = patiently(call).await?;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            ChatEvent::Start { .. } | ChatEvent::ToolCall(_) => {}
            ChatEvent::Withdrawn => text.clear(),
            ChatEvent::Delta { text: more } => {
                text.push_str(&more);
                if text.len() > MAX_RESULT {
                    let detail = format!("the model's answer is longer than {MAX_RESULT} bytes");
                    return Err(Problem::new(Code::TooLarge, detail)
                        .remedy("ask for less, or set spec.limits.maxTokens"));
                }
            }
            ChatEvent::End { finish, .. } => {
                if finish == Finish::Length {
                    let text = format!(
                        "step {step}: the model's answer ended before its end, at the most tokens that it may have"
                    );
                    say(syscalls, MessageKind::Notice, text).await?;
                }
                return Ok(Answer {
                    text,
                    ..Answer::default()
                });
            }
            ChatEvent::Error(problem) => return Err(problem),
        }
    }
    let detail = "the model's answer ended without its end";
    Err(Problem::new(Code::OutcomeUnknown, detail))
}
