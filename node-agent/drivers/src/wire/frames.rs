//! From the bytes of an answer to its frames, wherever the network cut them: server-sent events, or one JSON
//! body. Pure. What it is, its first byte says: servers are wrong about the content type both ways.

use std::collections::VecDeque;

use serde_json::Value;

use super::{BOM, Lines, field, json, plain_of_html};

/// The most bytes of one event, which is held as a whole, and of an answer that is not streamed.
const MAX_EVENT: usize = 8 * 1024 * 1024;
/// The most of an odd answer that is repeated to people.
const MAX_TOLD: usize = 200;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// The data of an event, or the whole body.
    Data(Value),
    /// An error that is not JSON.
    Error(String),
    /// `[DONE]`, or the end of a whole body.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Unknown,
    Stream,
    Whole,
}

/// What has come of an answer and is not given out yet.
#[derive(Debug)]
pub(crate) struct Frames {
    shape: Shape,
    /// A body that is no stream, or its beginning.
    body: Vec<u8>,
    lines: Lines,
    /// The name of the event under way, and its data where they take several lines.
    error: bool,
    data: Vec<u8>,
    /// The beginning of the first line that is none of a stream.
    odd: Option<String>,
    ready: VecDeque<Result<Frame, String>>,
    too_long: bool,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            shape: Shape::Unknown,
            body: Vec::new(),
            lines: Lines::default(),
            error: false,
            data: Vec::new(),
            odd: None,
            ready: VecDeque::new(),
            too_long: false,
        }
    }

    /// The next frame that is whole, or why there can be none.
    pub(crate) fn next(&mut self) -> Option<Result<Frame, String>> {
        self.ready.pop_front()
    }

    /// Whether a part of it was longer than is taken.
    pub(crate) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// Takes in what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self.shape {
            Shape::Unknown => self.begin(bytes),
            Shape::Stream => self.lines(bytes),
            Shape::Whole => self.body.extend_from_slice(bytes),
        }
        if self.body.len() + self.lines.pending() + self.data.len() > MAX_EVENT {
            self.too_long = true;
            self.body.clear();
            self.lines.take();
            self.data.clear();
            self.ready
                .push_back(Err("one part of it is longer than is taken".to_owned()));
        }
    }

    /// Nothing more comes. An event that was not ended is given out where its data are whole.
    pub(crate) fn end(&mut self) {
        match self.shape {
            Shape::Whole => {
                let rest = std::mem::take(&mut self.body);
                let whole = match json(&rest) {
                    Ok(value) => Ok(Frame::Data(value)),
                    Err(_) if rest.starts_with(b"<") => Err(format!(
                        "it is a web page, {:?}",
                        page_text(&String::from_utf8_lossy(&rest))
                    )),
                    Err(error) => Err(error),
                };
                let good = whole.is_ok();
                self.ready.push_back(whole);
                if good {
                    self.ready.push_back(Ok(Frame::Done));
                }
            }
            Shape::Unknown | Shape::Stream => {
                let rest = self.lines.take();
                self.take_line(&rest);
                let data = std::mem::take(&mut self.data);
                if self.error || json(&data).is_ok() {
                    self.data = data;
                    self.dispatch();
                }
            }
        }
    }

    /// What came instead of a stream, where it was something.
    pub(crate) fn odd(&self) -> Option<&str> {
        self.odd.as_deref()
    }

    fn begin(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
        if BOM.starts_with(&self.body) {
            return;
        }
        let text = self.body.strip_prefix(BOM).unwrap_or(&self.body);
        let text = text.trim_ascii_start();
        let Some(first) = text.first() else {
            return;
        };
        self.shape = match first {
            b'{' | b'[' | b'<' => Shape::Whole,
            _ => Shape::Stream,
        };
        let text = text.to_vec();
        self.body.clear();
        match self.shape {
            Shape::Whole => self.body = text,
            _ => self.lines(&text),
        }
    }

    fn lines(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line| self.take_line(line));
        self.lines = lines;
    }

    fn take_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = field(line);
        match name {
            b"data" => self.take_data(value),
            b"event" => self.error = value == b"error",
            // A field of llama.cpp's own.
            b"error" => {
                self.error = true;
                self.take_data(value);
            }
            b"" | b"id" | b"retry" => {}
            _ if self.odd.is_none() => self.odd = Some(told(&String::from_utf8_lossy(line))),
            _ => {}
        }
    }

    /// Data that are whole in one line do not wait for the empty line, which some servers leave out.
    fn take_data(&mut self, value: &[u8]) {
        if self.data.is_empty() {
            if value.is_empty() {
                return;
            }
            if value == b"[DONE]" {
                self.ready.push_back(Ok(Frame::Done));
                return;
            }
            if let Ok(value) = json(value) {
                let frame = match value {
                    Value::String(text) if self.error => Frame::Error(text),
                    value => Frame::Data(value),
                };
                self.ready.push_back(Ok(frame));
                return;
            }
        } else {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    fn dispatch(&mut self) {
        let error = std::mem::take(&mut self.error);
        let data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return;
        }
        self.ready.push_back(match json(&data) {
            Ok(value) => Ok(Frame::Data(value)),
            Err(_) if error => Ok(Frame::Error(told(&String::from_utf8_lossy(&data)))),
            Err(why) => Err(why),
        });
    }
}

/// On one line, and no more of it than helps.
fn told(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.floor_char_boundary(MAX_TOLD));
    line
}

/// What a page of HTML says: its text without its tags, scripts and styles.
fn page_text(html: &str) -> String {
    told(&plain_of_html(html))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Result<Frame, String>> {
        let mut frames = Frames::new();
        for piece in pieces {
            frames.push(piece);
        }
        frames.end();
        std::iter::from_fn(|| frames.next()).collect()
    }

    /// An event's data, and how its lines are written.
    fn events() -> impl Strategy<Value = (Vec<Value>, Vec<u8>)> {
        let text = proptest::collection::vec(any::<char>(), 0..12)
            .prop_map(|all| all.into_iter().collect::<String>());
        let event = (text, 0..6_usize);
        (
            proptest::collection::vec(event, 0..12),
            prop::sample::select(vec!["\n", "\r\n", "\r"]),
            any::<bool>(),
        )
            .prop_map(|(events, line, bom)| {
                let mut bytes = if bom { BOM.to_vec() } else { Vec::new() };
                let mut values = Vec::new();
                for (text, form) in events {
                    let value = json!({ "said": text });
                    let said = value.to_string();
                    let written = match form {
                        0 => format!("data:{said}{line}{line}"),
                        1 => format!(": wait{line}{line}data: {said}{line}{line}"),
                        2 => format!("id: 7{line}event: chunk{line}data: {said}{line}{line}"),
                        3 => format!("data: {said}{line}"),
                        4 => {
                            let (head, tail) = said.split_at(1);
                            format!("data: {head}{line}data: {tail}{line}{line}")
                        }
                        _ => format!("retry: 10{line}{line}{line}data: {said}{line}{line}"),
                    };
                    bytes.extend_from_slice(written.as_bytes());
                    values.push(value);
                }
                (values, bytes)
            })
    }

    proptest! {
        #[test]
        fn a_stream_says_the_same_wherever_it_is_cut(
            (values, bytes) in events(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let expected: Vec<_> = values.into_iter().map(|value| Ok(Frame::Data(value))).collect();
            prop_assert_eq!(read(&pieces), expected);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&[&bytes]);
        }
    }

    #[test]
    fn half_a_character_does_not_cost_the_answer() {
        let said = |bytes: &[u8]| match read(&[b"data: ", bytes, b"\n\n"]).remove(0).unwrap() {
            Frame::Data(value) => value["said"].as_str().unwrap().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(said(br#"{"said":"a\ud83d"}"#), "a\u{fffd}");
        assert_eq!(said(br#"{"said":"\ude00b\\u0041"}"#), "\u{fffd}b\\u0041");
        assert_eq!(said(br#"{"said":"\ud83d\ude00\ud83d"}"#), "😀\u{fffd}");
        assert_eq!(said(b"{\"said\":\"caf\xc3\"}"), "caf\u{fffd}");
    }

    #[test]
    fn what_is_no_stream_is_told_apart() {
        let whole = read(&[b"\n{\"said\":", b" 1}"]);
        assert_eq!(
            whole,
            [Ok(Frame::Data(json!({"said": 1}))), Ok(Frame::Done)]
        );
        let page =
            read(&[b"<!doctype html><title>Sign in</title><script>x()</script><p>to the mill"]);
        assert_eq!(
            page[0].clone().unwrap_err(),
            r#"it is a web page, "Sign in to the mill""#
        );
        let named = read(&[b"event: error\ndata: the mill stands still\n\n"]);
        assert_eq!(
            named,
            [Ok(Frame::Error("the mill stands still".to_owned()))]
        );
        let own = read(&[b"error: {\"code\":500}\n\n"]);
        assert_eq!(own, [Ok(Frame::Data(json!({"code": 500})))]);
        assert!(read(&[b"data: {\"cut\": \"in the mid"]).is_empty());
        assert!(read(&[b"data: no json\n\n"])[0].is_err());
    }
}
