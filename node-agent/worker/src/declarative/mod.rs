//! The declarative runtime: a turn of an agent that is instructions, not code.
//!
//! Documents are brought into memory ([`knowledge`]), what fits the question is recalled ([`recall`]), and
//! either a model answers, with tools ([`conversation`], [`toolbox`]), or what was recalled is quoted
//! ([`quote`]). Every effect is a syscall; the loop is bounded in steps by its own count, in tokens and time by
//! the kernel.

mod agents;
mod arguments;
mod conversation;
mod devices;
mod document;
mod knowledge;
mod question;
mod quote;
mod reading;
mod recall;
mod select;
mod told;
mod toolbox;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aion_abi::boot::{Declarative, Input};
use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::runtime::WithoutModel;
use aion_abi::syscall::agent::{MessageKind, MessageRequest, MessageResponse};
use aion_abi::syscall::memory::{Item, RememberRequest, RememberResponse};
use aion_abi::syscall::model::{ChatEvent, ChatRequest, Finish, ToolUse};
use aion_abi::syscall::{Syscall, tool};

use crate::syscalls::{Chat, Syscalls};
use conversation::{Conversation, Next};
use knowledge::{Known, Marks, Shelf};
use select::Found;
use toolbox::Toolbox;

/// The collection of earlier questions and answers.
const EXCHANGES: &str = "exchanges";
/// Text of an answer is passed on when so much has come together.
const DELTA: usize = 64;
/// An exchange is remembered up to this length.
const MAX_EXCHANGE: usize = 16 * 1024;

/// Runs one turn; its answer goes out as `agent.message`.
///
/// # Errors
/// What ended the turn without an answer.
pub(crate) async fn run(
    program: &Declarative,
    input: &Input,
    syscalls: &impl Syscalls,
) -> Result<(), Problem> {
    let mut shelf = refresh(program, syscalls).await?;
    let recalled = recall::recall(program, input, &mut shelf, syscalls).await?;
    let answer = if program.has_model {
        match converse(program, input, &recalled, syscalls).await {
            Err(problem) if quotes_instead(program, &problem) => {
                say(
                    syscalls,
                    MessageKind::Notice,
                    format!("{problem}; quoting instead"),
                )
                .await?;
                quote::answer(&recalled, &program.knowledge)
            }
            answer => answer?,
        }
    } else {
        match program.without_model {
            WithoutModel::Quote => quote::answer(&recalled, &program.knowledge),
            WithoutModel::Refuse => {
                return Err(
                    Problem::new(Code::NotFound, "this agent has no model to answer with")
                        .remedy("name one under spec.model.use, or set spec.withoutModel: quote"),
                );
            }
        }
    };
    if program.has_memory && program.has_model && !program.remembers_nothing {
        remember(syscalls, &input.text, &answer).await?;
    }
    say(syscalls, MessageKind::Final, answer).await
}

/// Says `text` to whoever asked.
pub(crate) async fn say(
    syscalls: &impl Syscalls,
    kind: MessageKind,
    text: String,
) -> Result<(), Problem> {
    let request = MessageRequest {
        text,
        kind,
        problem: None,
        steps: Vec::new(),
    };
    let _: MessageResponse = syscalls.call(Syscall::AgentMessage, &request).await?;
    Ok(())
}

/// Brings what the agent knows up to date, and says what is not in it. A mount that cannot be had fails
/// only where there is no other.
async fn refresh<S: Syscalls>(program: &Declarative, syscalls: &S) -> Result<Shelf, Problem> {
    let mut shelf = Shelf::default();
    if program.knowledge.is_empty() {
        return Ok(shelf);
    }
    if program.documents_as_known {
        shelf.trust(&program.knowledge);
        let text = "its documents are as they were when they were looked at last: a caller does not let it look";
        say(syscalls, MessageKind::Notice, text.to_owned()).await?;
        return Ok(shelf);
    }
    let marks = Marks::read(syscalls, &program.knowledge).await?;
    let mut changed = Vec::new();
    for mount in &program.knowledge {
        match knowledge::vouched(syscalls, mount, &marks, &mut shelf).await? {
            Some(left_out) => notices(syscalls, left_out).await?,
            None => changed.push(mount),
        }
    }
    if changed.is_empty() {
        return Ok(shelf);
    }
    marks.start(syscalls, &changed).await?;
    let mut known = Known::read(syscalls).await?;
    let mut failed = Vec::new();
    for mount in changed {
        let progress =
            async |syscalls: &S, text: String| say(syscalls, MessageKind::Progress, text).await;
        let known = (&mut known, &marks);
        match knowledge::refresh(syscalls, mount, known, &mut shelf, progress).await? {
            Ok(left_out) => notices(syscalls, left_out).await?,
            Err(problem) => failed.push((mount, problem)),
        }
    }
    if failed.len() == program.knowledge.len()
        && let Some((_, problem)) = failed.pop()
    {
        return Err(problem);
    }
    let failed = failed.into_iter();
    notices(
        syscalls,
        failed
            .map(|(mount, problem)| format!("left out of {mount}: all of it ({})", problem.detail)),
    )
    .await?;
    Ok(shelf)
}

async fn notices(
    syscalls: &impl Syscalls,
    texts: impl IntoIterator<Item = String>,
) -> Result<(), Problem> {
    for text in texts {
        say(syscalls, MessageKind::Notice, text).await?;
    }
    Ok(())
}

/// Whether `problem` means that no model can be had now, and the agent says what to do then.
fn quotes_instead(program: &Declarative, problem: &Problem) -> bool {
    program.without_model == WithoutModel::Quote
        && matches!(
            problem.code,
            Code::Unreachable
                | Code::Offline
                | Code::NotFound
                | Code::UpstreamFailed
                | Code::DeadlineExceeded
        )
}

async fn remember(syscalls: &impl Syscalls, asked: &str, answer: &str) -> Result<(), Problem> {
    let mut text = format!("Asked: {asked}\nAnswered: {answer}");
    text.truncate(text.floor_char_boundary(MAX_EXCHANGE));
    let item = Item {
        id: None,
        text,
        collection: EXCHANGES.to_owned(),
        attributes: BTreeMap::new(),
    };
    let request = RememberRequest { items: vec![item] };
    let _: RememberResponse = syscalls.call(Syscall::MemoryRemember, &request).await?;
    Ok(())
}

async fn converse(
    program: &Declarative,
    input: &Input,
    recalled: &[Found],
    syscalls: &impl Syscalls,
) -> Result<String, Problem> {
    let mut toolbox = Toolbox::new(program, tools(program, syscalls).await?);
    let mut conversation = Conversation::new(program, toolbox.specs().to_vec(), recalled, input);
    let mut next = conversation.ask();
    loop {
        next = match next {
            Next::Chat(request) => {
                let (text, tool_calls, finish) = chat(syscalls, &request).await?;
                conversation.model_answered(text, tool_calls, finish)
            }
            Next::Tools(asked) => {
                let mut results = Vec::with_capacity(asked.len());
                for call in asked {
                    say(
                        syscalls,
                        MessageKind::Progress,
                        format!("calling {}", call.name),
                    )
                    .await?;
                    let result = toolbox.call(syscalls, &call).await?;
                    results.push((call.id, result));
                }
                conversation.offer(toolbox.specs());
                conversation.tools_answered(results)
            }
            Next::Answer(text) => return Ok(text),
            Next::OutOfSteps(steps) => {
                return Err(Problem::new(
                    Code::QuotaExceeded,
                    format!("no answer after {steps} steps of the model"),
                )
                .remedy("ask for less at a time, or raise spec.limits.maxSteps"));
            }
        };
    }
}

async fn tools(
    program: &Declarative,
    syscalls: &impl Syscalls,
) -> Result<Vec<tool::ToolSpec>, Problem> {
    if !program.has_tools {
        return Ok(Vec::new());
    }
    let list: tool::ListResponse = syscalls
        .call(Syscall::ToolList, &tool::ListRequest {})
        .await?;
    for missing in &list.unavailable {
        let text = format!(
            "the tool {} cannot be used: {}",
            missing.tool, missing.reason
        );
        say(syscalls, MessageKind::Notice, text).await?;
    }
    Ok(list.tools)
}

/// One completion; its text goes out as it arrives.
async fn chat(
    syscalls: &impl Syscalls,
    request: &ChatRequest,
) -> Result<(String, Vec<ToolUse>, Finish), Problem> {
    let mut stream = syscalls.chat(request).await?;
    let (mut text, mut told, mut tool_calls) = (String::new(), 0, Vec::new());
    while let Some(event) = stream.next().await {
        match event {
            ChatEvent::Start { model, left_out } => {
                for part in left_out {
                    let text = match part.as_str() {
                        "tools" => format!(
                            "{model} takes no tools: they are off, and so are files and memory as tools"
                        ),
                        "messages" => format!(
                            "the oldest messages do not fit into the context of {model}: it is asked without"
                        ),
                        _ => format!("{model} does not take {part}: it is asked without"),
                    };
                    say(syscalls, MessageKind::Notice, text).await?;
                }
            }
            ChatEvent::Withdrawn => {
                text.clear();
                told = 0;
            }
            ChatEvent::Delta { text: more } => {
                text.push_str(&more);
                if text.len() - told >= DELTA {
                    say(syscalls, MessageKind::Delta, text[told..].to_owned()).await?;
                    told = text.len();
                }
            }
            ChatEvent::ToolCall(call) => tool_calls.push(call),
            ChatEvent::End { finish, .. } => {
                if told < text.len() {
                    say(syscalls, MessageKind::Delta, text[told..].to_owned()).await?;
                }
                return Ok((text, tool_calls, finish));
            }
            ChatEvent::Error(problem) => return Err(problem),
        }
    }
    Err(Problem::new(
        Code::OutcomeUnknown,
        "the model's answer ended without its end",
    ))
}
