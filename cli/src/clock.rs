//! The tool's one look at the wall clock: ages are told from it. What is measured is a matter of `Instant`.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the tool's one look at it")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
