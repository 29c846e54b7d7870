//! Which protocol a path belongs to: in its form a refusal is where no handler was reached.

use aion_abi::{key::Door, problem::Problem};
use aion_serve::Refused;
use axum::response::{IntoResponse, Response};

use crate::{a2a, openai};

/// What speaks as OpenAI does, errors too.
const OPENAI: [&str; 4] = ["/v1/models", "/v1/chat/", "/v1/responses", "/v1/embeddings"];
/// What speaks as A2A does.
const A2A: &str = "/v1/a2a/";

/// What speaks as MCP does.
pub(crate) const MCP: &str = "/mcp";

/// Whom the path belongs to.
pub(crate) fn door(path: &str) -> Door {
    if path.starts_with(A2A) {
        return Door::A2a;
    }
    if OPENAI.iter().any(|its| path.starts_with(its)) {
        return Door::OpenAi;
    }
    match path.starts_with(MCP) {
        true => Door::Mcp,
        false => Door::Rest,
    }
}

/// A refusal in the form of whom the path belongs to.
pub(crate) fn refused(path: &str, problem: Problem) -> Response {
    match door(path) {
        Door::A2a => a2a::refused(problem),
        Door::OpenAi => openai::Failed::from(problem).into_response(),
        Door::Mcp | Door::Rest => Refused(problem).into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::code::Code;
    use axum::http::header;

    use super::*;

    #[test]
    fn in_whatever_form_it_says_when_to_try_again() {
        for path in [
            "/v1/chat/completions",
            "/v1/agents",
            "/v1/a2a/default/jarvis",
        ] {
            let away = Problem::new(Code::Unreachable, "the node is away").retry_after_ms(1_500);
            let status = away.status;
            let response = refused(path, away);
            assert_eq!(response.status().as_u16(), status, "{path}");
            let after = response.headers().get(header::RETRY_AFTER).unwrap();
            assert_eq!(after, "2", "{path}");
        }
    }
}
