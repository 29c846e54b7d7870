//! From an endpoint's chunks to events: text as it comes, tool calls once they are whole. Pure.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatEvent, Finish, Usage},
};
use uuid::Uuid;

use super::{
    calls::{CallPart, Calls},
    chunk::Chunk,
    estimate::Estimate,
    names::Names,
    thoughts::Thoughts,
};

/// The most bytes of an answer's text, thoughts and tool calls' arguments together.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// An answer as far as it has come.
pub(super) struct Answer {
    names: Names,
    input: u64,
    output: Estimate,
    bytes: usize,
    /// The endpoint's own figures, and how many bytes there were then.
    figures: Option<(u64, u64, usize)>,
    calls: Calls,
    thoughts: Thoughts,
    /// The model thought aloud.
    thought: bool,
    /// Thoughts were given out as the answer.
    withdrawn: bool,
    /// Something of the answer is not white space.
    spoke: bool,
    /// Why it stopped, and the endpoint's word for it.
    finish: Option<(Finish, String)>,
}

impl Answer {
    /// `input`: the estimated tokens of the request, for servers that give no figures; `thinks_first`: the
    /// model was heard to think without saying that it begins to.
    pub(super) fn new(names: Names, input: u64, thinks_first: bool) -> Self {
        Self {
            names,
            input,
            output: Estimate::default(),
            bytes: 0,
            figures: None,
            calls: Calls::default(),
            thoughts: Thoughts::new(thinks_first),
            thought: false,
            withdrawn: false,
            spoke: false,
            finish: None,
        }
    }

    /// The model said why it stopped, or the server that it did; what may still come are figures.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Thoughts were given out as the answer, since nothing said that they begin.
    pub(super) fn was_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// What was used so far.
    pub(super) fn usage(&self) -> Usage {
        match self.figures {
            Some((input_tokens, output_tokens, at)) if at == self.bytes => Usage {
                input_tokens,
                output_tokens,
                estimated: false,
            },
            // Figures from the middle of an answer are not its figures.
            Some((input_tokens, output_tokens, _)) => Usage {
                input_tokens,
                output_tokens: output_tokens.max(self.output.tokens()),
                estimated: true,
            },
            None => Usage {
                input_tokens: self.input,
                output_tokens: self.output.tokens(),
                estimated: true,
            },
        }
    }

    /// Takes a chunk in; answers with what it brings.
    pub(super) fn take(&mut self, chunk: Chunk) -> Result<Vec<ChatEvent>, Problem> {
        if let Some(error) = chunk.error {
            return Err(failed(error));
        }
        if !chunk.thought.is_empty() {
            self.thought = true;
            self.thoughts.apart();
        }
        self.count(&chunk.thought)?;
        self.count(&chunk.text)?;
        for part in chunk.calls {
            self.take_call(part)?;
        }
        if let Some((input, output)) = chunk.figures {
            self.figures = Some((input, output, self.bytes));
        }
        if let Some(word) = chunk.finish {
            self.finish = Some((meaning(&word)?, word));
        }
        if chunk.done && self.finish.is_none() {
            self.finish = Some((Finish::Other, String::new()));
        }
        let told = self.thoughts.push(&chunk.text);
        let mut events = Vec::new();
        if told.withdrawn {
            self.withdrawn = true;
            self.thought = true;
            self.spoke = false;
            events.push(ChatEvent::Withdrawn);
        }
        events.extend(self.said(told.text));
        Ok(events)
    }

    /// The last events: the rest of the text, tool calls that are now whole, and the end.
    pub(super) fn finish(mut self) -> Result<Vec<ChatEvent>, Problem> {
        let usage = self.usage();
        let rest = self.thoughts.finish();
        let mut events: Vec<_> = self.said(rest).into_iter().collect();
        let mut called = false;
        for mut call in std::mem::take(&mut self.calls).whole() {
            if call.name.is_empty() {
                return Err(failed("the model called a tool without naming it"));
            }
            call.name = self.names.ours(&call.name);
            if call.id.is_empty() {
                call.id = format!("call_{}", Uuid::new_v4().simple());
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            called = true;
            events.push(ChatEvent::ToolCall(call));
        }
        let finish = self.finish.as_ref().map(|(finish, _)| *finish);
        if !called && !self.spoke {
            return Err(self.nothing(usage));
        }
        // Some servers say that they stopped where they want tools called.
        let finish = match finish {
            Some(Finish::Stop | Finish::Other) | None if called => Finish::ToolCalls,
            Some(finish) => finish,
            None => Finish::Other,
        };
        events.push(ChatEvent::End { finish, usage });
        Ok(events)
    }

    fn said(&mut self, text: String) -> Option<ChatEvent> {
        self.spoke |= !text.trim().is_empty();
        (!text.is_empty()).then_some(ChatEvent::Delta { text })
    }

    /// An answer without a word and a call is none.
    fn nothing(&self, usage: Usage) -> Problem {
        // A thought between tags is all that there can be where bytes came and no word.
        let thought = self.thought || self.bytes > 0;
        let tokens = usage.output_tokens;
        let (finish, word) = match &self.finish {
            Some((finish, word)) => (*finish, word.as_str()),
            None => (Finish::Other, ""),
        };
        match finish {
            Finish::Length => failed(format!(
                "the model gave no answer: it spent all the {tokens} tokens that it had on thinking"
            ))
            .remedy("raise spec.limits.maxTokens of the agent or the model's context, or take a model that thinks less"),
            Finish::Other if !word.is_empty() => {
                failed(format!("the model gave no answer: the endpoint stopped it ({word})"))
                    .remedy("ask in other words, or take another model under spec.model.use")
            }
            _ if thought => failed(format!(
                "the model gave no answer: it thought ({tokens} tokens) and said nothing"
            ))
            .remedy("ask again, or take another model under spec.model.use"),
            _ => failed("the model gave no answer: it said nothing")
                .remedy("ask again, or take another model under spec.model.use"),
        }
    }

    fn take_call(&mut self, part: CallPart) -> Result<(), Problem> {
        self.count(&part.arguments)?;
        self.calls.take(part).map_err(failed)
    }

    fn count(&mut self, text: &str) -> Result<(), Problem> {
        self.output.add(text);
        self.bytes += text.len();
        if self.bytes > MAX_ANSWER {
            return Err(failed(format!(
                "the answer is longer than {MAX_ANSWER} bytes"
            )));
        }
        Ok(())
    }
}

fn failed(why: impl Into<String>) -> Problem {
    Problem::new(Code::UpstreamFailed, why)
}

/// What a server means by the word for why it stopped.
fn meaning(word: &str) -> Result<Finish, Problem> {
    match word.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" | "eos_token" | "stop_sequence" | "complete" | "completed" => {
            Ok(Finish::Stop)
        }
        "tool_calls" | "tool_call" | "tool_use" | "function_call" => Ok(Finish::ToolCalls),
        "length"
        | "max_tokens"
        | "max_output_tokens"
        | "model_length"
        | "model_context_window_exceeded" => Ok(Finish::Length),
        "error" | "abort" | "aborted" | "cancelled" | "network_error" => Err(failed(format!(
            "the endpoint broke its answer off ({word})"
        ))),
        _ => Ok(Finish::Other),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
