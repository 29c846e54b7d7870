//! MCP (<https://modelcontextprotocol.io>) over streamable HTTP, of 2026-07-28 and of the era of sessions before: each agent is a tool, a file
//! that a turn wrote and an item that an agent remembers are resources, and a person's word about a call is asked of the client that may say it.
//!
//! The protocol is `rmcp`'s. Nothing is kept between requests: a session is a name that its client says again, by which a call that
//! runs is found and cancelled, and what is asked about it answered (docs/adr/0039, 0054). What may not enter: what an agent may, and who may ask.

mod approval;
mod ask;
mod calls;
mod cursor;
mod files;
mod memory;
mod questions;
mod resources;
mod result;
mod resumed;
mod server;
mod tools;
mod words;

use std::sync::Arc;

use aion_abi::problem::Problem;
use aion_serve::Refused;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::Full;
use rmcp::{
    ErrorData,
    model::{JsonRpcError, ProtocolVersion, RequestId},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::Value;

use self::{calls::Calls, questions::Questions, server::Server};
use crate::{
    approving::approver,
    asked::Asked,
    reading::{self, MAX_BODY},
};

/// The largest content of one message, in bytes: a file, or an answer.
const LARGEST: usize = 4 << 20;
const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// See the module.
pub(crate) struct Mcp {
    service: StreamableHttpService<Server, NeverSessionManager>,
    calls: Calls,
    questions: Questions,
}

impl Default for Mcp {
    fn default() -> Self {
        let calls = Calls::default();
        // Hosts and origins are judged before.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_max_request_body_bytes(MAX_BODY)
            .disable_allowed_hosts();
        let server = Server {
            calls: calls.clone(),
        };
        let sessions = Arc::new(NeverSessionManager::default());
        let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
        Self {
            service,
            calls,
            questions: Questions::default(),
        }
    }
}

impl Mcp {
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return self.served(parts, Bytes::new()).await;
        }
        let bytes = match reading::whole(body).await {
            Ok(bytes) => bytes,
            Err(problem) => return Refused(problem).into_response(),
        };
        let message: Value = match serde_json::from_slice(&bytes) {
            Ok(message) => message,
            Err(error) => return unread(&error),
        };
        let asked = Asked::of(&parts.extensions).ok();
        let mut stream = None;
        if let (Some(session), Some(Asked(gateway))) = (session(&parts.headers), asked) {
            let session = (gateway.key.as_ref(), session);
            let by = || approver(&gateway, &parts.headers);
            match self.questions.take(session, &message, by) {
                Ok(true) => return StatusCode::ACCEPTED.into_response(),
                Ok(false) => {}
                Err(problem) => return Refused(problem).into_response(),
            }
            let id = |of: &Value| serde_json::from_value::<RequestId>(of.clone()).ok();
            match message["method"].as_str() {
                Some("notifications/cancelled") => {
                    if let Some(id) = id(&message["params"]["requestId"]) {
                        self.calls.cancel(session, &id);
                    }
                }
                Some("tools/call") => {
                    stream = id(&message["id"]).and_then(|it| self.questions.about(session, &it));
                }
                _ => {}
            }
        }
        let asked = stream.map(|(outlet, asked)| {
            parts.extensions.insert(outlet);
            asked
        });
        let mut response = self.served(parts, bytes).await;
        if message["method"] == "initialize" && response.status() == StatusCode::OK {
            let name = HeaderValue::try_from(questions::name(&message));
            if let Ok(name) = name {
                response.headers_mut().insert(SESSION, name);
            }
        }
        match asked.filter(|_| is_stream(&response)) {
            Some(asked) => response.map(|body| questions::with(body, asked)),
            None => response,
        }
    }

    async fn served(&self, parts: Parts, bytes: Bytes) -> Response {
        let request = Request::from_parts(parts, Full::new(bytes));
        self.service.handle(request).await.map(Body::new)
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"))
}

/// What the client calls its session; none in a revision that knows no sessions, whatever its header says.
fn session(headers: &HeaderMap) -> Option<&str> {
    let newest =
        |it: &HeaderValue| it.as_bytes() >= ProtocolVersion::V_2026_07_28.as_str().as_bytes();
    match headers.get(VERSION).is_some_and(newest) {
        true => None,
        false => headers.get(SESSION)?.to_str().ok(),
    }
}

fn unread(error: &serde_json::Error) -> Response {
    let error = ErrorData::parse_error(format!("the body is not JSON: {error}"), None);
    let error = JsonRpcError::new(None, error);
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// What went wrong, for a program, and what to do.
fn data(problem: &Problem) -> Option<Value> {
    serde_json::to_value(problem).ok()
}

/// A problem where no tool is called.
fn fault(problem: &Problem) -> ErrorData {
    use aion_abi::code::Code;
    let said = format!("{}; {}", problem.detail, problem.remedy);
    let data = data(problem);
    match problem.code {
        Code::NotFound => ErrorData::resource_not_found(said, data),
        Code::BadRequest | Code::TooLarge => ErrorData::invalid_params(said, data),
        _ => ErrorData::internal_error(said, data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_the_revisions_that_know_them() {
        for (version, known) in [
            (None, true),
            (Some("2025-11-25"), true),
            (Some("2026-07-28"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(SESSION, HeaderValue::from_static("asked-a"));
            if let Some(version) = version {
                headers.insert(VERSION, HeaderValue::from_static(version));
            }
            assert_eq!(session(&headers).is_some(), known, "{version:?}");
        }
    }
}
