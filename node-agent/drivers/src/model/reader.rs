//! The chunks of an answer, read with patience: a stream of server-sent events, or a whole JSON body as a
//! stream of one.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use parking_lot::Mutex;
use reqwest::{Response, header::CONTENT_TYPE};
use sse_stream::{Sse, SseStream};
use tokio::time::{Instant, timeout_at};

use super::answer::Chunk;
use crate::outbound::{describe, read_at_most};

/// The most bytes of an answer as it is sent, frames and all.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most bytes of one event, which is held as a whole, and of an answer that is not streamed.
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// How reading goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// Nothing came for as long as was to be waited.
    #[error("nothing came for {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// The call's time is over.
    #[error("the call's time is over")]
    Deadline,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What came is not of the protocol.
    #[error("what it answered is not a chat completion: {0}")]
    Form(String),
}

/// One answer, chunk by chunk.
pub(super) struct Reader {
    source: Source,
    heard: Heard,
    /// How long to wait for the next byte.
    idle: Duration,
    deadline: Instant,
}

enum Source {
    Stream(BoxStream<'static, Result<Sse, sse_stream::Error>>),
    Whole(Option<Response>),
}

/// When a byte last came; comments that keep a connection alive count.
#[derive(Clone)]
struct Heard(Arc<Mutex<Instant>>);

impl Heard {
    fn now(&self) {
        *self.0.lock() = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock()
    }
}

impl Reader {
    /// Reads `response`, giving up after `idle` without a byte, or at `deadline`.
    pub(super) fn new(response: Response, idle: Duration, deadline: Instant) -> Self {
        let heard = Heard(Arc::new(Mutex::new(Instant::now())));
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let source = if kind
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/json")
        {
            Source::Whole(Some(response))
        } else {
            Source::Stream(SseStream::from_bytes_stream(bounded(response, heard.clone())).boxed())
        };
        Self {
            source,
            heard,
            idle,
            deadline,
        }
    }

    /// Changes how long to wait for the next byte.
    pub(super) fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// The next chunk; nothing at the end of the stream.
    ///
    /// Safe to be dropped and called again where the answer is streamed; a whole answer is lost then.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, ReadError> {
        loop {
            let until = (self.heard.last() + self.idle).min(self.deadline);
            let stream = match &mut self.source {
                Source::Stream(stream) => stream,
                Source::Whole(response) => {
                    let Some(response) = response.take() else {
                        return Ok(None);
                    };
                    return whole(response, until, self.idle, self.deadline)
                        .await
                        .map(Some);
                }
            };
            let event = match timeout_at(until, stream.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(sse_stream::Error::Body(error)))) => {
                    return Err(ReadError::Broken(error.to_string()));
                }
                Ok(Some(Err(error))) => return Err(ReadError::Form(error.to_string())),
                Ok(None) => return Ok(None),
                Err(_) if Instant::now() >= self.deadline => return Err(ReadError::Deadline),
                // A byte came that made no event.
                Err(_) if self.heard.last() + self.idle > Instant::now() => continue,
                Err(_) => return Err(ReadError::Silent(self.idle)),
            };
            match event.data.as_deref().map(str::trim) {
                Some("[DONE]") => return Ok(None),
                Some(data) if !data.is_empty() => {
                    return serde_json::from_str(data)
                        .map(Some)
                        .map_err(|error| ReadError::Form(error.to_string()));
                }
                _ => {}
            }
        }
    }
}

async fn whole(
    response: Response,
    until: Instant,
    idle: Duration,
    deadline: Instant,
) -> Result<Chunk, ReadError> {
    let body = timeout_at(until, read_at_most(response, MAX_EVENT)).await;
    let body = body.map_err(|_| {
        if until == deadline {
            ReadError::Deadline
        } else {
            ReadError::Silent(idle)
        }
    })?;
    let body = body.map_err(ReadError::Broken)?;
    serde_json::from_slice(&body).map_err(|error| ReadError::Form(error.to_string()))
}

/// The bytes of the body, until there are too many of them in all or without an end of an event.
fn bounded(response: Response, heard: Heard) -> impl Stream<Item = Result<Bytes, io::Error>> {
    let (mut all, mut since_end) = (0_usize, 0_usize);
    response.bytes_stream().map(move |bytes| {
        let bytes = bytes.map_err(|error| io::Error::other(describe(&error)))?;
        heard.now();
        all += bytes.len();
        since_end = match bytes
            .windows(2)
            .rposition(|pair| pair == b"\n\n" || pair == b"\r\n" || pair == b"\r\r")
        {
            Some(end) => bytes.len() - end,
            None => since_end + bytes.len(),
        };
        if all > MAX_BYTES || since_end > MAX_EVENT {
            return Err(io::Error::other("the answer is longer than is taken"));
        }
        Ok(bytes)
    })
}
