//! One request and its answer over one connection, of which nothing is left after.

use std::{io, os::fd::AsFd};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, pin};
use tokio_util::either::Either;

use super::MAX_ANSWER;
use crate::outbound::Stream;

/// The most bytes of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing of the request was written.
    NotSent(String),
    /// The answer broke off, or is none of HTTP.
    Broken(String),
    /// It is larger than is read.
    TooLarge,
}

/// As [`exchange`], for an order. Until its answer is read whole, the end of the connection is a reset: bytes that the device did not
/// acknowledge leave the kernel's queue, and an order that was given up does not arrive later.
pub(super) async fn exchange_or_reset(
    stream: Stream,
    request: Request<Full<Bytes>>,
) -> Result<Whole, Fault> {
    // The socket ends with the last of its descriptors, which is this one.
    let socket = resets(&stream).map_err(|error| Fault::NotSent(error.to_string()))?;
    let whole = exchange(stream, request).await?;
    // The device has all of it. A small one may take a reset for a fault of its own.
    #[expect(deprecated, reason = "a time would block a thread, and there is none")]
    let _ = socket.set_linger(None);
    Ok(whole)
}

/// Has a connection be reset when its last descriptor is closed, and gives one of them.
fn resets(stream: &Stream) -> io::Result<TcpStream> {
    let stream = match stream {
        Either::Left(stream) => stream,
        Either::Right(secured) => secured.get_ref().0,
    };
    stream.set_zero_linger()?;
    TcpStream::from_std(stream.as_fd().try_clone_to_owned()?.into())
}

/// Sends it and reads the answer. Dropped, it ends the connection.
pub(super) async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
) -> Result<Whole, Fault> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let opened = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|error| Fault::NotSent(error.to_string()))?;
    let asked = ask(sender, request);
    pin!(asked, connection);
    tokio::select! {
        answer = &mut asked => answer,
        // It ends before or after the answer is read; what it left is read.
        ended = &mut connection => match ended {
            Ok(()) => asked.await,
            Err(error) => match asked.await {
                Err(Fault::Broken(_)) => Err(Fault::Broken(words(&error))),
                answer => answer,
            },
        },
    }
}

async fn ask(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Whole, Fault> {
    let answer = sender.try_send_request(request).await;
    let answer = answer.map_err(|mut error| match error.take_message() {
        // What is given back was not written.
        Some(_) => Fault::NotSent(words(error.error())),
        None => Fault::Broken(words(error.error())),
    })?;
    read(answer).await
}

async fn read(answer: Response<Incoming>) -> Result<Whole, Fault> {
    let (head, mut body) = answer.into_parts();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::Broken(words(&error)))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > MAX_ANSWER {
                return Err(Fault::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(Whole {
        status: head.status,
        headers: head.headers,
        body: whole.freeze(),
    })
}

/// An error with what is behind it.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        words += &format!(": {error}");
        behind = error.source();
    }
    words
}
