//! From the bytes that a server writes to its standard output to messages. Pure, so that any split of a stream gives
//! the same messages.
//!
//! The protocol says one JSON-RPC message a line and nothing else. What may not enter: what a line holds (`message`).

use std::collections::VecDeque;

use serde_json::Value;

use super::message::{id_at_the_beginning, id_at_the_end, messages, too_long};

/// Of a line that is too long so much is looked at for whose answer it is, at its beginning and at its end, in bytes.
const LOOKED_AT: usize = 1024;

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
                    self.messages.push_back(too_long(id, bytes, longest));
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

impl Beyond {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let kept = &bytes[bytes.len().saturating_sub(LOOKED_AT)..];
        let over = (self.tail.len() + kept.len()).saturating_sub(LOOKED_AT);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend(kept);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
