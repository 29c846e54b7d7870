//! What goes wrong between here and an agent, as a problem that whoever asked can act on. Pure. What may not enter: what
//! a task's own end means (`answer`).

use aion_abi::{code::Code, problem::Problem};
use serde_json::Value;

/// A request that was not answered as it should be.
#[derive(Debug)]
pub(super) struct NotDone {
    pub(super) problem: Problem,
    pub(super) kind: Kind,
}

/// What that says of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was not carried out.
    Refused,
    /// The same, and another try may be: the agent was not reached, or asks for patience.
    Away,
    /// It may have been carried out.
    Lost,
    /// The agent does not know the operation.
    NotSupported,
    /// It has no such task.
    NoTask,
    /// The task has ended already.
    Ended,
    /// It may have been carried out, and what is told of it cannot be used, however often it is asked for.
    Unusable,
}

impl Kind {
    /// The graver of two: what may have been carried out is not told as if it was not.
    pub(super) fn graver(self, other: Self) -> Self {
        [Self::Lost, Self::Away]
            .into_iter()
            .find(|it| self == *it || other == *it)
            .unwrap_or(self)
    }
}

impl NotDone {
    pub(super) fn new(kind: Kind, code: Code, tool: &str, what: &str) -> Self {
        Self {
            problem: Problem::new(code, format!("tool {tool}: {what}")),
            kind,
        }
    }

    pub(super) fn remedy(mut self, remedy: &str) -> Self {
        self.problem = self.problem.remedy(remedy);
        self
    }

    /// As the end of a call that this was the message of.
    pub(super) fn ends_the_call(self) -> Problem {
        match self.kind {
            Kind::Lost | Kind::Unusable => unknown(self.problem),
            _ => self.problem,
        }
    }
}

/// A problem of a call whose message may have been taken.
pub(super) fn unknown(problem: Problem) -> Problem {
    let remedy = "ask whoever runs the agent whether it has the task; call again only where it is harmless that it is done twice";
    let after = problem.retry_after_ms;
    let unknown = Problem::new(Code::OutcomeUnknown, problem.detail).remedy(remedy);
    match after {
        Some(after) => unknown.retry_after_ms(after),
        None => unknown,
    }
}

/// An error of the protocol in an answer: of JSON-RPC, or a `google.rpc.Status`.
pub(super) fn of_protocol(tool: &str, error: &Value) -> NotDone {
    let said = error.get("message").and_then(Value::as_str);
    let said = said.filter(|it| !it.trim().is_empty());
    let said = said.unwrap_or("it gave no reason");
    let said: String = said.chars().take(2048).collect();
    let (kind, code, remedy) = meaning(error);
    let fault = NotDone::new(kind, code, tool, &said);
    match remedy {
        Some(remedy) => fault.remedy(remedy),
        None => fault,
    }
}

/// The reasons of the protocol that say what happened.
const REASONS: [&str; 10] = [
    "TASK_NOT_FOUND",
    "TASK_NOT_CANCELABLE",
    "UNSUPPORTED_OPERATION",
    "METHOD_NOT_FOUND",
    "CONTENT_TYPE_NOT_SUPPORTED",
    "INVALID_AGENT_RESPONSE",
    "EXTENSION_SUPPORT_REQUIRED",
    "VERSION_NOT_SUPPORTED",
    "INVALID_PARAMS",
    "INTERNAL",
];

/// Whether the error names a reason of the protocol, which only the agent gives.
pub(super) fn has_reason(error: &Value) -> bool {
    let details = error.get("details").or_else(|| error.get("data"));
    let details = details.and_then(Value::as_array).into_iter().flatten();
    details
        .filter_map(|it| it["reason"].as_str())
        .any(|it| REASONS.contains(&it))
}

type Meaning = (Kind, Code, Option<&'static str>);

fn meaning(error: &Value) -> Meaning {
    // The reason is in the details of either binding; a code of JSON-RPC says it for those who leave that out.
    let details = error.get("details").or_else(|| error.get("data"));
    let details = details.and_then(Value::as_array);
    let reason = details
        .into_iter()
        .flatten()
        .find_map(|it| it["reason"].as_str());
    // A reason of somebody else's, such as a gateway's, hides no code.
    let known = reason.filter(|it| REASONS.contains(it));
    let reason = known.unwrap_or(match error.get("code").and_then(Value::as_i64) {
        Some(-32_001) => "TASK_NOT_FOUND",
        Some(-32_002) => "TASK_NOT_CANCELABLE",
        Some(-32_004) => "UNSUPPORTED_OPERATION",
        Some(-32_005) => "CONTENT_TYPE_NOT_SUPPORTED",
        Some(-32_008) => "EXTENSION_SUPPORT_REQUIRED",
        Some(-32_009) => "VERSION_NOT_SUPPORTED",
        Some(-32_601 | 501) => "METHOD_NOT_FOUND",
        Some(-32_600 | -32_602 | 400) => "INVALID_PARAMS",
        Some(404) => "TASK_NOT_FOUND",
        Some(-32_006) => "INVALID_AGENT_RESPONSE",
        Some(-32_603 | 500 | 502..=599) => "INTERNAL",
        Some(429) => "TOO_MANY_REQUESTS",
        _ => "",
    });
    match reason {
        "TASK_NOT_FOUND" => (Kind::NoTask, Code::NotFound, None),
        "TASK_NOT_CANCELABLE" => (Kind::Ended, Code::UpstreamFailed, None),
        "UNSUPPORTED_OPERATION" | "METHOD_NOT_FOUND" => {
            (Kind::NotSupported, Code::UpstreamFailed, None)
        }
        "CONTENT_TYPE_NOT_SUPPORTED" => (
            Kind::Refused,
            Code::BadRequest,
            Some("ask it in words, without data"),
        ),
        "VERSION_NOT_SUPPORTED" => (
            Kind::Refused,
            Code::UpstreamFailed,
            Some("have the agent speak A2A 1.0, which its card says of this address"),
        ),
        "EXTENSION_SUPPORT_REQUIRED" => (
            Kind::Refused,
            Code::UpstreamFailed,
            Some("have the agent do without the extension, which is not known here"),
        ),
        "INVALID_PARAMS" => (Kind::Refused, Code::BadRequest, None),
        // Servers say so of an agent that broke down while it worked.
        "INTERNAL" | "INVALID_AGENT_RESPONSE" => (Kind::Lost, Code::UpstreamFailed, None),
        "TOO_MANY_REQUESTS" => (Kind::Away, Code::UpstreamFailed, None),
        _ => (Kind::Refused, Code::UpstreamFailed, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_means_the_same_in_both_bindings() {
        for (error, kind, code) in [
            (
                json!({"code": -32001, "message": "gone"}),
                Kind::NoTask,
                Code::NotFound,
            ),
            (
                json!({"code": 404, "status": "NOT_FOUND", "message": "gone",
                    "details": [{"reason": "TASK_NOT_FOUND"}]}),
                Kind::NoTask,
                Code::NotFound,
            ),
            (
                json!({"code": 400, "message": "no", "details": [{"reason": "UNSUPPORTED_OPERATION"}]}),
                Kind::NotSupported,
                Code::UpstreamFailed,
            ),
            (
                json!({"code": -32601, "message": "no"}),
                Kind::NotSupported,
                Code::UpstreamFailed,
            ),
            (
                json!({"code": -32602, "message": "parts"}),
                Kind::Refused,
                Code::BadRequest,
            ),
            (json!({"code": -32603}), Kind::Lost, Code::UpstreamFailed),
            (json!({"code": -32006}), Kind::Lost, Code::UpstreamFailed),
            (
                json!({"code": 504, "status": "DEADLINE_EXCEEDED"}),
                Kind::Lost,
                Code::UpstreamFailed,
            ),
            (json!({"code": 429}), Kind::Away, Code::UpstreamFailed),
            (
                json!({"code": -32601, "data": [{"reason": "QUOTA"}]}),
                Kind::NotSupported,
                Code::UpstreamFailed,
            ),
            (json!("odd"), Kind::Refused, Code::UpstreamFailed),
        ] {
            let fault = of_protocol("travel", &error);
            assert_eq!((fault.kind, fault.problem.code), (kind, code), "{error}");
            assert!(fault.problem.detail.starts_with("tool travel: "));
        }
    }
}
