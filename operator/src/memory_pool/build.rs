//! Step 3: what is to be written. Pure.

use aion_api::MemoryPool;
use aion_api::condition::Judgement;
use aion_api::metadata::FINALIZER_ERASE;
use aion_resolve::pool_status::Erasure;

use super::validate::Validated;

/// Everything that is to be written about a pool, and nothing written yet.
pub(super) struct Prepared {
    pub(super) pool: MemoryPool,
    pub(super) judgements: Vec<Judgement>,
    pub(super) finalizer: Finalizer,
}

/// What becomes of the finalizer.
pub(super) enum Finalizer {
    /// It is put on.
    Add,
    /// It stays as it is.
    Keep,
    /// It is taken away: all was erased, or, with what is to be told, a part was lost with its node.
    Remove(Option<String>),
}

/// Decides about the finalizer.
pub(super) fn build(validated: Validated) -> Prepared {
    let pool = validated.input.pool;
    let has = pool
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|f| f == FINALIZER_ERASE);
    let finalizer = match validated.erasure {
        None if !has => Finalizer::Add,
        Some(Erasure::Done(_)) if has => Finalizer::Remove(None),
        Some(Erasure::Lost(what)) if has => Finalizer::Remove(Some(what)),
        _ => Finalizer::Keep,
    };
    Prepared {
        pool,
        judgements: validated.judgements,
        finalizer,
    }
}
