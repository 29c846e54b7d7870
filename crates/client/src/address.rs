//! Where a node listens, and one HTTP/1.1 request to it on a connection of its own.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aion_abi::{
    admin::IDEMPOTENCY_KEY,
    code::Code,
    key,
    problem::{MEDIA_TYPE, Problem},
};
use bytes::{Bytes, BytesMut};
use reqwest::{
    Body, Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
};

use crate::failure::ClientError;

/// The largest answer that is read whole, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// How long a connection may take to be made, with its TLS. A machine that is gone refuses none.
const CONNECT: Duration = Duration::from_secs(3);

/// Where a node listens, and who asks.
#[derive(Clone)]
pub struct Address {
    /// For people: the socket's path, or `host:port`.
    shown: String,
    base: Url,
    /// The authorities of its certificate (PEM), where there are some.
    ca: Option<Arc<str>>,
    /// `Authorization`, where the node wants to know who asks.
    caller: Option<HeaderValue>,
    /// In whose name a gateway asks.
    key: Option<HeaderValue>,
    client: Client,
}

/// Says nothing of the caller's token.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What an address may not be.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not a URL of a host.
    #[error("it is not a URL of a host")]
    NotAUrl,
    /// An https URL of a node whose authority is unknown.
    #[error("nothing says by which authority its certificate is checked")]
    NoAuthority,
    /// A token would be readable on the way.
    #[error("a token is not sent in plain text to another machine")]
    Plain,
    /// The HTTP client could not be set up.
    #[error("{0}")]
    Client(#[source] reqwest::Error),
    /// A token that no header can hold.
    #[error("the token holds characters that no header can")]
    Token,
}

fn bearer(token: &str) -> Result<HeaderValue, AddressError> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| AddressError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Address {
    /// The socket of a machine standing alone: whoever may open it may ask.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn unix(socket: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let socket = socket.into();
        let base = Url::parse("http://localhost").map_err(|_| AddressError::NotAUrl)?;
        Ok(Self {
            shown: socket.display().to_string(),
            base,
            ca: None,
            caller: None,
            key: None,
            client: client(Vec::new(), Some(&socket))?,
        })
    }

    /// A node of a cluster at `url`, asked as whoever has `token`. Its certificate is checked against the
    /// authorities in `ca` (PEM) and no other; plain HTTP is for this machine alone.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn cluster(url: &str, ca: Option<&str>, token: Option<&str>) -> Result<Self, AddressError> {
        let base = Url::parse(url).map_err(|_| AddressError::NotAUrl)?;
        let host = base.host_str().ok_or(AddressError::NotAUrl)?;
        let port = base.port_or_known_default().ok_or(AddressError::NotAUrl)?;
        let authorities = match (base.scheme(), ca) {
            ("https", Some(ca)) => {
                Certificate::from_pem_bundle(ca.as_bytes()).map_err(AddressError::Client)?
            }
            ("https", None) => return Err(AddressError::NoAuthority),
            _ if is_loopback(host) => Vec::new(),
            _ => return Err(AddressError::Plain),
        };
        Ok(Self {
            shown: format!("{host}:{port}"),
            caller: token.map(bearer).transpose()?,
            ca: ca.map(Arc::from),
            key: None,
            client: client(authorities, None)?,
            base,
        })
    }

    /// Whether it is the same place with the same authorities, whoever asks: a connection to one is a connection to the other.
    #[must_use]
    pub fn is_place_of(&self, other: &Self) -> bool {
        (&self.shown, &self.base, &self.ca) == (&other.shown, &other.base, &other.ca)
    }

    /// The same address, asked as whoever has `token`.
    ///
    /// # Errors
    /// [`AddressError::Token`].
    pub fn asked_as(&self, token: &str) -> Result<Self, AddressError> {
        Ok(Self {
            caller: Some(bearer(token)?),
            ..self.clone()
        })
    }

    /// The same address, asked by a gateway in the name of whoever showed it `key`.
    ///
    /// # Errors
    /// [`AddressError::Token`].
    pub fn in_the_name_of(&self, key: &str) -> Result<Self, AddressError> {
        let mut key = HeaderValue::try_from(key).map_err(|_| AddressError::Token)?;
        key.set_sensitive(true);
        Ok(Self {
            key: Some(key),
            ..self.clone()
        })
    }

    /// Makes the request and judges nothing: a refusal is an answer too. `path` is as it goes over the wire, with
    /// its query, and begins with `/`.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let url = self.base.join(path).map_err(|why| self.unexpected(why))?;
        let response = self.exchange(method, url, JSON, body.into()).await?;
        Ok((response.status(), self.collect(response).await?))
    }

    /// Makes the request; the answer's body is still to be read. A refusal is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        content_type: &'static str,
        body: Body,
    ) -> Result<Response, ClientError> {
        self.accepted(self.request(method, url, content_type, body))
            .await
    }

    async fn accepted(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = self.sent(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// As [`Address::send`] posts JSON, under an idempotency key.
    pub(crate) async fn post(
        &self,
        url: Url,
        body: Body,
        key: Option<&str>,
    ) -> Result<Response, ClientError> {
        let mut request = self.request(Method::POST, url, JSON, body);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.accepted(request).await
    }

    /// Makes a request with these headers as it is, and judges nothing.
    pub(crate) async fn pass(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response, ClientError> {
        let request = self.client.request(method, url).headers(headers).body(body);
        self.sent(self.of_caller(request)).await
    }

    async fn exchange(
        &self,
        method: Method,
        url: Url,
        content_type: &'static str,
        body: Body,
    ) -> Result<Response, ClientError> {
        self.sent(self.request(method, url, content_type, body))
            .await
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        content_type: &'static str,
        body: Body,
    ) -> RequestBuilder {
        let request = self.client.request(method, url).body(body);
        self.of_caller(request.header(CONTENT_TYPE, content_type))
    }

    fn of_caller(&self, request: RequestBuilder) -> RequestBuilder {
        let request = match &self.caller {
            Some(caller) => request.header(AUTHORIZATION, caller),
            None => request,
        };
        match &self.key {
            Some(key) => request.header(key::HEADER, key),
            None => request,
        }
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await;
        response.map_err(|error| ClientError::of(&self.shown, &error))
    }

    async fn refusal(&self, response: Response) -> ClientError {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let is_problem =
            kind.is_some_and(|value| value.as_bytes().starts_with(MEDIA_TYPE.as_bytes()));
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
    pub(crate) async fn collect(&self, response: Response) -> Result<Bytes, ClientError> {
        self.collect_within(response, MAX_ANSWER).await
    }

    /// Reads a body of so many bytes at most to its end.
    pub(crate) async fn collect_within(
        &self,
        mut response: Response,
        most: usize,
    ) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|why| self.broken(&why))? {
            if whole.len() + part.len() > most {
                let why = match most >> 20 {
                    0 => format!("an answer is larger than {most} bytes"),
                    mib => format!("an answer is larger than {mib} MiB"),
                };
                return Err(self.unexpected(why));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// The URL of a call: each of `segments` is one of its path, whatever is in it.
    pub(crate) fn url<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, ClientError> {
        let mut url = self.base.clone();
        let mut path = url
            .path_segments_mut()
            .map_err(|()| self.unexpected("it has no paths"))?;
        path.clear();
        for segment in segments {
            // A URL has no way to say these: they mean the segments before them.
            if matches!(segment, "." | "..") {
                let what = format!("{segment} is not a name");
                return Err(ClientError::Refused(Box::new(
                    Problem::new(Code::BadRequest, what).remedy("say its name"),
                )));
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }

    pub(crate) fn broken(&self, why: &reqwest::Error) -> ClientError {
        ClientError::of(&self.shown, why)
    }

    pub(crate) fn unexpected(&self, why: impl fmt::Display) -> ClientError {
        ClientError::Unexpected {
            at: self.shown.clone(),
            why: why.to_string(),
        }
    }
}

/// What most calls send.
pub(crate) const JSON: &str = "application/json";

/// For how long a connection that nobody uses is kept. A node that stops answers on one for longer (`aion-serve`), so
/// that one which was unused at the stop is not used as it closes.
const KEPT: Duration = Duration::from_millis(500);

/// So many of them.
const MOST_KEPT: usize = 64;

/// One that goes where it is told: through no proxy, to no other address.
fn client(authorities: Vec<Certificate>, socket: Option<&Path>) -> Result<Client, AddressError> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(MOST_KEPT)
        .tls_certs_only(authorities);
    if let Some(socket) = socket {
        builder = builder.unix_socket(socket);
    }
    builder.build().map_err(AddressError::Client)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    host == "localhost" || bare.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

fn status_line(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    match text.trim() {
        "" => format!("status {status}"),
        text => format!("status {status}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::io;

    use super::*;

    #[test]
    fn a_segment_cannot_become_two() {
        let node = Address::unix("/run/admin.sock").unwrap();
        let url = node.url(["files", "a/b c?d", "Größe.csv", "%2e"]).unwrap();
        assert_eq!(url.path(), "/files/a%2Fb%20c%3Fd/Gr%C3%B6%C3%9Fe.csv/%252e");
        for name in [".", ".."] {
            let refused = node.url(["files", name]).unwrap_err();
            assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
        }
    }

    #[test]
    fn a_token_goes_to_this_machine_or_behind_tls() {
        for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(Address::cluster(url, None, Some("token")).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1:1", "https://10.0.0.1:1", "file:///x", "x"] {
            assert!(Address::cluster(url, None, Some("token")).is_err(), "{url}");
        }
        let shown = Address::cluster("http://localhost:1", None, Some("secret")).unwrap();
        assert_eq!(format!("{shown:?}"), "Address(localhost:1)");
    }

    #[tokio::test]
    async fn where_nothing_listens_the_reason_is_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let ask = async || {
            let node = Address::unix(&socket).unwrap();
            node.ask(Method::GET, "/api/v1/status", String::new()).await
        };
        let kind = |error| match error {
            ClientError::Unreachable { why, .. } => why.kind(),
            other => panic!("{other}"),
        };
        assert_eq!(kind(ask().await.unwrap_err()), io::ErrorKind::NotFound);
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let refused = kind(ask().await.unwrap_err());
        assert_eq!(refused, io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn where_no_connection_is_made_nothing_was_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let ask = async || {
            let node = Address::cluster(&url, Some(""), Some("token")).unwrap();
            node.ask(Method::GET, "/api/v1/status", String::new()).await
        };
        let unreachable = |answer: Result<_, ClientError>| match answer {
            Err(ClientError::Unreachable { why, .. }) => why.kind(),
            other => panic!("{other:?}"),
        };
        // It takes connections, and says nothing.
        tokio::time::pause();
        assert_eq!(unreachable(ask().await), io::ErrorKind::TimedOut);
        tokio::time::resume();
        // It speaks no TLS.
        tokio::spawn(async move {
            while let Ok((mut it, _)) = listener.accept().await {
                let _ =
                    tokio::io::AsyncWriteExt::write_all(&mut it, b"HTTP/1.1 200 OK\r\n\r\n").await;
            }
        });
        unreachable(ask().await);
    }
}
