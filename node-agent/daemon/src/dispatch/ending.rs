//! How a job ended, for the kernel and for the caller.

use aion_abi::{canonical::body_digest, code::Code, problem::Problem};
use aion_kernel::{Body, BodyDigest, Failure, Finish};
use bytes::Bytes;

use super::{NO_USAGE, done};
use crate::shell::Driven;

/// An answer that came in one piece.
pub(super) fn of(answer: Result<Vec<u8>, Problem>, keyed: bool) -> Driven {
    let said = answer.map(Bytes::from);
    let finish = match &said {
        Ok(bytes) => done(keyed.then(|| body(bytes))),
        Err(problem) => failed(problem),
    };
    Driven {
        finish,
        usage: NO_USAGE,
        said,
        stream: None,
    }
}

/// A call that was stopped and had changed nothing.
pub(super) fn stopped() -> Driven {
    Driven {
        finish: Finish::Stopped,
        usage: NO_USAGE,
        said: Err(Problem::new(Code::Cancelled, "the call was stopped")),
        stream: None,
    }
}

/// What the kernel is told of a problem.
pub(super) fn failed(problem: &Problem) -> Finish {
    if problem.leaves_unknown() {
        return Finish::Unknown;
    }
    Finish::Failed(Failure {
        code: problem.code.as_str().into(),
        detail: problem.detail.as_str().into(),
    })
}

/// What the kernel is told of an answer's bytes.
pub(super) fn body(bytes: &[u8]) -> Body {
    Body {
        digest: BodyDigest(body_digest(bytes)),
        size: bytes.len() as u64,
    }
}
