//! A stream of server-sent events whose data are JSON values (WHATWG HTML, "server-sent events").

use std::marker::PhantomData;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use serde::de::DeserializeOwned;

use super::connection::{Address, ClientError};

/// The largest single event, in bytes: an answer of a turn with room to spare.
const MAX_EVENT: usize = 8 << 20;

/// Values of one type, as they come.
pub(crate) struct Events<T> {
    address: Address,
    body: Incoming,
    lines: Lines,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Events<T> {
    pub(crate) fn new(address: Address, response: Response<Incoming>) -> Self {
        Self {
            address,
            body: response.into_body(),
            lines: Lines::default(),
            of: PhantomData,
        }
    }

    /// The next value; `None` at the stream's end. An end in the middle of an event, and a broken connection, are
    /// [`ClientError::Broken`].
    pub(crate) async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(data) = self.lines.event() {
                return serde_json::from_str(&data)
                    .map(Some)
                    .map_err(|why| self.address.unexpected(why));
            }
            if self.lines.held() > MAX_EVENT {
                return Err(self.address.unexpected("an event is larger than 8 MiB"));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|why| self.address.broken(why))?;
            if let Ok(data) = frame.into_data() {
                self.lines.push(&data);
            }
        }
    }
}

/// Cuts bytes into lines and lines into events.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    data: String,
    any: bool,
}

impl Lines {
    fn push(&mut self, bytes: &Bytes) {
        self.buffer.extend_from_slice(bytes);
    }

    fn held(&self) -> usize {
        self.buffer.len() + self.data.len()
    }

    /// The data of the next whole event.
    fn event(&mut self) -> Option<String> {
        let mut from = 0;
        let mut found = None;
        while let Some(end) = self.buffer[from..].iter().position(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(&self.buffer[from..from + end]);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() && self.any {
                found = Some(std::mem::take(&mut self.data));
                self.any = false;
            } else if let Some(data) = line.strip_prefix("data:") {
                if self.any {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
                self.any = true;
            }
            // Comments keep a connection awake; names and ids of events are not used.
            from += end + 1;
            if found.is_some() {
                break;
            }
        }
        self.buffer.drain(..from);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&str]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(&Bytes::copy_from_slice(piece.as_bytes()));
            while let Some(event) = lines.event() {
                out.push(event);
            }
        }
        out
    }

    #[test]
    fn an_event_may_come_in_any_pieces() {
        let whole = ": awake\n\nevent: delta\ndata: {\"a\":1}\n\ndata:{\"b\":\"ü\"}\r\n\r\ndata: x\ndata: y\n\n";
        let expect = ["{\"a\":1}", "{\"b\":\"ü\"}", "x\ny"];
        assert_eq!(events(&[whole]), expect);
        // Between every two bytes, the middle of a character included.
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for byte in whole.bytes() {
            lines.push(&Bytes::copy_from_slice(&[byte]));
            out.extend(lines.event());
        }
        assert_eq!(out, expect);
    }

    #[test]
    fn an_event_that_is_not_whole_does_not_come() {
        assert!(events(&["data: {\"a\":1}\n"]).is_empty());
    }
}
