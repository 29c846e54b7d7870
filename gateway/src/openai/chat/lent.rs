//! A model's answer as a chat completion, whole or in chunks as it comes.

use std::convert::Infallible;

use aion_abi::{
    problem::Problem,
    syscall::model::{ChatEvent, Finish, ToolUse, Usage},
};
use aion_client::Events;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;

use super::object::{Choice, Delta, Function, Head, Message, Object, Said, ToolCall};
use crate::{
    lending::Lent,
    openai::{Failed, Refusal, spoken::Frames, wrong::field},
};

const CHUNK: &str = "chat.completion.chunk";

/// What OpenAI has no word for: which syscall it was, and what of the request the model was not given.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BesideModel")]
pub(super) struct Beside {
    /// The turn whose syscall it is.
    turn: u64,
    /// Fields of the request that the model does not take, and was not given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    /// The model's server did not say that the answer is whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
    /// The server gave no figures: those of `usage` are the node's estimate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

/// An answer under way.
pub(super) struct Answering {
    lent: Lent<Events<ChatEvent>>,
    told: Told,
}

/// What is told of it.
struct Told {
    head: Head,
    beside: Beside,
    /// Calls so far.
    calls: u32,
    /// Text was sent that turned out to be no answer.
    withdrawn: bool,
}

impl Answering {
    /// `model` is what was asked for, until it is known which answers.
    pub(super) fn of(lent: Lent<Events<ChatEvent>>, model: &str) -> Self {
        let told = Told::of(model, lent.turn, lent.request);
        Self { lent, told }
    }

    pub(super) async fn whole(mut self) -> Result<Response, Failed> {
        let (mut text, mut calls) = (String::new(), Vec::new());
        let told = &mut self.told;
        let (finish, usage) = loop {
            match self.lent.next().await.map_err(Failed::of_model)? {
                ChatEvent::Start { model, left_out } => told.started(model, &left_out),
                ChatEvent::Delta { text: more } => text += &more,
                ChatEvent::Withdrawn => text.clear(),
                ChatEvent::ToolCall(call) => {
                    let index = None;
                    calls.push(ToolCall {
                        index,
                        ..told.call(call)
                    });
                }
                ChatEvent::End { finish, usage } => break (told.finish(finish, usage), usage),
                ChatEvent::Error(problem) => return Err(Failed::of_model(problem)),
            }
        };
        let said = Said::Message(Message::with(text, calls));
        let choice = Choice::of(said, Some(finish));
        let object = self.told.head.object("chat.completion", 0, Some(choice));
        Ok(Json(object.passed(usage, Some(self.told.beside))).into_response())
    }

    /// Chunks as they come; who reads slowly holds up nobody but itself.
    pub(super) fn streamed(self, wants_usage: bool) -> Response {
        let state = (Some(self), Frames::default());
        let frames = stream::unfold(state, move |(mut open, mut out)| async move {
            loop {
                if let Some(frame) = out.next() {
                    return Some((Ok::<_, Infallible>(frame), (open, out)));
                }
                let answering = open.as_mut()?;
                let event = answering.lent.next().await;
                if answering.told.tell(event, wants_usage, &mut out) {
                    open = None;
                }
            }
        });
        aion_serve::stream(frames)
    }
}

impl Told {
    fn of(model: &str, turn: u64, request: u64) -> Self {
        Self {
            head: Head::of(model).named(format!("chatcmpl-{turn}-{request}")),
            beside: Beside {
                turn,
                ..Beside::default()
            },
            calls: 0,
            withdrawn: false,
        }
    }

    /// Whether it was the last.
    fn tell(
        &mut self,
        event: Result<ChatEvent, Problem>,
        wants_usage: bool,
        out: &mut Frames,
    ) -> bool {
        let mut delta = Delta::default();
        match event {
            Ok(ChatEvent::Start { model, left_out }) => {
                self.started(model, &left_out);
                delta.role = Some("assistant");
                delta.content = Some(String::new());
                let first = self.chunk(delta, None);
                out.send(&first.beside_a_model(self.beside.clone()));
            }
            Ok(ChatEvent::Delta { text }) => {
                // What was sent cannot be taken back.
                let apart = if std::mem::take(&mut self.withdrawn) {
                    "\n\n"
                } else {
                    ""
                };
                delta.content = Some(format!("{apart}{text}"));
                out.send(&self.chunk(delta, None));
            }
            Ok(ChatEvent::Withdrawn) => self.withdrawn = true,
            Ok(ChatEvent::ToolCall(call)) => {
                delta.tool_calls = vec![self.call(call)];
                out.send(&self.chunk(delta, None));
            }
            Ok(ChatEvent::End { finish, usage }) => {
                let finish = self.finish(finish, usage);
                let last = self.chunk(delta, Some(finish));
                out.send(&last.beside_a_model(self.beside.clone()));
                if wants_usage {
                    let chunk = self.head.object(CHUNK, 0, None);
                    out.send(&chunk.passed(usage, None));
                }
                out.done();
                return true;
            }
            Ok(ChatEvent::Error(problem)) | Err(problem) => {
                out.send(&Refusal::of_model(problem));
                out.done();
                return true;
            }
        }
        false
    }

    fn started(&mut self, model: String, left_out: &[String]) {
        self.head.answers(model);
        self.beside.left_out = left_out.iter().map(|it| field(it).to_owned()).collect();
    }

    fn chunk(&self, delta: Delta, finish: Option<&'static str>) -> Object {
        let choice = Choice::of(Said::Delta(delta), finish);
        self.head.object(CHUNK, 0, Some(choice))
    }

    fn call(&mut self, call: ToolUse) -> ToolCall {
        let index = self.calls;
        self.calls += 1;
        ToolCall {
            index: Some(index),
            id: call.id,
            kind: "function",
            function: Function {
                name: call.name,
                arguments: call.arguments,
            },
        }
    }

    fn finish(&mut self, finish: Finish, usage: Usage) -> &'static str {
        self.beside.unfinished = finish == Finish::Other;
        self.beside.estimated = usage.estimated;
        match finish {
            Finish::ToolCalls => "tool_calls",
            Finish::Length => "length",
            Finish::Stop => "stop",
            // OpenAI has no word for it; clients that know only its own read on.
            Finish::Other if self.calls > 0 => "tool_calls",
            Finish::Other => "stop",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::code::Code;
    use serde_json::{Value, json};

    use super::*;

    /// What is sent of these events.
    fn told(events: Vec<Result<ChatEvent, Problem>>) -> (Vec<Value>, bool) {
        let (mut told, mut out, mut last) = (Told::of("a:auto", 7, 2), Frames::default(), false);
        for event in events {
            last = told.tell(event, true, &mut out);
        }
        let frames = std::iter::from_fn(|| out.next());
        let frames = frames.map(|it| String::from_utf8(it.to_vec()).unwrap());
        let frames = frames.map(|it| it.trim().strip_prefix("data: ").unwrap().to_owned());
        let values = frames.map(|it| serde_json::from_str(&it).unwrap_or(json!(it)));
        (values.collect(), last)
    }

    fn start(left_out: &[&str]) -> Result<ChatEvent, Problem> {
        Ok(ChatEvent::Start {
            model: "near/reed".to_owned(),
            left_out: left_out.iter().map(|&it| it.to_owned()).collect(),
        })
    }

    fn delta(text: &str) -> Result<ChatEvent, Problem> {
        let text = text.to_owned();
        Ok(ChatEvent::Delta { text })
    }

    #[test]
    fn what_was_left_out_and_what_was_no_answer_is_told() {
        let usage = Usage {
            input_tokens: 3,
            output_tokens: 2,
            estimated: true,
        };
        let finish = Finish::Other;
        let (chunks, last) = told(vec![
            start(&["tools", "toolChoice", "maxTokens", "temperatureMilli"]),
            delta("Hm"),
            Ok(ChatEvent::Withdrawn),
            delta("Felix"),
            Ok(ChatEvent::End { finish, usage }),
        ]);
        assert!(last);
        let fields = json!(["tools", "tool_choice", "max_tokens", "temperature"]);
        assert_eq!(chunks[0]["aion"]["leftOut"], fields);
        assert_eq!(chunks[0]["model"], "near/reed");
        assert_eq!(chunks[0]["id"], "chatcmpl-7-2");
        assert_eq!(
            chunks[2]["choices"][0]["delta"],
            json!({"content": "\n\nFelix"})
        );
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[3]["aion"]["unfinished"], true);
        assert_eq!(chunks[3]["aion"]["estimated"], true);
        assert_eq!(chunks[4]["choices"], json!([]));
        assert_eq!(chunks[4]["usage"]["total_tokens"], 5);
        assert_eq!(chunks[5], "[DONE]");
    }

    #[test]
    fn calls_have_an_order_and_an_answer_that_breaks_off_has_a_code() {
        let call = |id: &str| {
            Ok(ChatEvent::ToolCall(ToolUse {
                id: id.to_owned(),
                name: "level".to_owned(),
                arguments: "{}".to_owned(),
            }))
        };
        let gone = Problem::new(Code::OutcomeUnknown, "gone");
        let (chunks, last) = told(vec![start(&[]), call("a"), call("b"), Err(gone)]);
        assert!(last);
        for (nth, id) in [(0, "a"), (1, "b")] {
            let call = &chunks[nth + 1]["choices"][0]["delta"]["tool_calls"][0];
            assert_eq!((&call["index"], &call["id"]), (&json!(nth), &json!(id)));
        }
        assert_eq!(chunks[3]["error"]["code"], "outcome-unknown");
        assert_eq!(chunks[4], "[DONE]");
    }
}
