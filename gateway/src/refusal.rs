//! In whose form a refusal is where no handler was reached.

use aion_abi::problem::Problem;
use aion_serve::Refused;
use axum::response::{IntoResponse, Response};

use crate::openai;

/// What speaks as OpenAI does, errors too.
const OPENAI: [&str; 3] = ["/v1/models", "/v1/chat/", "/v1/responses"];

/// A refusal in the form of whom the path belongs to.
pub(crate) fn refused(path: &str, problem: Problem) -> Response {
    match OPENAI.iter().any(|its| path.starts_with(its)) {
        true => openai::Failed(problem).into_response(),
        false => Refused(problem).into_response(),
    }
}
