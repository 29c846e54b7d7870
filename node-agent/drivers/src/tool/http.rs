//! Messages over HTTP: what is sent as the library wants it, what is answered by the [`Body`] reader, so that a server
//! over HTTP is read as one over pipes is. What may not enter: sessions, resumption and cancellation, which are the
//! library's.

use std::{collections::HashMap, sync::Arc};

use futures::StreamExt;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage},
    transport::{
        common::http_header::{
            EVENT_STREAM_MIME_TYPE, HEADER_LAST_EVENT_ID, HEADER_SESSION_ID, JSON_MIME_TYPE,
        },
        streamable_http_client::{
            AuthRequiredError, InsufficientScopeError, StreamableHttpClient, StreamableHttpError,
            StreamableHttpPostResponse, StreamableHttpResponseLimits,
        },
    },
};
use serde_json::json;

use crate::{outbound::named_pause, secrets::Secret};

use super::{
    pages::Awaited,
    refused::{self, NotDone},
    stream::{Asked, Events, Reading, strike_out, unsaid},
};

type Failure = StreamableHttpError<NotDone>;
type Headers = HashMap<HeaderName, HeaderValue>;

/// The longest word of a server on which key it wants, in bytes.
const MAX_CHALLENGE: usize = 1024;

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
        let response = sent(addressed(request, session, key, headers)).await;
        if let (Some(asked), Err(_)) = (&asked, &response) {
            self.pages.remove(&asked.id);
        }
        let response = response?;
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
            self.pages.remove(&asked.id);
            let discovers = asked.discovers && !with_session;
            return self.refused(response, asked, discovers, given).await;
        }
        let accepted = matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
        let lists = asked.lists;
        let mut reading = self.reading(response, Some(asked));
        if accepted && with_session && !reading.begins().await {
            // The answer comes in the session's own stream.
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if lists {
            return Ok(reading.page(given).await);
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
            return Err(busy);
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
fn busy(response: &Response) -> Option<Failure> {
    let status = response.status();
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    busy.then(|| Failure::Client(refused::status(response.headers(), status, String::new())))
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
            return Err(busy);
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
        let (status, headers) = (response.status(), response.headers().clone());
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
            refused::keep_pause(&mut message, named_pause(&headers));
            return Ok(StreamableHttpPostResponse::Json(
                serde_json::from_value(message)?,
                session,
            ));
        }
        Err(Failure::Client(refused::status(&headers, status, told)))
    }

    fn reading(&self, response: Response, asked: Option<Asked>) -> Reading {
        let bytes = response.bytes_stream().boxed();
        Reading::new(
            bytes,
            self.longest,
            self.key.clone(),
            asked,
            self.pages.clone(),
        )
    }
}
