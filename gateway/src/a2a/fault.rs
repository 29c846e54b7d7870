//! What goes wrong, in A2A's words: a code of JSON-RPC, or a status of HTTP with `google.rpc.Status`. AION-OS's code is inside.

use aion_abi::{code::Code, problem::Problem};
use serde_json::{Map, Value, json};

/// Whose word the reason of a fault is.
const PROTOCOL: &str = "a2a-protocol.org";
const OURS: &str = "aion.dev";

/// Which of A2A's errors it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    TaskNotFound,
    TaskNotCancelable,
    PushNotificationNotSupported,
    UnsupportedOperation,
    ContentTypeNotSupported,
    VersionNotSupported,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    Parse,
    Internal,
    /// None: the node refuses, for a reason of its own.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    problem: Problem,
}

impl Fault {
    pub(super) fn new(kind: Kind, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let code = match kind {
            Kind::TaskNotFound | Kind::MethodNotFound => Code::NotFound,
            Kind::TaskNotCancelable => Code::NotRunning,
            Kind::Internal => Code::Internal,
            _ => Code::BadRequest,
        };
        Self {
            kind,
            problem: Problem::new(code, what).remedy(remedy),
        }
    }

    /// A field that is wrong.
    pub(super) fn params(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParams, what, remedy)
    }

    /// There is no such task here: also where there is one of another agent.
    pub(super) fn no_task(id: &str) -> Self {
        let remedy =
            "the newest tasks of each agent are kept, and are found at the agent that was asked";
        Self::new(Kind::TaskNotFound, format!("there is no task {id}"), remedy)
    }

    /// Whether what is wrong is that the task ended.
    pub(super) fn says_ended(&self) -> bool {
        self.kind == Kind::UnsupportedOperation
    }

    /// As an error of JSON-RPC.
    pub(super) fn rpc(&self) -> Value {
        let code = match self.kind {
            Kind::TaskNotFound => -32001,
            Kind::TaskNotCancelable => -32002,
            Kind::PushNotificationNotSupported => -32003,
            Kind::UnsupportedOperation => -32004,
            Kind::ContentTypeNotSupported => -32005,
            Kind::VersionNotSupported => -32009,
            Kind::InvalidRequest => -32600,
            Kind::MethodNotFound => -32601,
            Kind::InvalidParams => -32602,
            Kind::Internal => -32603,
            Kind::Parse => -32700,
            // Of those that JSON-RPC leaves to servers, the one that A2A gives no meaning.
            Kind::Refused => -32000,
        };
        json!({"code": code, "message": self.message(), "data": [self.info()]})
    }

    /// As `google.rpc.Status`.
    pub(super) fn status(&self) -> Value {
        let code = self.http();
        let status = match (self.kind, code) {
            (Kind::ContentTypeNotSupported, _) => "INVALID_ARGUMENT",
            (
                Kind::TaskNotCancelable
                | Kind::PushNotificationNotSupported
                | Kind::UnsupportedOperation
                | Kind::VersionNotSupported,
                _,
            ) => "FAILED_PRECONDITION",
            (_, 401) => "UNAUTHENTICATED",
            (_, 403) => "PERMISSION_DENIED",
            (_, 404) => "NOT_FOUND",
            (_, 429 | 507) => "RESOURCE_EXHAUSTED",
            (_, 499) => "CANCELLED",
            (_, 502 | 503) => "UNAVAILABLE",
            (_, 504) => "DEADLINE_EXCEEDED",
            (_, 409 | 412 | 422) => "FAILED_PRECONDITION",
            (_, 400..=498) => "INVALID_ARGUMENT",
            _ => "INTERNAL",
        };
        json!({"error": {
            "code": code, "status": status, "message": self.message(), "details": [self.info()],
        }})
    }

    /// The problem, with the status that an answer by HTTP has.
    pub(super) fn problem(&self) -> Problem {
        let mut problem = self.problem.clone();
        problem.status = self.http();
        problem
    }

    fn http(&self) -> u16 {
        match self.kind {
            Kind::TaskNotFound | Kind::MethodNotFound => 404,
            // What the node finds wrong in parameters keeps its status: 413 is a body.
            Kind::InvalidParams | Kind::Refused => self.problem.status,
            Kind::Internal => 500,
            _ => 400,
        }
    }

    fn message(&self) -> String {
        format!("{}; {}", self.problem.detail, self.problem.remedy)
    }

    /// `google.rpc.ErrorInfo`, of which clients read the first.
    fn info(&self) -> Value {
        let (reason, domain) = match self.kind {
            Kind::TaskNotFound => ("TASK_NOT_FOUND", PROTOCOL),
            Kind::TaskNotCancelable => ("TASK_NOT_CANCELABLE", PROTOCOL),
            Kind::PushNotificationNotSupported => ("PUSH_NOTIFICATION_NOT_SUPPORTED", PROTOCOL),
            Kind::UnsupportedOperation => ("UNSUPPORTED_OPERATION", PROTOCOL),
            Kind::ContentTypeNotSupported => ("CONTENT_TYPE_NOT_SUPPORTED", PROTOCOL),
            Kind::VersionNotSupported => ("VERSION_NOT_SUPPORTED", PROTOCOL),
            Kind::InvalidParams => ("INVALID_PARAMS", PROTOCOL),
            Kind::InvalidRequest => ("INVALID_REQUEST", PROTOCOL),
            Kind::MethodNotFound => ("METHOD_NOT_FOUND", PROTOCOL),
            Kind::Parse => ("JSON_PARSE", PROTOCOL),
            Kind::Internal => ("INTERNAL_ERROR", PROTOCOL),
            Kind::Refused => (self.problem.code.as_str(), OURS),
        };
        let reason = reason.to_uppercase().replace('-', "_");
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason, "domain": domain, "metadata": told(&self.problem),
        })
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let kind = match problem.code {
            Code::BadRequest | Code::TooLarge | Code::IdempotencyMismatch => Kind::InvalidParams,
            Code::Internal => Kind::Internal,
            _ => Kind::Refused,
        };
        Self { kind, problem }
    }
}

/// What a program goes by: texts, as `ErrorInfo` wants.
pub(super) fn told(problem: &Problem) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("code".into(), problem.code.as_str().into());
    told.insert("remedy".into(), problem.remedy.clone().into());
    if let Some(after) = problem.retry_after_ms {
        told.insert("retryAfterMs".into(), after.to_string().into());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_the_same_in_both_bindings_with_our_code_inside() {
        let quota = Problem::new(Code::QuotaExceeded, "no tokens are left").retry_after_ms(1_500);
        let large = Problem::new(Code::TooLarge, "the body is larger than 4 MiB");
        for (fault, code, http, status, reason, ours) in [
            (
                Fault::no_task("7"),
                -32001,
                404,
                "NOT_FOUND",
                "TASK_NOT_FOUND",
                "not-found",
            ),
            (
                Fault::new(Kind::TaskNotCancelable, "a", "b"),
                -32002,
                400,
                "FAILED_PRECONDITION",
                "TASK_NOT_CANCELABLE",
                "not-running",
            ),
            (
                Fault::new(Kind::VersionNotSupported, "a", "b"),
                -32009,
                400,
                "FAILED_PRECONDITION",
                "VERSION_NOT_SUPPORTED",
                "bad-request",
            ),
            (
                Fault::params("a", "b"),
                -32602,
                400,
                "INVALID_ARGUMENT",
                "INVALID_PARAMS",
                "bad-request",
            ),
            (
                large.into(),
                -32602,
                413,
                "INVALID_ARGUMENT",
                "INVALID_PARAMS",
                "too-large",
            ),
            (
                quota.into(),
                -32000,
                429,
                "RESOURCE_EXHAUSTED",
                "QUOTA_EXCEEDED",
                "quota-exceeded",
            ),
            (
                Problem::new(Code::Internal, "a").into(),
                -32603,
                500,
                "INTERNAL",
                "INTERNAL_ERROR",
                "internal",
            ),
        ] {
            let (rpc, rest) = (fault.rpc(), fault.status());
            assert_eq!(rpc["code"], code, "{rpc}");
            assert_eq!(rest["error"]["code"], http, "{rest}");
            assert_eq!(fault.problem().status, http);
            assert_eq!(rest["error"]["status"], status, "{rest}");
            assert_eq!(rpc["message"], rest["error"]["message"]);
            let info = &rpc["data"][0];
            assert_eq!(*info, rest["error"]["details"][0]);
            assert_eq!(info["reason"], reason);
            assert_eq!(info["metadata"]["code"], ours);
        }
    }
}
