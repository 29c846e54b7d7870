//! MCP (<https://modelcontextprotocol.io>) over streamable HTTP, of 2026-07-28 and of the era of sessions before: each agent is a tool, and a
//! file that a turn wrote is a resource.
//!
//! The protocol is `rmcp`'s. Nothing is kept between requests: a session is a name that its client says again, by which a call that
//! runs is found and cancelled (docs/adr/0039). What may not enter: what an agent may, and who may ask.

mod ask;
mod calls;
mod files;
mod server;
mod tools;

use std::sync::Arc;

use aion_abi::problem::Problem;
use aion_serve::Refused;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::Full;
use rmcp::{
    ErrorData,
    model::{JsonRpcError, RequestId},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::Value;
use uuid::Uuid;

use self::{calls::Calls, server::Server};
use crate::{
    asked::Asked,
    reading::{self, MAX_BODY},
};

const SESSION: &str = "mcp-session-id";

/// See the module.
pub(crate) struct Mcp {
    service: StreamableHttpService<Server, NeverSessionManager>,
    calls: Calls,
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
        Self { service, calls }
    }
}

impl Mcp {
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
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
        if message["method"] == "notifications/cancelled" {
            let id = serde_json::from_value::<RequestId>(message["params"]["requestId"].clone());
            let asked = Asked::of(&parts.extensions).ok();
            if let (Some(session), Some(Asked(gateway)), Ok(id)) =
                (session(&parts.headers), asked, id)
            {
                self.calls.cancel((gateway.key.as_ref(), session), &id);
            }
        }
        let mut response = self.served(parts, bytes).await;
        if message["method"] == "initialize" && response.status() == StatusCode::OK {
            let name = HeaderValue::try_from(Uuid::new_v4().to_string());
            if let Ok(name) = name {
                response.headers_mut().insert(SESSION, name);
            }
        }
        response
    }

    async fn served(&self, parts: Parts, bytes: Bytes) -> Response {
        let request = Request::from_parts(parts, Full::new(bytes));
        self.service.handle(request).await.map(Body::new)
    }
}

/// What the client calls its session.
fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION)?.to_str().ok()
}

fn unread(error: &serde_json::Error) -> Response {
    let error = ErrorData::parse_error(format!("the body is no JSON: {error}"), None);
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
