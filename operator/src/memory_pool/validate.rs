//! Step 2: what becomes of the pool. Pure.

use aion_api::condition::Judgement;
use aion_resolve::pool_status::{Erasure, erasure, pool_conditions};

use super::dereference::Dereferenced;

/// A pool that was judged.
pub(super) struct Validated {
    pub(super) input: Dereferenced,
    pub(super) judgements: Vec<Judgement>,
    /// How far erasing it has come, where it is being deleted.
    pub(super) erasure: Option<Erasure>,
}

/// Judges what was dereferenced.
pub(super) fn validate(input: Dereferenced) -> Validated {
    let deleted = input.pool.metadata.deletion_timestamp.is_some();
    Validated {
        judgements: pool_conditions(&input.pool, &input.facts),
        erasure: deleted.then(|| erasure(&input.pool, &input.facts)),
        input,
    }
}
