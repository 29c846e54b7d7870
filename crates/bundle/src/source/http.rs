//! How a registry is spoken to: one client, bounded answers, and the token
//! flow of the distribution project. What is asked for is `registry`'s matter.
//!
//! Every body is read up to a bound, error and token answers too, whatever
//! their headers say. Credentials go to the registry and to the token service
//! it names, and to no host that it redirects to.

use std::{error::Error as _, net::IpAddr, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use reqwest::{
    Client, Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;

use crate::source::{credentials::Credentials, failure::SourceError};

const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest request that carries a document.
pub(crate) const DOCUMENT: Duration = Duration::from_secs(60);
/// The slowest that a blob may come or go, in bytes a millisecond.
const SLOWEST: u64 = 64;
const MAX_COMPLAINT: u64 = 4 << 10;
const MAX_REDIRECTS: usize = 5;

/// What a token has to allow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// The longest request that carries a blob of `size` bytes.
pub(crate) fn blob_time(size: u64) -> Duration {
    DOCUMENT + Duration::from_millis(size / SLOWEST)
}

/// A connection to one repository of one registry.
pub(crate) struct Http {
    pub(crate) client: Client,
    base: Url,
    /// `host[:port]/repository`, for messages.
    pub(crate) name: String,
    pub(crate) repository: String,
    pub(crate) credentials: Option<Credentials>,
    offline: bool,
    /// The `Authorization` values in use, for pull and push.
    granted: Mutex<[Option<HeaderValue>; 2]>,
}

#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Whether `host`, with or without a port, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Http {
    /// Plain HTTP is for `plain` hosts only; `offline` refuses every host but
    /// this machine, redirects included.
    pub(crate) fn new(
        host: &str,
        repository: &str,
        plain: bool,
        offline: bool,
        credentials: Option<Credentials>,
    ) -> Result<Self, SourceError> {
        let name = format!("{host}/{repository}");
        if offline && !is_loopback(host) {
            return Err(SourceError::Offline { at: name });
        }
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|e| SourceError::malformed(format!("the address of {name}"), e))?;
        let mut builder = Client::builder()
            .user_agent(concat!("aion-bundle/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .referer(false)
            .redirect(redirects(plain, offline));
        if is_loopback(host) {
            builder = builder.no_proxy();
        }
        if plain {
            // No root certificates are wanted where no TLS is spoken: a
            // machine without any can still use its own registry.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|e| unreachable(&name, &e))?;
        Ok(Self {
            client,
            base,
            name,
            repository: repository.to_owned(),
            credentials,
            offline,
            granted: Mutex::default(),
        })
    }

    /// The address of something in the repository, as `manifests/latest`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, SourceError> {
        self.join(&format!("/v2/{}/{path}", self.repository))
    }

    /// An address as the registry gives it, absolute or relative.
    pub(crate) fn join(&self, location: &str) -> Result<Url, SourceError> {
        self.base
            .join(location)
            .map_err(|e| SourceError::malformed(&self.name, format!("address: {e}")))
    }

    /// Sends what `shape` makes of a new request, a second time with fresh
    /// authorisation when the first is refused for want of it.
    pub(crate) async fn send(
        &self,
        access: Access,
        method: Method,
        url: &Url,
        shape: impl Fn(RequestBuilder) -> Result<RequestBuilder, SourceError>,
    ) -> Result<Response, SourceError> {
        self.permit(url)?;
        let mut authorised = false;
        loop {
            let plain = self.client.request(method.clone(), url.clone());
            let mut request = shape(plain.timeout(DOCUMENT))?
                .build()
                .map_err(|e| unreachable(&self.name, &e))?;
            self.authorise(access, &mut request);
            let answer = self
                .client
                .execute(request)
                .await
                .map_err(|e| unreachable(&self.name, &e))?;
            if answer.status() != StatusCode::UNAUTHORIZED || authorised {
                return Ok(answer);
            }
            self.obtain(access, &answer).await?;
            authorised = true;
        }
    }

    /// A GET whose whole answer, of at most `limit` bytes, is wanted.
    pub(crate) async fn get(
        &self,
        url: &Url,
        accept: &str,
        what: &str,
        limit: u64,
    ) -> Result<(Response, Vec<u8>), SourceError> {
        let shape = |r: RequestBuilder| Ok(r.header(reqwest::header::ACCEPT, accept));
        let mut answer = self.send(Access::Pull, Method::GET, url, shape).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.complaint(answer, what).await);
        }
        match self.read(&mut answer, limit).await? {
            Some(bytes) => Ok((answer, bytes)),
            None => Err(SourceError::TooLarge {
                what: what.to_owned(),
                at: self.name.clone(),
                limit,
            }),
        }
    }

    /// What an answer of another status than expected means.
    pub(crate) async fn complaint(&self, mut answer: Response, what: &str) -> SourceError {
        let (status, at) = (answer.status(), self.name.clone());
        let body = self.read(&mut answer, MAX_COMPLAINT).await;
        let said = body.ok().flatten().and_then(|body| {
            let list: Complaints = serde_json::from_slice(&body).ok()?;
            let first = list.errors.into_iter().next()?;
            let words = format!("{} {}", first.code, first.message);
            Some(
                words
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect::<String>(),
            )
        });
        let why = match said {
            Some(words) => format!("{status}: {}", words.trim()),
            None => status.to_string(),
        };
        match status {
            StatusCode::NOT_FOUND => SourceError::NotFound {
                what: what.to_owned(),
                at,
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SourceError::Denied { at, why },
            s if s.is_server_error() || s == StatusCode::TOO_MANY_REQUESTS => {
                SourceError::Unreachable { at, why }
            }
            _ => SourceError::malformed(at, format!("{why} for {what}")),
        }
    }

    /// The next piece of a body.
    pub(crate) async fn piece(
        &self,
        answer: &mut Response,
    ) -> Result<Option<bytes::Bytes>, SourceError> {
        answer
            .chunk()
            .await
            .map_err(|e| unreachable(&self.name, &e))
    }

    pub(crate) async fn read(
        &self,
        answer: &mut Response,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(answer).await? {
            if bytes.len() as u64 + piece.len() as u64 > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes))
    }

    /// Whether an address that the registry gave may be spoken to.
    pub(crate) fn permit(&self, url: &Url) -> Result<(), SourceError> {
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(SourceError::malformed(
                &self.name,
                "it sends us from https to plain http",
            ));
        }
        if self.offline && !url.host_str().is_some_and(is_loopback) {
            return Err(SourceError::Offline {
                at: url.host_str().unwrap_or("a host").to_owned(),
            });
        }
        Ok(())
    }

    fn authorise(&self, access: Access, request: &mut Request) {
        if request.url().origin() != self.base.origin() {
            return;
        }
        if let Some(value) = self.slots()[access as usize].clone() {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, [Option<HeaderValue>; 2]> {
        self.granted.lock()
    }
}

/// Follows a few redirects, never from TLS to plain HTTP, and offline never
/// off this machine.
fn redirects(plain: bool, offline: bool) -> Policy {
    Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        let url = attempt.url();
        if !plain && url.scheme() != "https" {
            return attempt.error("redirected from https to plain http");
        }
        if offline && !url.host_str().is_some_and(is_loopback) {
            return attempt.error("redirected off this machine while offline");
        }
        attempt.follow()
    })
}

/// The innermost words of an error, without its address: a redirect's address
/// may carry a signed query.
pub(crate) fn unreachable(at: &str, error: &reqwest::Error) -> SourceError {
    let mut why = String::from(if error.is_timeout() {
        "no answer in time"
    } else {
        ""
    });
    let mut source = error.source();
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    if why.is_empty() {
        why = "the request failed".to_owned();
    }
    SourceError::Unreachable {
        at: at.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let check = |host: &str, expect: bool| assert_eq!(is_loopback(host), expect, "{host}");
        check("localhost", true);
        check("localhost:5000", true);
        check("127.0.0.1:5000", true);
        check("127.8.9.1", true);
        check("[::1]:5000", true);
        check("[::1]", true);
        check("localhost.example", false);
        check("127.0.0.1.example:80", false);
        check("10.0.0.1", false);
        check("[::2]:1", false);
        check("", false);
    }
}
