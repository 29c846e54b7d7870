//! The way from a guest to the kernel, as blocking calls: the guest's thread is the worker's only one.

use std::rc::Rc;
use std::time::Instant;

use aion_abi::syscall::Syscall;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Runtime;
use tokio::time::timeout_at;

use crate::syscalls::client::Client;
use crate::syscalls::{Lost, Whole};

/// Why there is no answer, or no more of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The daemon was not reached.
    Lost(String),
    /// The turn's time is over.
    Deadline,
}

/// Makes syscalls for a guest, and holds the response that it reads.
pub(super) trait Door {
    /// Makes a syscall and waits for the head of its response, of which it gives the HTTP status. What was
    /// left of the last one is dropped.
    fn call(&mut self, syscall: Syscall, body: Bytes) -> Result<u16, NoAnswer>;

    /// The next bytes of the response; none at its end.
    fn read(&mut self, most: usize) -> Result<Bytes, NoAnswer>;

    /// Puts a response there that no call made.
    fn respond(&mut self, body: Bytes);

    /// Bytes of the response's body, read or not; `None` for a stream.
    fn length(&self) -> Option<usize>;
}

/// What is left of a response.
enum Response {
    Whole { body: Bytes, length: usize },
    Stream { body: Incoming, ahead: Bytes },
}

impl Response {
    fn none() -> Self {
        Self::Whole {
            body: Bytes::new(),
            length: 0,
        }
    }
}

/// The real one, through the run's own socket.
pub(super) struct Node {
    client: Rc<Client>,
    runtime: Rc<Runtime>,
    until: tokio::time::Instant,
    response: Response,
}

impl Node {
    pub(super) fn new(client: Rc<Client>, runtime: Rc<Runtime>, until: Instant) -> Self {
        Self {
            client,
            runtime,
            until: until.into(),
            response: Response::none(),
        }
    }

    fn within<T>(&self, work: impl Future<Output = Result<T, Lost>>) -> Result<T, NoAnswer> {
        let bounded = async { timeout_at(self.until, work).await };
        match self.runtime.block_on(bounded) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(lost)) => Err(NoAnswer::Lost(lost.to_string())),
            Err(_) => Err(NoAnswer::Deadline),
        }
    }
}

impl Door for Node {
    fn call(&mut self, syscall: Syscall, body: Bytes) -> Result<u16, NoAnswer> {
        self.response = Response::none();
        let refused = if syscall == Syscall::ModelChat {
            match self.within(self.client.stream(body))? {
                Ok(response) => {
                    let status = response.status().as_u16();
                    self.response = Response::Stream {
                        body: response.into_body(),
                        ahead: Bytes::new(),
                    };
                    return Ok(status);
                }
                Err(refused) => refused,
            }
        } else {
            self.within(self.client.exchange(syscall, body))?
        };
        let Whole { status, body } = refused;
        self.respond(body);
        Ok(status.as_u16())
    }

    fn read(&mut self, most: usize) -> Result<Bytes, NoAnswer> {
        loop {
            let ahead = match &mut self.response {
                Response::Whole { body, .. } => body,
                Response::Stream { ahead, .. } => ahead,
            };
            if !ahead.is_empty() || most == 0 {
                return Ok(ahead.split_to(most.min(ahead.len())));
            }
            let Response::Stream { body, .. } = &mut self.response else {
                return Ok(Bytes::new());
            };
            let next = async { Ok(timeout_at(self.until, body.frame()).await) };
            let next: Result<_, Lost> = self.runtime.block_on(next);
            match next {
                Ok(Ok(Some(Ok(frame)))) => {
                    if let (Ok(mut data), Response::Stream { ahead, .. }) =
                        (frame.into_data(), &mut self.response)
                    {
                        *ahead = data.copy_to_bytes(data.remaining());
                    }
                }
                Ok(Ok(None)) => return Ok(Bytes::new()),
                Ok(Ok(Some(Err(error)))) => return Err(NoAnswer::Lost(error.to_string())),
                Ok(Err(_)) => return Err(NoAnswer::Deadline),
                Err(lost) => return Err(NoAnswer::Lost(lost.to_string())),
            }
        }
    }

    fn respond(&mut self, body: Bytes) {
        let length = body.len();
        self.response = Response::Whole { body, length };
    }

    fn length(&self) -> Option<usize> {
        match &self.response {
            Response::Whole { length, .. } => Some(*length),
            Response::Stream { .. } => None,
        }
    }
}
