//! Chat completions in the two forms that clients ask for: one JSON object, or
//! server-sent events that end with `[DONE]`.

use std::{io, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::ScriptedCall;

/// The same in every chunk of an answer.
const ID: &str = "chatcmpl-fake";

/// What the model says, in pieces.
pub(super) struct Spoken {
    /// Each with the white space behind it: together they are the text again.
    words: Vec<String>,
    calls: Vec<ScriptedCall>,
    pause: Duration,
    cut: bool,
}

impl Spoken {
    pub(super) fn text(text: &str) -> Self {
        let words = text
            .split_inclusive(char::is_whitespace)
            .map(str::to_owned)
            .collect();
        Self {
            words,
            calls: Vec::new(),
            pause: Duration::ZERO,
            cut: false,
        }
    }

    pub(super) fn calls(calls: Vec<ScriptedCall>) -> Self {
        Self {
            calls,
            ..Self::text("")
        }
    }

    pub(super) fn paced(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Only its first words, then a dropped connection.
    pub(super) fn cut(mut self, words: usize) -> Self {
        self.words.truncate(words);
        self.cut = true;
        self
    }

    pub(super) async fn whole(self, body: &Value) -> Response {
        tokio::time::sleep(self.pause * u32::try_from(self.words.len()).unwrap_or(u32::MAX)).await;
        if self.cut {
            return frames(
                "application/json",
                vec![format!("{{\"id\": \"{ID}\", ")],
                true,
                self.pause,
            );
        }
        let mut message = json!({"role": "assistant", "content": self.words.concat()});
        if !self.calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = self
                .calls
                .iter()
                .enumerate()
                .map(|(index, call)| tool_call(index, call))
                .collect();
        }
        Json(json!({
            "id": ID,
            "object": "chat.completion",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish()}],
            "usage": self.usage(body),
        }))
        .into_response()
    }

    pub(super) fn streamed(self, body: &Value) -> Response {
        let chunk = |delta: Value, finish: Value| {
            event(
                body,
                &json!([{"index": 0, "delta": delta, "finish_reason": finish}]),
                Value::Null,
            )
        };
        let mut events = vec![chunk(
            json!({"role": "assistant", "content": ""}),
            Value::Null,
        )];
        for word in &self.words {
            events.push(chunk(json!({"content": word}), Value::Null));
        }
        for (index, call) in self.calls.iter().enumerate() {
            for piece in pieces(index, call) {
                events.push(chunk(json!({"tool_calls": [piece]}), Value::Null));
            }
        }
        if !self.cut {
            events.push(chunk(json!({}), self.finish().into()));
            if body["stream_options"]["include_usage"] == true {
                events.push(event(body, &json!([]), self.usage(body)));
            }
            events.push("data: [DONE]\n\n".to_owned());
        }
        frames("text/event-stream", events, self.cut, self.pause)
    }

    fn finish(&self) -> &'static str {
        if self.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        }
    }

    /// A token is a word here.
    fn usage(&self, body: &Value) -> Value {
        let prompt: usize = body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|message| message["content"].as_str())
            .map(|content| content.split_whitespace().count())
            .sum();
        let completion = self.words.len() + self.calls.len();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        })
    }
}

fn event(body: &Value, choices: &Value, usage: Value) -> String {
    let mut chunk = json!({
        "id": ID,
        "object": "chat.completion.chunk",
        "model": body["model"],
        "choices": choices,
    });
    if !usage.is_null() {
        chunk["usage"] = usage;
    }
    format!("data: {chunk}\n\n")
}

/// A body in pieces. After a cut hyper drops the connection without its end.
fn frames(kind: &'static str, pieces: Vec<String>, cut: bool, pause: Duration) -> Response {
    let end = cut.then(|| Err(io::Error::other("cut")));
    let pieces = stream::iter(
        pieces
            .into_iter()
            .map(|piece| Ok(Bytes::from(piece)))
            .chain(end),
    )
    .then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}

fn tool_call(index: usize, call: &ScriptedCall) -> Value {
    json!({
        "id": format!("call_{index}"),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// A call as providers stream it: its name first, then its arguments in fragments
/// that are not JSON by themselves.
fn pieces(index: usize, call: &ScriptedCall) -> [Value; 3] {
    let named = ScriptedCall {
        name: call.name.clone(),
        arguments: String::new(),
    };
    let mut first = tool_call(index, &named);
    first["index"] = index.into();
    let half = call.arguments.chars().count().div_ceil(2);
    let fragment =
        |arguments: String| json!({"index": index, "function": {"arguments": arguments}});
    let left = call.arguments.chars().take(half).collect();
    let right = call.arguments.chars().skip(half).collect();
    [first, fragment(left), fragment(right)]
}
