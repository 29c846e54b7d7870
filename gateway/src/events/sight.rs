//! Which events a caller may see: the one place where that is asked.

use aion_abi::event::Event;
use axum::http::Extensions;

/// What a caller may see.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sight;

impl Sight {
    /// Of a request that was let in: who has the token of this gateway sees everything.
    pub(super) fn of(_: &Extensions) -> Self {
        Self
    }

    /// Whether the event may be told.
    #[expect(
        clippy::unused_self,
        reason = "callers who may see less are told apart here"
    )]
    pub(super) fn sees(self, _: &Event) -> bool {
        true
    }
}
