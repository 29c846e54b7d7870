//! From the bytes that a server writes to its standard output to messages. Pure, so that any split of a stream gives
//! the same messages.
//!
//! The protocol says one JSON-RPC message a line and nothing else. Servers also write banners and logs there, put a
//! banner before a message on its line, answer with `"error": null` beside the result, leave `jsonrpc` out, and send
//! several messages as an array (which revision 2025-03-26 allowed). What may not enter: what a message means.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

/// Of a line that is too long so much is looked at for whose answer it is, at its beginning and at its end, in bytes.
const LOOKED_AT: usize = 1024;
/// The most messages of one array.
const MAX_BATCH: usize = 1024;

/// Bytes in, messages out.
pub(super) struct Reader {
    line: Vec<u8>,
    /// The longest line, in bytes.
    longest: usize,
    /// The end of a line that was too long, while it goes on; its beginning is in `line`.
    beyond: Option<Beyond>,
    messages: VecDeque<Value>,
}

struct Beyond {
    bytes: usize,
    tail: VecDeque<u8>,
}

impl Reader {
    pub(super) fn new(longest: usize) -> Self {
        Self {
            line: Vec::new(),
            longest,
            beyond: None,
            messages: VecDeque::new(),
        }
    }

    /// Takes in what was read.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    /// The stream ended: a last line need not.
    pub(super) fn end(&mut self) {
        self.end_line();
    }

    /// The next message, where one is whole.
    pub(super) fn next(&mut self) -> Option<Value> {
        self.messages.pop_front()
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(beyond) = &mut self.beyond {
            beyond.add(bytes);
        } else if self.line.len() + bytes.len() > self.longest {
            let room = self.longest - self.line.len();
            self.line.extend_from_slice(&bytes[..room]);
            let mut beyond = Beyond {
                bytes: self.line.len(),
                tail: VecDeque::new(),
            };
            beyond.add(&bytes[room..]);
            self.line.truncate(LOOKED_AT);
            self.line.shrink_to_fit();
            self.beyond = Some(beyond);
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match self.beyond.take() {
            Some(beyond) => {
                let (bytes, longest) = (beyond.bytes, self.longest);
                let tail: Vec<u8> = beyond.tail.into();
                if let Some(id) = id_at_the_beginning(&line).or_else(|| id_at_the_end(&tail)) {
                    let text = format!(
                        "its answer has {bytes} bytes, and a message at most {longest}: ask for less"
                    );
                    self.messages.push_back(json!({
                        "jsonrpc": "2.0", "id": id, "error": {"code": TOO_LONG, "message": text},
                    }));
                } else {
                    tracing::warn!(
                        bytes,
                        "a line that is longer than a message may be is passed over"
                    );
                }
            }
            None => self.messages.extend(messages(&line)),
        }
    }
}

/// The code of the error that stands for an answer that is too long.
pub(super) const TOO_LONG: i32 = -32_099;

impl Beyond {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let kept = &bytes[bytes.len().saturating_sub(LOOKED_AT)..];
        let over = (self.tail.len() + kept.len()).saturating_sub(LOOKED_AT);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend(kept);
    }
}

/// The messages of a line; none where it is chatter.
fn messages(line: &[u8]) -> Vec<Value> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    // Text that is not UTF-8 is in the wrong encoding: it is better read with marks than not at all.
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let value = serde_json::from_str(text).ok().or_else(|| {
        // A banner that did not end its line.
        let at = text
            .find("{\"jsonrpc\"")
            .or_else(|| text.find("{ \"jsonrpc\""))?;
        serde_json::from_str(&text[at..]).ok()
    });
    match value {
        Some(Value::Object(message)) => normal(message).into_iter().collect(),
        Some(Value::Array(batch)) => {
            let objects = batch.into_iter().take(MAX_BATCH);
            objects
                .filter_map(|it| match it {
                    Value::Object(message) => normal(message),
                    _ => None,
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// A message as the protocol writes it; `None` for an object that is none, such as a line of a log.
fn normal(mut message: Map<String, Value>) -> Option<Value> {
    let is =
        |key: &str, message: &Map<String, Value>| message.get(key).is_some_and(|it| !it.is_null());
    let (method, id) = (is("method", &message), is("id", &message));
    if message.get("error").is_some_and(Value::is_null) {
        message.remove("error");
    }
    let answers = message.contains_key("result") || message.contains_key("error");
    if method {
        message.remove("result");
        message.remove("error");
        if !id {
            message.remove("id");
        }
    } else if !answers {
        return None;
    } else {
        message.remove("method");
        if message.contains_key("error") {
            message.remove("result");
        }
        // "complete" is what an absent type means, and with it a result of unknown form is taken for an empty one.
        if let Some(Value::Object(result)) = message.get_mut("result")
            && result.get("resultType").and_then(Value::as_str) == Some("complete")
        {
            result.remove("resultType");
        }
    }
    message.insert("jsonrpc".to_owned(), json!("2.0"));
    Some(Value::Object(message))
}

/// `{"jsonrpc":"2.0","id":7,"result":…`, however long what follows is.
fn id_at_the_beginning(line: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(line);
    let before = &text[..text.find("\"result\"").or_else(|| text.find("\"error\""))?];
    let (_, after) = before.split_once("\"id\"")?;
    id(after.trim_start().strip_prefix(':')?)
}

/// `…},"id":7,"jsonrpc":"2.0"}`.
fn id_at_the_end(tail: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(tail);
    let (_, after) = text.rsplit_once("\"id\"")?;
    // Not an id inside the result: nothing is nested behind it.
    let after = after.trim_start().strip_prefix(':')?;
    (after.matches('}').count() == 1).then(|| id(after))?
}

fn id(text: &str) -> Option<Value> {
    let end = text.find([',', '}'])?;
    let id: Value = serde_json::from_str(text[..end].trim()).ok()?;
    (id.is_string() || id.is_number()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]], longest: usize) -> Vec<Value> {
        let mut reader = Reader::new(longest);
        for chunk in chunks {
            reader.push(chunk);
        }
        reader.end();
        std::iter::from_fn(|| reader.next()).collect()
    }

    fn one(line: &str) -> Vec<Value> {
        read(&[line.as_bytes()], 4096)
    }

    #[test]
    fn chatter_is_passed_over_and_messages_are_made_normal() {
        for chatter in [
            "",
            "ready",
            "[1, 2]",
            "{\"level\":\"info\",\"msg\":\"up\"}",
            "null",
            "\u{1b}[2mup",
            "{\"id\":1",
        ] {
            assert!(one(chatter).is_empty(), "{chatter}");
        }
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}});
        for odd in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":1},"error":null}"#,
            r#"{"id":1,"result":{"a":1}}"#,
            "\u{feff}{\"id\":1,\"result\":{\"a\":1}}\r\n",
            r#"Server up on 8.1 {"jsonrpc":"2.0","id":1,"result":{"a":1}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":{"a":1}}]"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"resultType":"complete"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{"a":1}}"#,
        ] {
            assert_eq!(one(odd), std::slice::from_ref(&answer), "{odd}");
        }
        let told = json!({"jsonrpc": "2.0", "method": "notifications/message"});
        assert_eq!(
            one(r#"{"method":"notifications/message","id":null}"#),
            [told]
        );
    }

    #[test]
    fn an_answer_that_is_too_long_is_answered_with_that() {
        let long = "x".repeat(5000);
        for line in [
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"text":"{long}"}}}}"#),
            format!(r#"{{"result":{{"id":{{"a":2}},"text":"{long}"}},"id":7,"jsonrpc":"2.0"}}"#),
        ] {
            let told = one(&line);
            assert_eq!(told[0]["id"], 7, "{told:?}");
            let message = told[0]["error"]["message"].as_str().unwrap_or_default();
            assert!(
                message.contains(&format!("has {} bytes", line.len())),
                "{message}"
            );
        }
        assert!(one(&long).is_empty());
        let after = format!("{long}\n{{\"id\":1,\"result\":{{}}}}\n");
        assert_eq!(one(&after).len(), 1, "what follows is read");
    }

    /// 2,000 streams of the shapes above, each split at random places.
    #[test]
    fn any_split_of_a_stream_gives_the_same_messages() {
        let mut random = fastrand::Rng::with_seed(15);
        let mut split = 0;
        for _ in 0..2_000 {
            let mut stream = Vec::new();
            for id in 0..random.usize(1..6) {
                let text = ["é", "\u{4e2d}", "plain", "\u{1f980}\\n"][random.usize(..4)]
                    .repeat(random.usize(0..60));
                let line = match random.u8(..6) {
                    0 => format!("log {text}"),
                    1 => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"text":"{text}"}}}}"#),
                    2 => format!(
                        r#"[{{"id":{id},"result":{{}}}},{{"method":"m","params":{{"t":"{text}"}}}}]"#
                    ),
                    3 => format!(
                        "\u{feff}{{\"id\":\"{id}\",\"result\":null,\"error\":{{\"code\":1,\"message\":\"{text}\"}}}}"
                    ),
                    4 => format!(r#"up {{"jsonrpc":"2.0","method":"ping","id":{id}}}"#),
                    _ => String::new(),
                };
                stream.extend_from_slice(line.as_bytes());
                stream.extend_from_slice(if random.bool() { b"\n" } else { b"\r\n" });
            }
            let whole = read(&[&stream], 300);
            let mut chunks: Vec<&[u8]> = Vec::new();
            let mut rest = stream.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(random.usize(1..=rest.len().min(40)));
                chunks.push(chunk);
                rest = after;
            }
            split += chunks.len();
            assert_eq!(
                read(&chunks, 300),
                whole,
                "{:?}",
                String::from_utf8_lossy(&stream)
            );
        }
        println!("2000 streams, {split} chunks");
    }

    /// Bytes of no form at all: it neither panics nor keeps more than a message's length.
    #[test]
    fn noise_is_read_without_end() {
        let mut random = fastrand::Rng::with_seed(16);
        let alphabet = b"{}[]\",:\\\n\r\xff\xf0ab01 id result error jsonrpc method null";
        for _ in 0..2_000 {
            let mut reader = Reader::new(64);
            for _ in 0..random.usize(..20) {
                let noise: Vec<u8> = (0..random.usize(..40))
                    .map(|_| alphabet[random.usize(..alphabet.len())])
                    .collect();
                reader.push(&noise);
                assert!(reader.line.len() <= LOOKED_AT);
            }
            reader.end();
            while reader.next().is_some() {}
        }
    }
}
