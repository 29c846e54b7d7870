//! One HTTP/1.1 request on a connection of its own, over a Unix socket or TCP.

use std::{
    io,
    path::{Path, PathBuf},
};

use aion_abi::problem::{MEDIA_TYPE, Problem};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use tokio::{io::AsyncReadExt, net::UnixStream};
#[cfg(feature = "kubernetes")]
use zeroize::Zeroizing;

#[cfg(feature = "kubernetes")]
use super::Tls;

/// The largest answer that is read whole, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// What a request carries.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is at hand.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A file as a body: read as it is sent, never held whole.
pub(crate) async fn file_body(path: &Path) -> io::Result<Body> {
    let file = tokio::fs::File::open(path).await?;
    let frames = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let n = file.read(&mut piece).await?;
        piece.truncate(n);
        Ok((n > 0).then(|| (Frame::data(Bytes::from(piece)), file)))
    });
    Ok(StreamBody::new(frames).boxed_unsync())
}

/// Where a node listens.
#[derive(Clone)]
pub(crate) enum Address {
    /// A machine standing alone.
    Unix(PathBuf),
    /// A node of a cluster: `host:port`, and the caller's token.
    #[cfg(feature = "kubernetes")]
    Tcp {
        host: String,
        token: Zeroizing<String>,
        tls: Option<Tls>,
    },
}

/// Says nothing of the token.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            #[cfg(feature = "kubernetes")]
            Self::Tcp { host, .. } => f.write_str(host),
        }
    }
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// Nothing listens.
    #[error("nothing answers at {at}: {why}")]
    Unreachable { at: String, why: io::Error },
    /// The caller may not open the socket.
    #[error("{at} belongs to another user")]
    Forbidden { at: String },
    /// The connection broke on the way.
    #[error("the connection to {at} broke: {why}")]
    Broken { at: String, why: String },
    /// The node refused, and says why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Something else than a node answered.
    #[error("{at} does not speak as a node of this version does: {why}")]
    Unexpected { at: String, why: String },
}

/// A request to be made.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query, escaped.
    pub(crate) path: &'a str,
    pub(crate) body: Body,
    pub(crate) content_type: &'a str,
}

impl Address {
    /// Makes the request; the answer's body is still to be read. A refusal is an error.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(CONTENT_TYPE, call.content_type);
        request = match self {
            Self::Unix(_) => request.header(HOST, "localhost"),
            #[cfg(feature = "kubernetes")]
            Self::Tcp { host, token, .. } => {
                let bearer = format!("Bearer {}", token.as_str());
                request
                    .header(HOST, host)
                    .header(hyper::header::AUTHORIZATION, bearer)
            }
        };
        let request = request.body(call.body).map_err(|why| self.broken(why))?;
        let response = self.exchange(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                self.speak(stream.map_err(|why| self.unreachable(why))?, request)
                    .await
            }
            #[cfg(feature = "kubernetes")]
            Self::Tcp { host, tls, .. } => {
                let stream = tokio::net::TcpStream::connect(host).await;
                let stream = stream.map_err(|why| self.unreachable(why))?;
                match tls {
                    None => self.speak(stream, request).await,
                    Some(tls) => {
                        let stream = tls.wrap(stream).await.map_err(|why| self.broken(why))?;
                        self.speak(stream, request).await
                    }
                }
            }
        }
    }

    async fn speak<S>(
        &self,
        stream: S,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, ClientError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|why| self.broken(why))?;
        // It ends with the response's body, or with the process.
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|why| self.broken(why))
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let is_problem = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(MEDIA_TYPE.as_bytes()));
        let body = match self.collect(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if is_problem => ClientError::Refused(Box::new(problem)),
            _ => self.unexpected(status_line(status, &body)),
        }
    }

    /// Reads a body to its end.
    pub(crate) async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let whole = Limited::new(response.into_body(), MAX_ANSWER).collect();
        let whole = whole.await.map_err(|why| self.broken(why))?;
        Ok(whole.to_bytes())
    }

    pub(crate) fn broken(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Broken {
            at: self.to_string(),
            why: why.to_string(),
        }
    }

    pub(crate) fn unexpected(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Unexpected {
            at: self.to_string(),
            why: why.to_string(),
        }
    }

    fn unreachable(&self, why: io::Error) -> ClientError {
        let at = self.to_string();
        match why.kind() {
            io::ErrorKind::PermissionDenied => ClientError::Forbidden { at },
            _ => ClientError::Unreachable { at, why },
        }
    }
}

fn status_line(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    match text.trim() {
        "" => format!("status {status}"),
        text => format!("status {status}: {text}"),
    }
}

/// What stays in a segment of a path or a value of a query (RFC 3986, unreserved characters).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Escapes one segment of a path or one value of a query.
pub(crate) fn percent(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_become_two() {
        assert_eq!(percent("a/b c?d"), "a%2Fb%20c%3Fd");
        assert_eq!(percent("Größe.csv"), "Gr%C3%B6%C3%9Fe.csv");
        assert_eq!(percent(".."), "..");
    }
}
