//! The OpenAI API (<https://platform.openai.com/docs/api-reference>), for programs that speak it: each agent is a model.
//!
//! What a request asks for and an agent cannot give is refused by name, never left out in silence.

pub(crate) mod chat;
mod conversation;
pub(crate) mod models;
mod refused;
pub(crate) mod responses;
mod spoken;

use aion_abi::{code::Code, problem::Problem};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal, as OpenAI words it.
pub(crate) struct Failed(pub(crate) Problem);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(error(&self.0))).into_response();
        if let Some(after) = self.0.retry_after_ms {
            let seconds = HeaderValue::from(after.div_ceil(1_000));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// The body of an error, also within a stream.
fn error(problem: &Problem) -> Value {
    let kind = match problem.code {
        Code::BadSignature => "authentication_error",
        Code::Denied => "permission_error",
        Code::QuotaExceeded => "rate_limit_error",
        _ if problem.status < 500 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {
        "message": message(problem),
        "type": kind,
        "param": null,
        "code": problem.code,
    }})
}

/// What is wrong, and what to do.
fn message(problem: &Problem) -> String {
    format!("{}; {}", problem.detail, problem.remedy)
}
