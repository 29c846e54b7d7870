//! The OpenAI API (<https://platform.openai.com/docs/api-reference>), for programs that speak it: each agent is a model.
//!
//! What a request asks for and an agent cannot give is refused by name, never left out in silence.

pub(crate) mod chat;
mod conversation;
pub(crate) mod models;
mod stream;

use aion_abi::{code::Code, problem::Problem};
use axum::{
    Json,
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
        aion_serve::refusal(&self.0, Json(error(&self.0)))
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
        "message": format!("{}; {}", problem.detail, problem.remedy),
        "type": kind,
        "param": null,
        "code": problem.code,
    }})
}
