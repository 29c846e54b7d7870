//! What one frame of an answer brings. Pure. Servers put fields of their own into chunks, and null or another
//! type where one is not wanted: what is not understood is nothing, and never costs the answer.

use serde_json::Value;

use super::calls::CallPart;

/// A chunk of a stream, or a whole answer of a server that does not stream.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk {
    /// Of the answer.
    pub(super) text: String,
    /// Of what the model thinks before it answers.
    pub(super) thought: String,
    pub(super) calls: Vec<CallPart>,
    /// Why the model stopped, in the server's word.
    pub(super) finish: Option<String>,
    /// Tokens of the request and of the answer.
    pub(super) figures: Option<(u64, u64)>,
    /// What went wrong at the server.
    pub(super) error: Option<String>,
    /// Nothing follows.
    pub(super) done: bool,
}

impl Chunk {
    /// The end of a stream that says so.
    pub(super) fn done() -> Self {
        Self {
            done: true,
            ..Self::default()
        }
    }

    /// A server's error.
    pub(super) fn failed(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// Reads `frame`; nothing where it is neither an object nor null.
    pub(super) fn read(frame: &Value) -> Option<Self> {
        if frame.is_null() {
            return Some(Self::default());
        }
        frame.as_object()?;
        let mut chunk = Self {
            error: error_of(frame),
            figures: frame.get("usage").and_then(figures),
            ..Self::default()
        };
        let choices = frame["choices"].as_array();
        let first = |choice: &&Value| choice["index"].as_u64().unwrap_or(0) == 0;
        for choice in choices.into_iter().flatten().filter(first) {
            chunk.take(choice);
        }
        Some(chunk)
    }

    fn take(&mut self, choice: &Value) {
        if self.error.is_none() {
            self.error = choice.get("error").and_then(said);
        }
        // "null" and "" are ways to say that it goes on.
        let word = choice["finish_reason"].as_str().map(str::trim);
        if let Some(word) = word.filter(|word| !word.is_empty() && *word != "null") {
            self.finish = Some(word.to_owned());
        }
        let delta = [&choice["delta"], &choice["message"]]
            .into_iter()
            .find(|delta| delta.is_object());
        let Some(delta) = delta else {
            return;
        };
        self.text.push_str(&plain(&delta["content"]));
        self.text.push_str(&plain(&delta["refusal"]));
        // Where a server sends both, they say the same.
        let thought = [
            "reasoning_content",
            "reasoning",
            "reasoning_text",
            "thinking",
        ]
        .into_iter()
        .map(|name| plain(&delta[name]))
        .find(|thought| !thought.is_empty());
        self.thought.push_str(&thought.unwrap_or_default());
        self.thought.push_str(&thoughts(&delta["content"]));
        let parts = delta["tool_calls"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let calls = parts.iter().enumerate();
        let several = parts.len() > 1;
        self.calls.extend(
            calls.map(|(position, part)| CallPart::read(part, several.then_some(position))),
        );
        if delta["function_call"].is_object() {
            self.calls
                .push(CallPart::of_function(&delta["function_call"]));
        }
    }
}

/// The error that `frame` is, in one of the forms that servers have.
fn error_of(frame: &Value) -> Option<String> {
    let error = frame.get("error").and_then(said);
    let flat = || frame.get("error_message").and_then(said);
    let whole = || {
        let is_error = frame["object"] == "error" || frame.get("choices").is_none();
        let message = frame.get("message").or_else(|| frame.get("detail"));
        message.filter(|_| is_error).and_then(said)
    };
    error.or_else(flat).or_else(whole)
}

/// The words of an error, or all of it where it has none.
fn said(error: &Value) -> Option<String> {
    if matches!(error, Value::Null | Value::Bool(false)) {
        return None;
    }
    let message = error.get("message").unwrap_or(error);
    Some(match message.as_str() {
        Some(text) => text.to_owned(),
        None => error.to_string(),
    })
}

/// Nothing where one is missing, and where both are nought, as in chunks of servers that do not count.
fn figures(usage: &Value) -> Option<(u64, u64)> {
    let input = usage["prompt_tokens"].as_u64()?;
    let output = usage["completion_tokens"].as_u64()?;
    (input + output > 0).then_some((input, output))
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

/// Parts of the content that are thoughts: `{"type": "thinking", "thinking": …}`.
fn thoughts(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten();
    parts.map(|part| plain(&part["thinking"])).collect()
}
