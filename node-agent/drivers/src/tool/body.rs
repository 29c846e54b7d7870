//! From the bytes of an HTTP body to its messages, wherever the network cut them: server-sent events, or one JSON
//! document. Pure. What it is, its first byte says, since servers are wrong about the content type both ways.
//!
//! Of an event only its data, its id and `retry` are looked at: a server that calls an error's event `error` means the
//! error. What may not enter: what a message holds (`message`), which request it answers (`http`).

use std::collections::VecDeque;

use serde_json::Value;

use super::message::messages;
use crate::wire::{BOM, Lines, field, plain_of_html};

/// The most of an odd body that is repeated to people.
const MAX_TOLD: usize = 200;
/// The longest id of an event, in bytes: it is kept, and sent back.
const MAX_ID: usize = 1024;

/// A part of a body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// What an event holds. One of no message still has an id to go on from.
    Event {
        messages: Vec<Value>,
        id: Option<String>,
        retry: Option<u64>,
    },
    /// An event or a document that is too long; as many bytes of it came.
    TooLong(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Unknown,
    Events,
    Whole,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Body {
    shape: Shape,
    longest: usize,
    /// A document, or the beginning of a body.
    whole: Vec<u8>,
    lines: Lines,
    /// The event under way.
    data: Vec<u8>,
    id: Option<String>,
    retry: Option<u64>,
    /// Bytes of what is too long, until it ends.
    beyond: usize,
    /// The beginning of what is no message.
    odd: String,
    ready: VecDeque<Part>,
}

impl Body {
    /// Messages of `longest` bytes at most.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            shape: Shape::Unknown,
            longest,
            whole: Vec::new(),
            lines: Lines::default(),
            data: Vec::new(),
            id: None,
            retry: None,
            beyond: 0,
            odd: String::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes in what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.shape {
            Shape::Unknown => self.begin(bytes),
            Shape::Events => self.events(bytes),
            Shape::Whole => self.document(bytes),
        }
    }

    /// Nothing more comes. An event that was not ended is taken all the same.
    pub(super) fn end(&mut self) {
        match self.shape {
            Shape::Whole => self.end_document(),
            Shape::Unknown | Shape::Events => {
                let rest = self.lines.take();
                if self.beyond == 0 {
                    self.line(&rest);
                }
                self.end_event();
            }
        }
    }

    /// The next part that is whole.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.ready.pop_front()
    }

    /// What came that is no message, as far as it is told to people.
    pub(super) fn odd(&self) -> &str {
        &self.odd
    }

    fn begin(&mut self, bytes: &[u8]) {
        self.whole.extend_from_slice(bytes);
        if BOM.starts_with(&self.whole) {
            return;
        }
        let text = self.whole.strip_prefix(BOM).unwrap_or(&self.whole);
        let text = text.trim_ascii_start();
        let Some(first) = text.first() else {
            // Blank lines before it are no part of it.
            if self.whole.len() > self.longest {
                self.whole.clear();
            }
            return;
        };
        self.shape = match first {
            b'{' | b'[' | b'<' => Shape::Whole,
            _ => Shape::Events,
        };
        let text = text.to_vec();
        self.whole.clear();
        self.push(&text);
    }

    fn document(&mut self, bytes: &[u8]) {
        if self.beyond > 0 || self.whole.len() + bytes.len() > self.longest {
            self.beyond += self.whole.len() + bytes.len();
            self.whole = Vec::new();
        } else {
            self.whole.extend_from_slice(bytes);
        }
    }

    fn end_document(&mut self) {
        if self.beyond > 0 {
            self.ready.push_back(Part::TooLong(self.beyond));
            return;
        }
        let whole = std::mem::take(&mut self.whole);
        let mut messages = messages(&whole);
        if messages.is_empty() {
            // One a line, as over pipes.
            messages = whole
                .split(|it| *it == b'\n')
                .flat_map(self::messages)
                .collect();
        }
        if messages.is_empty() {
            self.note_odd(&whole);
        } else {
            self.tell(messages);
        }
    }

    fn events(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line| {
            if self.beyond > 0 {
                // The end of a line that was too long.
                self.beyond += line.len();
                self.ready.push_back(Part::TooLong(self.beyond));
                self.beyond = 0;
                self.data = Vec::new();
            } else {
                self.line(line);
            }
        });
        let pending = lines.pending();
        if self.beyond > 0 || pending + self.data.len() > self.longest {
            self.beyond += pending + std::mem::take(&mut self.data).len();
            lines.take();
        }
        self.lines = lines;
    }

    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.end_event();
        }
        let (name, value) = field(line);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => self.add(value),
            // With a zero byte in it, it is none by the norm.
            b"id" if value.len() <= MAX_ID && !value.contains(&0) => self.id = Some(text()),
            b"retry" => self.retry = text().parse().ok().or(self.retry),
            b"" | b"id" | b"event" => {}
            _ => match messages(line) {
                // A message that is no event at all.
                all if !all.is_empty() => self.tell(all),
                _ => self.note_odd(line),
            },
        }
    }

    /// Data that are a message do not wait for the empty line, which some servers leave out or send late.
    fn add(&mut self, value: &[u8]) {
        if self.data.is_empty() {
            if serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok() {
                let all = messages(value);
                if !all.is_empty() {
                    return self.tell(all);
                }
            }
        } else {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    fn end_event(&mut self) {
        let data = std::mem::take(&mut self.data);
        let messages = messages(&data);
        if messages.is_empty() && !data.is_empty() {
            self.note_odd(&data);
        }
        if self.id.is_some() || self.retry.is_some() || !messages.is_empty() {
            self.tell(messages);
        }
    }

    fn tell(&mut self, messages: Vec<Value>) {
        self.ready.push_back(Part::Event {
            messages,
            id: self.id.take(),
            retry: self.retry.take(),
        });
    }

    fn note_odd(&mut self, bytes: &[u8]) {
        if self.odd.len() >= MAX_TOLD || bytes == b"[DONE]" {
            return;
        }
        let bytes = &bytes[..bytes.len().min(16 * MAX_TOLD)];
        let text = String::from_utf8_lossy(bytes);
        let text = match bytes.first() {
            Some(b'<') => plain_of_html(&text),
            _ => text.into_owned(),
        };
        for word in text.split_whitespace() {
            if !self.odd.is_empty() {
                self.odd.push(' ');
            }
            self.odd.push_str(word);
            if self.odd.len() >= MAX_TOLD {
                break;
            }
        }
        self.odd.truncate(self.odd.floor_char_boundary(MAX_TOLD));
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
