//! One HTTP/1.1 connection to the daemon, and the bounded reading of an answer.

use std::path::Path;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// The largest answer that is taken: a page of memory or a part of a file, with room to spare.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The daemon is not there, or went away in the middle: worth another try.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lost(pub(super) String);

/// A connection that is ready for a request.
pub(super) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, Lost> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|error| Lost(format!("the node's socket does not answer: {error}")))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Lost(error.to_string()))?;
        // Ends with its stream; its errors come out of the request that met them.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Lost> {
        let lost = |error: hyper::Error| Lost(error.to_string());
        self.0.ready().await.map_err(lost)?;
        self.0.send_request(request).await.map_err(lost)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }
}

/// An answer that is here in full.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The value, or the problem the daemon tells.
    pub(crate) body: Bytes,
}

/// Reads an answer to its end.
pub(super) async fn read(response: Response<Incoming>) -> Result<Whole, Lost> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| Lost(format!("the answer broke off: {error}")))?
        .to_bytes();
    Ok(Whole { status, body })
}

impl Whole {
    /// The value, or why there is none.
    pub(super) fn decode<A: DeserializeOwned>(&self) -> Result<A, Problem> {
        match self.problem() {
            Some(problem) => Err(problem),
            None => serde_json::from_slice(&self.body).map_err(|error| {
                Problem::new(
                    Code::Internal,
                    format!("the node's answer is not of this version: {error}"),
                )
            }),
        }
    }

    /// Why it is a refusal, if it is one.
    pub(super) fn problem(&self) -> Option<Problem> {
        let status = self.status;
        (status != StatusCode::OK).then(|| {
            serde_json::from_slice(&self.body).unwrap_or_else(|_| {
                Problem::new(
                    Code::Internal,
                    format!("the node refused with status {status} and no reason"),
                )
            })
        })
    }
}
