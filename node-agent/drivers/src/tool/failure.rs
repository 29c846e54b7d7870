//! From what goes wrong with a server to what a caller can act on.

use std::error::Error;

use aion_abi::{code::Code, problem::Problem};
use rmcp::{
    ServiceError, model::ErrorCode, service::ClientInitializeError,
    transport::streamable_http_client::StreamableHttpError,
};

use super::{
    message::{NO_ANSWER, NOT_USABLE},
    refused::{NotDone, kept_pause, may_have_acted},
};
use crate::outbound::{describe, millis, not_before, refusal_of};

type HttpError = StreamableHttpError<NotDone>;

/// A connection that could not be made.
pub(super) fn not_connected(tool: &str, error: &ClientInitializeError) -> Problem {
    match error {
        ClientInitializeError::TransportError { error, .. } => {
            transport(tool, error.error.as_ref()).problem
        }
        ClientInitializeError::ConnectionClosed(_) => {
            unreachable(tool, "it closed the connection before it said what it is")
                .remedy("see why the server ends: its own log says")
        }
        ClientInitializeError::JsonRpcError(error) => not_before(
            upstream(tool, &error.message),
            kept_pause(error.data.as_ref()),
        ),
        other => upstream(tool, &format!("it does not speak MCP as expected: {other}")),
    }
}

/// How a request on a connection failed.
pub(super) struct Failed {
    pub(super) problem: Problem,
    /// The connection is of no more use.
    pub(super) lost: bool,
}

/// A request that failed. `called`: it may have had an effect if it arrived.
pub(super) fn failed(tool: &str, error: &ServiceError, called: bool) -> Failed {
    let unknown = |why: &str| {
        let text = format!("tool {tool}: {why}");
        if called {
            Problem::new(Code::OutcomeUnknown, text)
        } else {
            Problem::new(Code::Unreachable, text)
        }
    };
    match error {
        ServiceError::McpError(error) if error.code.0 == NO_ANSWER => Failed {
            problem: unknown(&error.message),
            lost: false,
        },
        ServiceError::McpError(error) if error.code.0 == NOT_USABLE => Failed {
            problem: lost_answer(tool, &error.message, called),
            lost: false,
        },
        ServiceError::McpError(error) => {
            let code = match error.code {
                ErrorCode::METHOD_NOT_FOUND | ErrorCode::RESOURCE_NOT_FOUND => Code::NotFound,
                ErrorCode::INVALID_PARAMS | ErrorCode::INVALID_REQUEST => Code::BadRequest,
                _ => Code::UpstreamFailed,
            };
            let problem = Problem::new(code, format!("tool {tool}: {}", error.message));
            Failed {
                problem: not_before(problem, kept_pause(error.data.as_ref())),
                lost: false,
            }
        }
        ServiceError::TransportSend(error) => {
            let sent = transport(tool, error.error.as_ref());
            if sent.arrived && called {
                let problem = Problem::new(Code::OutcomeUnknown, sent.problem.detail);
                return Failed {
                    problem: not_before(problem, sent.problem.retry_after_ms),
                    lost: true,
                };
            }
            Failed {
                problem: sent.problem,
                lost: true,
            }
        }
        ServiceError::TransportClosed | ServiceError::Cancelled { .. } => Failed {
            problem: unknown("the connection broke before it answered"),
            lost: true,
        },
        other => Failed {
            problem: lost_answer(tool, &other.to_string(), called),
            lost: false,
        },
    }
}

/// An answer that cannot be used: what was `called` may be done all the same.
pub(super) fn lost_answer(tool: &str, why: &str, called: bool) -> Problem {
    let mut problem = upstream(tool, why);
    if called {
        problem = Problem::new(Code::OutcomeUnknown, problem.detail);
    }
    problem
}

struct Sent {
    problem: Problem,
    /// The request may have been carried out.
    arrived: bool,
}

/// What the wire says, looked for through the layers that wrap it.
fn transport(tool: &str, error: &(dyn Error + 'static)) -> Sent {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return over_http(tool, http);
        }
        if let Some(request) = cause.downcast_ref::<reqwest::Error>() {
            return not_sent(tool, request);
        }
        next = cause.source();
    }
    Sent {
        problem: unreachable(tool, &error.to_string()),
        arrived: true,
    }
}

fn over_http(tool: &str, error: &HttpError) -> Sent {
    let arrived = |problem| Sent {
        problem,
        arrived: true,
    };
    let refused = |problem| Sent {
        problem,
        arrived: false,
    };
    match error {
        HttpError::Client(NotDone::Wire(request)) => not_sent(tool, request),
        HttpError::Client(
            answered @ NotDone::Status {
                status,
                told: _,
                later,
                after,
            },
        ) => Sent {
            problem: not_before(upstream(tool, &answered.to_string()), after.map(millis)),
            arrived: may_have_acted(*status, *later),
        },
        HttpError::AuthRequired(_) | HttpError::InsufficientScope(_) => refused(
            upstream(tool, "it does not accept the key")
                .remedy("correct the key in the secret that the Tool names, or name one"),
        ),
        // It was carried out before it was answered, as far as anybody knows.
        HttpError::ResponseBodyTooLarge { max_size } => arrived(upstream(
            tool,
            &format!("its answer has more than the {max_size} bytes of a message: ask for less"),
        )),
        HttpError::UnexpectedContentType(kind) => arrived(upstream(
            tool,
            &format!(
                "its answer is {}, not JSON or events",
                kind.as_deref().unwrap_or("of no type")
            ),
        )),
        HttpError::Deserialize(_) | HttpError::UnexpectedServerResponse(_) => arrived(upstream(
            tool,
            &format!("its answer is not a message of MCP: {error}"),
        )),
        HttpError::SessionExpired => refused(unreachable(tool, "it no longer knows the session")),
        other => arrived(upstream(tool, &other.to_string())),
    }
}

fn not_sent(tool: &str, error: &reqwest::Error) -> Sent {
    if let Some(problem) = refusal_of(tool, error) {
        return Sent {
            problem,
            arrived: false,
        };
    }
    // A status, too, comes as an error of the request here; then it was answered, and refused.
    if let Some(status) = error.status() {
        return Sent {
            problem: upstream(tool, &format!("it answered {status}")),
            arrived: false,
        };
    }
    Sent {
        problem: unreachable(tool, &describe(error)),
        arrived: !error.is_connect(),
    }
}

/// A server that answered, and with something else than was asked for.
pub(super) fn otherwise(tool: &str, what: &str) -> Problem {
    upstream(tool, what)
}

/// Whether a server that refused a greeting may know another: it was reached, and has no word about a key.
pub(super) fn may_know_another(error: &ClientInitializeError) -> bool {
    match error {
        ClientInitializeError::JsonRpcError(_) => true,
        ClientInitializeError::TransportError { error, .. } => {
            let mut next: Option<&(dyn Error + 'static)> = Some(error.error.as_ref());
            while let Some(cause) = next {
                if let Some(http) = cause.downcast_ref::<HttpError>() {
                    return refuses(http);
                }
                next = cause.source();
            }
            false
        }
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::Cancelled => false,
        _ => true,
    }
}

/// It was reached, and is not without a key.
fn refuses(error: &HttpError) -> bool {
    match error {
        HttpError::Client(NotDone::Wire(request)) => request.status().is_some(),
        HttpError::AuthRequired(_) | HttpError::InsufficientScope(_) => false,
        _ => true,
    }
}

fn upstream(tool: &str, why: &str) -> Problem {
    Problem::new(Code::UpstreamFailed, format!("tool {tool}: {why}"))
}

pub(super) fn unreachable(tool: &str, why: &str) -> Problem {
    Problem::new(Code::Unreachable, format!("tool {tool}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_none_leaves_the_outcome_unknown() {
        for (error, told) in [
            (
                HttpError::ResponseBodyTooLarge { max_size: 7 },
                "more than the 7 bytes",
            ),
            (
                HttpError::UnexpectedContentType(Some("text/plain".to_owned())),
                "text/plain",
            ),
            (
                HttpError::UnexpectedServerResponse("x".into()),
                "not a message of MCP",
            ),
        ] {
            let sent = over_http("t", &error);
            assert!(
                sent.arrived && sent.problem.detail.contains(told),
                "{}",
                sent.problem
            );
        }
        assert!(over_http("t", &HttpError::UnexpectedEndOfStream).arrived);
    }
}
