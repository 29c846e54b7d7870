//! The operator's one look at the wall clock: for what is written as a date. What is measured is a matter of `Instant`.

use k8s_openapi::jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the operator's one look at it")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
