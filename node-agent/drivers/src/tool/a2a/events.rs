//! What an agent tells in answer to one request, as it comes: events of a stream, or one document; without the envelope of
//! JSON-RPC and without the key. Bounded. What may not enter: what is told (`update`).

use std::{sync::Arc, time::Duration};

use aion_abi::code::Code;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::stream::{strike_out, unsaid},
    fault::{self, Kind, NotDone},
};
use crate::{
    outbound::describe,
    secrets::Secret,
    wire::{Frame, Frames},
};

/// The most bytes of one answer, events and all.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long an agent may say nothing once it has begun, not even that it lives: its connection is as good as broken then.
const QUIET: Duration = Duration::from_secs(120);

/// See the module.
pub(super) struct Events {
    tool: String,
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    frames: Frames,
    key: Option<Arc<Secret>>,
    read: usize,
    ended: bool,
    /// Its first word may be waited for as long as the call may take.
    is_patient: bool,
}

impl Events {
    pub(super) fn new(
        tool: &str,
        response: Response,
        key: Option<Arc<Secret>>,
        is_patient: bool,
    ) -> Self {
        Self {
            tool: tool.to_owned(),
            bytes: response.bytes_stream().boxed(),
            frames: Frames::new(),
            key,
            read: 0,
            ended: false,
            is_patient,
        }
    }

    /// The next thing that is told; `None` at the end.
    ///
    /// # Errors
    /// [`NotDone`]: the protocol's own error, or a stream that broke or is none.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, NotDone> {
        loop {
            match self.frames.next() {
                Some(Ok(Frame::Data(value))) => return self.unwrapped(value).map(Some),
                Some(Ok(Frame::Error(text))) => {
                    let text = unsaid(self.key.as_deref(), text);
                    // It took the request before it said so.
                    return Err(self.fault(Kind::Lost, &text));
                }
                Some(Ok(Frame::Done)) => self.ended = true,
                Some(Err(why)) => {
                    let why = unsaid(self.key.as_deref(), why);
                    let kind = match self.frames.is_too_long() {
                        true => Kind::Unusable,
                        false => Kind::Lost,
                    };
                    return Err(self.fault(kind, &format!("its answer: {why}")));
                }
                None if self.ended => return self.end(),
                None => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Result<(), NotDone> {
        let more = match self.is_patient && self.read == 0 {
            true => Ok(self.bytes.next().await),
            false => timeout(QUIET, self.bytes.next()).await,
        };
        match more {
            Err(_) => {
                let seconds = QUIET.as_secs();
                Err(self.fault(Kind::Lost, &format!("nothing came for {seconds} s")))
            }
            Ok(Some(Err(error))) => {
                let what = format!("the connection broke: {}", describe(&error));
                Err(NotDone::new(
                    Kind::Lost,
                    Code::Unreachable,
                    &self.tool,
                    &what,
                ))
            }
            Ok(Some(Ok(bytes))) => {
                self.read += bytes.len();
                if self.read > MAX_BYTES {
                    let what = format!("its answer has more than {MAX_BYTES} bytes: ask for less");
                    return Err(self.fault(Kind::Unusable, &what));
                }
                self.frames.push(&bytes);
                Ok(())
            }
            Ok(None) => {
                self.ended = true;
                self.frames.end();
                Ok(())
            }
        }
    }

    /// What came in the place of a stream is told.
    fn end(&mut self) -> Result<Option<Value>, NotDone> {
        match self.frames.odd() {
            Some(odd) => {
                let odd = unsaid(self.key.as_deref(), odd.to_owned());
                Err(self.fault(Kind::Lost, &format!("its answer is not of A2A: {odd}")))
            }
            None => Ok(None),
        }
    }

    /// Without the envelope. Some write an `error` of null beside the result.
    fn unwrapped(&self, value: Value) -> Result<Value, NotDone> {
        let mut said = json!({"result": value});
        strike_out(self.key.as_deref(), &mut said);
        let mut value = said["result"].take();
        if let Some(error) = value.get("error").filter(|it| !it.is_null()) {
            return Err(fault::of_protocol(&self.tool, error));
        }
        // Of what is told nothing has a field "result" or "error" itself, in either binding.
        match value.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Ok(value),
        }
    }

    fn fault(&self, kind: Kind, what: &str) -> NotDone {
        NotDone::new(kind, Code::UpstreamFailed, &self.tool, what)
    }
}
