//! The OpenAI API (<https://platform.openai.com/docs/api-reference>), for programs that speak it: each agent is a model,
//! and so is each model of an agent whose program the gateway may be.
//!
//! What a request asks for and an agent cannot give is refused by name, never left out in silence.

pub(crate) mod chat;
mod conversation;
pub(crate) mod embeddings;
pub(crate) mod models;
mod named;
mod refused;
pub(crate) mod responses;
mod spoken;
mod wrong;

use aion_abi::{code::Code, problem::Problem};
use axum::{
    Json,
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A refusal, as OpenAI words it.
pub(crate) struct Failed {
    problem: Problem,
    refusal: Refusal,
}

/// Says to OpenAI's clients whether they send a request again by themselves.
const SHOULD_RETRY: &str = "x-should-retry";

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self {
            refusal: Refusal::of(&problem),
            problem,
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = aion_serve::refusal(&self.problem, Json(self.refusal));
        if !was_not_done(self.problem.code) {
            let never = HeaderValue::from_static("false");
            response.headers_mut().insert(SHOULD_RETRY, never);
        }
        response
    }
}

/// Whether nothing was asked or charged, so that a client may ask again with nobody's word.
fn was_not_done(code: Code) -> bool {
    let not_begun = [Code::QuotaExceeded, Code::NotRunning, Code::Unreachable];
    code.passes() || not_begun.contains(&code)
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
    /// The field that it is about.
    param: Option<String>,
    code: Reasons,
}

/// Which it is.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "OpenAiErrorCode")]
enum Reasons {
    /// AION-OS's own, as in a problem.
    Own(Code),
    /// OpenAI's, by which its clients shorten a conversation.
    TooLong(TooLong),
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OpenAiTooLong")]
enum TooLong {
    ContextLengthExceeded,
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
                code: Reasons::Own(problem.code),
            },
        }
    }
}

/// What is wrong, and what to do.
fn message(problem: &Problem) -> String {
    format!("{}; {}", problem.detail, problem.remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sends_nothing_again_by_itself_that_may_have_been_done() {
        let told = |code| {
            let response = Failed::from(Problem::new(code, "so")).into_response();
            response.headers().get(SHOULD_RETRY).cloned()
        };
        for code in [
            Code::OutcomeUnknown,
            Code::UpstreamFailed,
            Code::DeadlineExceeded,
            Code::Internal,
        ] {
            assert_eq!(
                told(code),
                Some(HeaderValue::from_static("false")),
                "{code}"
            );
        }
        for code in [Code::Overloaded, Code::QuotaExceeded, Code::NotRunning] {
            assert_eq!(told(code), None, "{code}");
        }
    }
}
