//! The chunks of an answer, read with patience.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::chunk::Chunk;
use crate::{
    outbound::describe,
    wire::{Frame, Frames},
};

/// The most bytes of an answer as it is sent, frames and all.
const MAX_BYTES: usize = 64 * 1024 * 1024;

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
    bytes: BoxStream<'static, Result<Bytes, String>>,
    frames: Frames,
    /// Nothing more is read.
    ended: bool,
    /// When a byte last came; comments that keep a connection alive count.
    heard: Instant,
    /// How long to wait for the next byte.
    idle: Duration,
    deadline: Instant,
}

impl Reader {
    /// Reads `response`, giving up after `idle` without a byte, or at `deadline`.
    pub(super) fn new(response: Response, idle: Duration, deadline: Instant) -> Self {
        Self {
            bytes: bounded(response).boxed(),
            frames: Frames::new(),
            ended: false,
            heard: Instant::now(),
            idle,
            deadline,
        }
    }

    /// Changes how long to wait for the next byte.
    pub(super) fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// What came instead of an answer, where it was something.
    pub(super) fn odd(&self) -> Option<&str> {
        self.frames.odd()
    }

    /// The next chunk; nothing at the end of the stream. Safe to be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, ReadError> {
        loop {
            match self.frames.next() {
                Some(Ok(Frame::Data(value))) => {
                    return match Chunk::read(&value) {
                        Some(chunk) => Ok(Some(chunk)),
                        None => Err(ReadError::Form(format!("it is {value}"))),
                    };
                }
                Some(Ok(Frame::Error(text))) => return Ok(Some(Chunk::failed(text))),
                Some(Ok(Frame::Done)) => {
                    self.ended = true;
                    return Ok(Some(Chunk::done()));
                }
                Some(Err(why)) => return Err(ReadError::Form(why)),
                None if self.ended => return Ok(None),
                None => {}
            }
            let until = (self.heard + self.idle).min(self.deadline);
            match timeout_at(until, self.bytes.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.heard = Instant::now();
                    self.frames.push(&bytes);
                }
                Ok(Some(Err(why))) => return Err(ReadError::Broken(why)),
                Ok(None) => {
                    self.ended = true;
                    self.frames.end();
                }
                Err(_) if Instant::now() >= self.deadline => return Err(ReadError::Deadline),
                Err(_) => return Err(ReadError::Silent(self.idle)),
            }
        }
    }
}

/// The bytes of the body, until there are too many of them.
fn bounded(response: Response) -> impl Stream<Item = Result<Bytes, String>> {
    let mut all = 0_usize;
    response.bytes_stream().map(move |bytes| {
        let bytes = bytes.map_err(|error| describe(&error))?;
        all += bytes.len();
        if all > MAX_BYTES {
            return Err("the answer is longer than is taken".to_owned());
        }
        Ok(bytes)
    })
}
