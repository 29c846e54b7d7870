//! From an endpoint's chunks to events: text as it comes, tool calls once they are whole. Pure.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatEvent, Finish, ToolUse, Usage},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{estimate::Estimate, names::Names};

/// The most tool calls of one answer.
const MAX_CALLS: usize = 64;
/// The most bytes of an answer's text and of its tool calls' arguments together.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A chunk of a stream, or a whole answer of a server that does not stream.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Figures>,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<Value>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Debug, Deserialize)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Debug, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Figures {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// An answer as far as it has come.
pub(super) struct Answer {
    names: Names,
    input: u64,
    output: Estimate,
    bytes: usize,
    figures: Option<Figures>,
    calls: Vec<(Option<usize>, ToolUse)>,
    finish: Option<Finish>,
}

impl Answer {
    /// `input`: the estimated tokens of the request, for servers that give no figures.
    pub(super) fn new(names: Names, input: u64) -> Self {
        Self {
            names,
            input,
            output: Estimate::default(),
            bytes: 0,
            figures: None,
            calls: Vec::new(),
            finish: None,
        }
    }

    /// The model said why it stopped; what may still come are figures.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// What was used so far.
    pub(super) fn usage(&self) -> Usage {
        let given = |figures: Figures| Some((figures.prompt_tokens?, figures.completion_tokens?));
        match self.figures.and_then(given) {
            Some((input_tokens, output_tokens)) => Usage {
                input_tokens,
                output_tokens,
                estimated: false,
            },
            None => Usage {
                input_tokens: self.input,
                output_tokens: self.output.tokens(),
                estimated: true,
            },
        }
    }

    /// Takes a chunk in; answers the text it brings.
    pub(super) fn take(&mut self, chunk: Chunk) -> Result<Option<ChatEvent>, Problem> {
        if let Some(error) = &chunk.error {
            return Err(Problem::new(Code::UpstreamFailed, error_message(error)));
        }
        if chunk.usage.is_some() {
            self.figures = chunk.usage;
        }
        let mut text = String::new();
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            if let Some(delta) = choice.delta {
                text.push_str(&delta.content.as_ref().map(plain).unwrap_or_default());
                text.push_str(&delta.refusal.unwrap_or_default());
                for part in delta.tool_calls.unwrap_or_default() {
                    self.take_call(part)?;
                }
            }
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(match reason.as_str() {
                    "stop" | "end_turn" | "eos" => Finish::Stop,
                    "tool_calls" | "function_call" => Finish::ToolCalls,
                    "length" | "max_tokens" => Finish::Length,
                    _ => Finish::Other,
                });
            }
        }
        self.count(&text)?;
        Ok((!text.is_empty()).then_some(ChatEvent::Delta { text }))
    }

    /// The last events: tool calls that are now whole, and the end.
    pub(super) fn finish(mut self) -> Result<Vec<ChatEvent>, Problem> {
        let usage = self.usage();
        let mut events = Vec::with_capacity(self.calls.len() + 1);
        for (_, mut call) in std::mem::take(&mut self.calls) {
            if call.name.is_empty() {
                return Err(Problem::new(
                    Code::UpstreamFailed,
                    "the model called a tool without naming it",
                ));
            }
            call.name = self.names.ours(&call.name);
            if call.id.is_empty() {
                call.id = format!("call_{}", Uuid::new_v4().simple());
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            events.push(ChatEvent::ToolCall(call));
        }
        // Some servers say that they stopped where they want tools called.
        let finish = match self.finish {
            Some(Finish::Stop | Finish::Other) | None if !events.is_empty() => Finish::ToolCalls,
            Some(finish) => finish,
            None => Finish::Other,
        };
        events.push(ChatEvent::End { finish, usage });
        Ok(events)
    }

    /// Parts of one call share an index, or where the server gives none, follow each other; a part with
    /// another id begins another call.
    fn take_call(&mut self, part: CallPart) -> Result<(), Problem> {
        let id = part.id.unwrap_or_default();
        let same = |(index, call): &(Option<usize>, ToolUse)| {
            *index == part.index && (id.is_empty() || call.id.is_empty() || call.id == id)
        };
        let found = match part.index {
            Some(_) => self.calls.iter().rposition(same),
            None => self
                .calls
                .len()
                .checked_sub(1)
                .filter(|last| same(&self.calls[*last])),
        };
        let at = found.unwrap_or(self.calls.len());
        if at == MAX_CALLS {
            return Err(Problem::new(
                Code::UpstreamFailed,
                format!("the model called more than {MAX_CALLS} tools at once"),
            ));
        }
        if found.is_none() {
            let call = ToolUse {
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
            };
            self.calls.push((part.index, call));
        }
        let call = &mut self.calls[at].1;
        if call.id.is_empty() {
            call.id = id;
        }
        let mut added = String::new();
        if let Some(function) = part.function {
            if let Some(name) = function.name.filter(|_| call.name.is_empty()) {
                call.name = name;
            }
            added = match function.arguments {
                Some(Value::String(text)) => text,
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            call.arguments.push_str(&added);
        }
        self.count(&added)
    }

    fn count(&mut self, text: &str) -> Result<(), Problem> {
        self.output.add(text);
        self.bytes += text.len();
        if self.bytes > MAX_ANSWER {
            return Err(Problem::new(
                Code::UpstreamFailed,
                format!("the answer is longer than {MAX_ANSWER} bytes"),
            ));
        }
        Ok(())
    }
}

/// What an error in a stream says.
pub(super) fn error_message(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message
        .as_str()
        .map_or_else(|| error.to_string(), str::to_owned)
}

/// Text, or the texts of a list of parts.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
