//! The body of an answer over HTTP, as the events of a clean stream that the library reads, and without the key. What
//! may not enter: what a status means (`refused`), and how a request is sent (`http`).

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use rmcp::transport::streamable_http_client::{SseError, StreamableHttpPostResponse};
use serde_json::Value;
use sse_stream::Sse;

use crate::secrets::Secret;

use super::{
    body::{Body, Part},
    message::{is_answer, no_answer, not_usable, same_id, too_long},
    pages::Awaited,
};

pub(super) type Events = BoxStream<'static, Result<Sse, SseError>>;

/// The shortest key that is struck out of what a server says, in bytes.
const SHORTEST_KEY: usize = 8;

/// A request that is answered.
pub(super) struct Asked {
    pub(super) id: Value,
    /// Whether it is the newest revision's greeting.
    pub(super) discovers: bool,
    /// Whether it asks for operations.
    pub(super) lists: bool,
}

/// A body that is read.
pub(super) struct Reading {
    bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    body: Body,
    longest: usize,
    key: Option<Arc<Secret>>,
    /// What is asked and not answered yet.
    asked: Option<Asked>,
    /// The pages that are waited for, in whichever stream they come.
    pages: Awaited,
    /// It can be gone on with where it breaks off.
    resumable: bool,
    ready: std::vec::IntoIter<Sse>,
    ended: bool,
}

impl Reading {
    pub(super) fn new(
        bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
        longest: usize,
        key: Option<Arc<Secret>>,
        asked: Option<Asked>,
        pages: Awaited,
    ) -> Self {
        Self {
            bytes,
            body: Body::new(longest),
            longest,
            key,
            asked,
            pages,
            resumable: false,
            ready: Vec::new().into_iter(),
            ended: false,
        }
    }

    /// Whether anything comes at all: a body that is empty need not say so by its length.
    pub(super) async fn begins(&mut self) -> bool {
        while let Some(Ok(bytes)) = self.bytes.next().await {
            self.body.push(&bytes);
            if !bytes.trim_ascii().is_empty() {
                return true;
            }
        }
        false
    }

    /// A page of operations, in one piece where nothing but it comes: of a stream that ends at once the library may not
    /// learn the headers of operations.
    pub(super) async fn page(mut self, session: Option<String>) -> StreamableHttpPostResponse {
        let mut before = Vec::new();
        while let Some(event) = self.next().await {
            let answer = event.as_ref().ok().and_then(|it| it.data.as_deref());
            if let (Some(answer), true) = (answer, self.asked.is_none()) {
                let alone = before.iter().all(is_without_message) && self.ready.len() == 0;
                if let (true, Ok(answer)) = (alone, serde_json::from_str(answer)) {
                    return StreamableHttpPostResponse::Json(answer, session);
                }
            }
            let ends = self.asked.is_none() || event.is_err();
            before.push(event);
            if ends {
                break;
            }
        }
        let events = futures::stream::iter(before).chain(self.events());
        StreamableHttpPostResponse::Sse(events.boxed(), session)
    }

    /// Its messages as the library takes them in, each an event of a clean stream.
    pub(super) fn events(self) -> Events {
        let next = |mut reading: Self| async move {
            let event = reading.next().await?;
            Some((event, reading))
        };
        futures::stream::unfold(self, next).boxed()
    }

    async fn next(&mut self) -> Option<Result<Sse, SseError>> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some(Ok(event));
            }
            if let Some(part) = self.body.next() {
                self.ready = self.clean(part).into_iter();
                continue;
            }
            if self.ended {
                return None;
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.body.push(&bytes),
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(SseError::Body(Box::new(error))));
                }
                None => {
                    self.ended = true;
                    self.body.end();
                    let parts: Vec<Part> = std::iter::from_fn(|| self.body.next()).collect();
                    let mut rest: Vec<Sse> = Vec::new();
                    for part in parts {
                        rest.extend(self.clean(part));
                    }
                    rest.extend(self.unanswered());
                    self.ready = rest.into_iter();
                }
            }
        }
    }

    fn clean(&mut self, part: Part) -> Vec<Sse> {
        let (messages, id, retry) = match part {
            Part::Event {
                messages,
                id,
                retry,
            } => (messages, id, retry),
            Part::TooLong(bytes) => match self.asked.take() {
                Some(asked) => (vec![too_long(asked.id, bytes, self.longest)], None, None),
                None => {
                    tracing::warn!(
                        bytes,
                        "an event that is longer than a message may be is passed over"
                    );
                    (Vec::new(), None, None)
                }
            },
        };
        self.resumable |= id.as_deref().is_some_and(|id| !id.is_empty());
        let mut events: Vec<Sse> = messages
            .into_iter()
            .map(|message| {
                let mut message = self.answering(message);
                strike_out(self.key.as_deref(), &mut message);
                Sse::default().data(message.to_string())
            })
            .collect();
        if id.is_some() || retry.is_some() {
            if events.is_empty() {
                events.push(Sse::default());
            }
            if let Some(last) = events.last_mut() {
                (last.id, last.retry) = (id, retry);
            }
        }
        events
    }

    /// An answer that names no request is of the one that was asked here.
    fn answering(&mut self, mut message: Value) -> Value {
        if !is_answer(&message) {
            return message;
        }
        if let Some(asked) = &self.asked {
            if message.get("id").is_none_or(Value::is_null) {
                message["id"] = asked.id.clone();
            }
            if same_id(&message["id"], &asked.id) {
                message["id"] = asked.id.clone();
                self.asked = None;
            }
        }
        self.pages.pack(&mut message);
        message
    }

    /// A whole body was read, and nothing of it answers. One that broke off is the library's to tell.
    fn unanswered(&mut self) -> Option<Sse> {
        let odd = unsaid(self.key.as_deref(), self.body.odd().to_owned());
        let asked = self.asked.take_if(|_| !self.resumable)?;
        let told = match odd.is_empty() {
            true => no_answer(asked.id),
            false => {
                let why = format!("its answer is not a message of MCP: {odd:?}");
                not_usable(asked.id, &why)
            }
        };
        Some(Sse::default().data(told.to_string()))
    }
}

/// An event that only says how to go on, such as the first of a stream that can be resumed.
fn is_without_message(event: &Result<Sse, SseError>) -> bool {
    event.as_ref().is_ok_and(|it| it.data.is_none())
}

/// What a server says, without the key: gateways repeat the headers that they refuse. One of a few letters is no secret,
/// and would be found in every word.
pub(super) fn unsaid(key: Option<&Secret>, said: String) -> String {
    match key {
        Some(key) if key.expose().len() >= SHORTEST_KEY => key.redact(&said),
        _ => said,
    }
}

/// A message without the key, in each text of it for itself: in the message as a whole it would be escaped.
pub(super) fn strike_out(key: Option<&Secret>, message: &mut Value) {
    let Some(key) = key.filter(|it| it.expose().len() >= SHORTEST_KEY) else {
        return;
    };
    let Value::Object(message) = message else {
        return;
    };
    for part in ["method", "params", "result", "error"] {
        if let Some(part) = message.get_mut(part) {
            strike_out_of(key, part);
        }
    }
}

fn strike_out_of(key: &Secret, value: &mut Value) {
    match value {
        Value::String(text) => *text = key.redact(text),
        Value::Array(values) => values.iter_mut().for_each(|it| strike_out_of(key, it)),
        Value::Object(fields) => {
            let all = std::mem::take(fields).into_iter();
            *fields = all
                .map(|(name, mut value)| {
                    strike_out_of(key, &mut value);
                    (key.redact(&name), value)
                })
                .collect();
        }
        Value::Number(number) => {
            let written = number.to_string();
            let told = key.redact(&written);
            if told != written {
                *value = Value::String(told);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}
