//! The gateway's one look at the wall clock: for what is written as a date. What is measured is a matter of `Instant`.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the gateway's one look at it")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
