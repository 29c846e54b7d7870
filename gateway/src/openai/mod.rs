//! The OpenAI API (<https://platform.openai.com/docs/api-reference>), for programs that speak it: each agent is a model,
//! and so is each model of an agent whose program the gateway may be.
//!
//! What a request asks for and an agent cannot give is refused by name, never left out in silence.

pub(crate) mod chat;
mod conversation;
pub(crate) mod models;
mod named;
mod refused;
pub(crate) mod responses;
mod spoken;

use aion_abi::{code::Code, problem::Problem};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A refusal, as OpenAI words it.
pub(crate) struct Failed(pub(crate) Problem);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        aion_serve::refusal(&self.0, Json(Refusal::of(&self.0)))
    }
}

/// The body of an error, also within a stream.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenAiError")]
pub(crate) struct Refusal {
    error: Reason,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenAiErrorReason")]
struct Reason {
    /// What is wrong, and what to do.
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    /// AION-OS's own, as in a problem.
    code: Code,
}

impl Refusal {
    fn of(problem: &Problem) -> Self {
        let kind = match problem.code {
            Code::BadSignature => "authentication_error",
            Code::Denied => "permission_error",
            Code::QuotaExceeded => "rate_limit_error",
            _ if problem.status < 500 => "invalid_request_error",
            _ => "server_error",
        };
        Self {
            error: Reason {
                message: message(problem),
                kind,
                param: None,
                code: problem.code,
            },
        }
    }
}

/// What is wrong, and what to do.
fn message(problem: &Problem) -> String {
    format!("{}; {}", problem.detail, problem.remedy)
}
