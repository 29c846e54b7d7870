//! Messages over HTTP: what is sent as the library wants it, what is answered by the [`Body`] reader, so that a server
//! over HTTP is read as one over pipes is. What may not enter: sessions, resumption and cancellation, which are the
//! library's.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage},
    transport::{
        common::http_header::{
            EVENT_STREAM_MIME_TYPE, HEADER_LAST_EVENT_ID, HEADER_SESSION_ID, JSON_MIME_TYPE,
        },
        streamable_http_client::{
            AuthRequiredError, HttpStatusError, InsufficientScopeError, SseError,
            StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
            StreamableHttpResponseLimits,
        },
    },
};
use serde_json::{Value, json};
use sse_stream::Sse;

use crate::{outbound::named_pause, secrets::Secret};

use super::{
    body::{Body, Part},
    message::{is_answer, no_answer, not_usable, same_id, too_long},
    pages::Awaited,
    refused::{self, NotDone},
};

type Failure = StreamableHttpError<NotDone>;
type Events = BoxStream<'static, Result<Sse, SseError>>;
type Headers = HashMap<HeaderName, HeaderValue>;

/// The longest word of a server on which key it wants, in bytes.
const MAX_CHALLENGE: usize = 1024;
/// The shortest key that is struck out of what a server says, in bytes.
const SHORTEST_KEY: usize = 8;

/// See the module.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) client: Client,
    /// The longest message, in bytes.
    pub(super) longest: usize,
    /// What is sent as the key: struck out of whatever the server says.
    pub(super) key: Option<Arc<Secret>>,
    pub(super) pages: Awaited,
}

impl StreamableHttpClient for Http {
    type Error = NotDone;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        key: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let request = self.client.post(uri.as_ref()).json(&message);
        let with_session = session.is_some();
        let asked = match &message {
            JsonRpcMessage::Request(request) => Some(Asked {
                id: serde_json::to_value(&request.id)?,
                discovers: matches!(request.request, ClientRequest::DiscoverRequest(_)),
                lists: matches!(request.request, ClientRequest::ListToolsRequest(_)),
            }),
            _ => None,
        };
        if let Some(asked) = asked.as_ref().filter(|it| it.lists) {
            self.pages.add(asked.id.clone());
        }
        let response = sent(addressed(request, session, key, headers)).await?;
        let status = response.status();
        let Some(asked) = asked else {
            return self.noted(&response, with_session);
        };
        if let Some(refused) = self.without_key(&response) {
            return Err(refused);
        }
        if status == StatusCode::NOT_FOUND && with_session {
            return Err(Failure::SessionExpired);
        }
        let given = response.headers().get(HEADER_SESSION_ID);
        let given = given.and_then(|it| it.to_str().ok()).map(str::to_owned);
        if !status.is_success() {
            let discovers = asked.discovers && !with_session;
            return self.refused(response, asked, discovers, given).await;
        }
        let accepted = matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
        let mut reading = self.reading(response, Some(asked));
        if accepted && with_session && !reading.begins().await {
            // The answer comes in the session's own stream.
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        Ok(StreamableHttpPostResponse::Sse(reading.events(), given))
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        key: Option<String>,
        headers: Headers,
        _: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        // Its bounds are of the reader here.
        self.post_message(uri, message, session, key, headers).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        key: Option<String>,
        headers: Headers,
    ) -> Result<(), Failure> {
        let request = self.client.delete(uri.as_ref());
        let response = sent(addressed(request, Some(session), key, headers)).await?;
        // A server need not know of that.
        tracing::debug!(status = %response.status(), "a session with a tool's server is ended");
        Ok(())
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        key: Option<String>,
        headers: Headers,
    ) -> Result<Events, Failure> {
        let mut request = self.client.get(uri.as_ref());
        if let Some(last) = last_event.and_then(|it| HeaderValue::from_str(&it).ok()) {
            request = request.header(HEADER_LAST_EVENT_ID, last);
        }
        let response = sent(addressed(request, session, key, headers)).await?;
        if let Some(refused) = self.without_key(&response) {
            return Err(refused);
        }
        let status = response.status();
        if let Some(busy) = busy(&response) {
            return Err(busy.into());
        }
        // A page or a document in the place of a stream is a server that has none.
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map(|it| it.as_bytes().to_ascii_lowercase());
        let streams = kind
            .is_none_or(|it| !it.starts_with(b"text/html") && !it.starts_with(b"application/json"));
        if status != StatusCode::OK || !streams {
            return Err(Failure::ServerDoesNotSupportSse);
        }
        Ok(self.reading(response, None).events())
    }
}

/// A request that is answered.
struct Asked {
    id: Value,
    /// Whether it is the newest revision's greeting.
    discovers: bool,
    /// Whether it asks for operations.
    lists: bool,
}

async fn sent(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await;
    response.map_err(|error| Failure::Client(error.into()))
}

fn addressed(
    mut request: RequestBuilder,
    session: Option<Arc<str>>,
    key: Option<String>,
    headers: Headers,
) -> RequestBuilder {
    request = request.header(ACCEPT, [EVENT_STREAM_MIME_TYPE, JSON_MIME_TYPE].join(", "));
    if let Some(session) = session {
        request = request.header(HEADER_SESSION_ID, session.as_ref());
    }
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    request.headers(headers.into_iter().collect())
}

/// Where it asks to be left alone, or has broken down.
fn busy(response: &Response) -> Option<HttpStatusError> {
    let status = response.status();
    (status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()).then(|| {
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|it| it.to_str().ok()).map(str::to_owned);
        HttpStatusError::new(status.as_u16(), after)
    })
}

impl Http {
    /// What is sent without a question needs no answer. A server that has no use for it may say so by any status.
    fn noted(
        &self,
        response: &Response,
        with_session: bool,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        if let Some(refused) = self.without_key(response) {
            return Err(refused);
        }
        if status == StatusCode::NOT_FOUND && with_session {
            return Err(Failure::SessionExpired);
        }
        if let Some(busy) = busy(response) {
            return Err(busy.into());
        }
        if !status.is_success() {
            tracing::debug!(%status, "a tool's server has no use for what it was told");
        }
        Ok(StreamableHttpPostResponse::Accepted)
    }

    /// Where the key is not the right one, or is missing.
    fn without_key(&self, response: &Response) -> Option<Failure> {
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|it| it.to_str().ok());
        let challenge = challenge.map(|it| it[..it.floor_char_boundary(MAX_CHALLENGE)].to_owned());
        let challenge = challenge.map(|it| unsaid(self.key.as_deref(), it));
        match (response.status(), challenge) {
            (StatusCode::UNAUTHORIZED, challenge) => Some(Failure::AuthRequired(
                AuthRequiredError::new(challenge.unwrap_or_default()),
            )),
            (StatusCode::FORBIDDEN, Some(challenge)) => Some(Failure::InsufficientScope(
                InsufficientScopeError::new(challenge, None),
            )),
            _ => None,
        }
    }

    /// A refusal by status: the protocol's own error where the body holds one, else what it says.
    async fn refused(
        &self,
        response: Response,
        asked: Asked,
        discovers: bool,
        session: Option<String>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let (status, after) = (response.status(), named_pause(response.headers()));
        let (message, odd) = refused::said(response.bytes_stream().boxed(), self.longest).await;
        let told = unsaid(self.key.as_deref(), odd);
        // A server without a key says so by status; its error would hide that.
        let message = message.filter(|_| status != StatusCode::FORBIDDEN);
        // Who refuses the first greeting may know the other; a gateway in between has no error of the protocol.
        let message = message.or_else(|| {
            let refuses = discovers && status.is_client_error() && status != StatusCode::FORBIDDEN;
            refuses.then(|| {
                let why = format!("it refuses server/discover with {status}: {told}");
                json!({"jsonrpc": "2.0", "error": {"code": -32_600, "message": why}})
            })
        });
        if let Some(mut message) = message {
            message["id"] = asked.id;
            strike_out(self.key.as_deref(), &mut message);
            refused::keep_pause(&mut message, after);
            return Ok(StreamableHttpPostResponse::Json(
                serde_json::from_value(message)?,
                session,
            ));
        }
        Err(Failure::Client(NotDone::Status {
            status,
            told,
            after,
        }))
    }

    fn reading(&self, response: Response, asked: Option<Asked>) -> Reading {
        Reading {
            bytes: response.bytes_stream().boxed(),
            body: Body::new(self.longest),
            longest: self.longest,
            key: self.key.clone(),
            asked,
            pages: self.pages.clone(),
            resumable: false,
            ready: Vec::new().into_iter(),
            ended: false,
        }
    }
}

/// What a server says, without the key: gateways repeat the headers that they refuse. One of a few letters is no secret,
/// and would be found in every word.
fn unsaid(key: Option<&Secret>, said: String) -> String {
    match key {
        Some(key) if key.expose().len() >= SHORTEST_KEY => key.redact(&said),
        _ => said,
    }
}

/// A message without the key, in each text of it for itself: in the message as a whole it would be escaped.
fn strike_out(key: Option<&Secret>, message: &mut Value) {
    let Some(key) = key.filter(|it| it.expose().len() >= SHORTEST_KEY) else {
        return;
    };
    let Value::Object(message) = message else {
        return;
    };
    for part in ["method", "params", "result", "error"] {
        if let Some(part) = message.get_mut(part) {
            strike_out_of(key, part);
        }
    }
}

fn strike_out_of(key: &Secret, value: &mut Value) {
    match value {
        Value::String(text) => *text = key.redact(text),
        Value::Array(values) => values.iter_mut().for_each(|it| strike_out_of(key, it)),
        Value::Object(fields) => {
            let all = std::mem::take(fields).into_iter();
            *fields = all
                .map(|(name, mut value)| {
                    strike_out_of(key, &mut value);
                    (key.redact(&name), value)
                })
                .collect();
        }
        Value::Number(number) => {
            let written = number.to_string();
            let told = key.redact(&written);
            if told != written {
                *value = Value::String(told);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A body that is read.
struct Reading {
    bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    body: Body,
    longest: usize,
    key: Option<Arc<Secret>>,
    /// What is asked and not answered yet.
    asked: Option<Asked>,
    /// The pages that are waited for, in whichever stream they come.
    pages: Awaited,
    /// It can be gone on with where it breaks off.
    resumable: bool,
    ready: std::vec::IntoIter<Sse>,
    ended: bool,
}

impl Reading {
    /// Whether anything comes at all: a body that is empty need not say so by its length.
    async fn begins(&mut self) -> bool {
        while let Some(Ok(bytes)) = self.bytes.next().await {
            self.body.push(&bytes);
            if !bytes.trim_ascii().is_empty() {
                return true;
            }
        }
        false
    }

    /// Its messages as the library takes them in, each an event of a clean stream.
    fn events(self) -> Events {
        futures::stream::unfold(self, Self::next).boxed()
    }

    async fn next(mut self) -> Option<(Result<Sse, SseError>, Self)> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some((Ok(event), self));
            }
            if let Some(part) = self.body.next() {
                self.ready = self.clean(part).into_iter();
                continue;
            }
            if self.ended {
                return None;
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.body.push(&bytes),
                Some(Err(error)) => {
                    self.ended = true;
                    return Some((Err(SseError::Body(Box::new(error))), self));
                }
                None => {
                    self.ended = true;
                    self.body.end();
                    let parts: Vec<Part> = std::iter::from_fn(|| self.body.next()).collect();
                    let mut rest: Vec<Sse> = Vec::new();
                    for part in parts {
                        rest.extend(self.clean(part));
                    }
                    rest.extend(self.unanswered());
                    self.ready = rest.into_iter();
                }
            }
        }
    }

    fn clean(&mut self, part: Part) -> Vec<Sse> {
        let (messages, id, retry) = match part {
            Part::Event {
                messages,
                id,
                retry,
            } => (messages, id, retry),
            Part::TooLong(bytes) => match self.asked.take() {
                Some(asked) => (vec![too_long(asked.id, bytes, self.longest)], None, None),
                None => {
                    tracing::warn!(
                        bytes,
                        "an event that is longer than a message may be is passed over"
                    );
                    (Vec::new(), None, None)
                }
            },
        };
        self.resumable |= id.as_deref().is_some_and(|id| !id.is_empty());
        let mut events: Vec<Sse> = messages
            .into_iter()
            .map(|message| {
                let mut message = self.answering(message);
                strike_out(self.key.as_deref(), &mut message);
                Sse::default().data(message.to_string())
            })
            .collect();
        if id.is_some() || retry.is_some() {
            if events.is_empty() {
                events.push(Sse::default());
            }
            if let Some(last) = events.last_mut() {
                (last.id, last.retry) = (id, retry);
            }
        }
        events
    }

    /// An answer that names no request is of the one that was asked here.
    fn answering(&mut self, mut message: Value) -> Value {
        if !is_answer(&message) {
            return message;
        }
        if let Some(asked) = &self.asked {
            if message.get("id").is_none_or(Value::is_null) {
                message["id"] = asked.id.clone();
            }
            if same_id(&message["id"], &asked.id) {
                message["id"] = asked.id.clone();
                self.asked = None;
            }
        }
        self.pages.pack(&mut message);
        message
    }

    /// A whole body was read, and nothing of it answers. One that broke off is the library's to tell.
    fn unanswered(&mut self) -> Option<Sse> {
        let odd = unsaid(self.key.as_deref(), self.body.odd().to_owned());
        let asked = self.asked.take_if(|_| !self.resumable)?;
        let told = match odd.is_empty() {
            true => no_answer(asked.id),
            false => {
                let why = format!("its answer is not a message of MCP: {odd:?}");
                not_usable(asked.id, &why)
            }
        };
        Some(Sse::default().data(told.to_string()))
    }
}
