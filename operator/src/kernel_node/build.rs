//! Step 3: what is to be written. Pure.

use std::sync::Arc;
use std::time::Duration;

use aion_api::condition::Judgement;
use aion_api::metadata::FINALIZER_FORGET;
use aion_api::{AgentInstance, KernelNode, MemoryPool};
use kube::ResourceExt;

use super::validate::Validated;

/// Everything that is to be written about a node, and nothing written yet.
pub(super) struct Prepared {
    pub(super) node: KernelNode,
    pub(super) judgement: Judgement,
    pub(super) again: Option<Duration>,
    pub(super) finalizer: Finalizer,
    /// Pools that lose what they held there.
    pub(super) lose: Vec<Arc<MemoryPool>>,
    /// Instances that nobody else lets go.
    pub(super) release: Vec<Arc<AgentInstance>>,
}

/// What becomes of the finalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finalizer {
    /// It is put on.
    Add,
    /// It stays as it is.
    Keep,
    /// It is taken away: nothing is bound to the node any more.
    Remove,
}

/// Decides about the finalizer, and about what is bound to a node that is being forgotten. A pool that is being deleted
/// says itself that what the node held was not erased; instances are their Agents' affair, where those can be read.
pub(super) fn build(validated: Validated) -> Prepared {
    let Validated {
        node,
        judgement,
        again,
        bound,
    } = validated;
    let has = node.finalizers().iter().any(|it| it == FINALIZER_FORGET);
    let finalizer = match (&bound, has) {
        (None, false) => Finalizer::Add,
        (Some(bound), true) if bound.is_empty() => Finalizer::Remove,
        _ => Finalizer::Keep,
    };
    let bound = bound.filter(|_| has).unwrap_or_default();
    let stays = |pool: &Arc<MemoryPool>| pool.metadata.deletion_timestamp.is_none();
    Prepared {
        node,
        judgement,
        again,
        finalizer,
        lose: bound.pools.into_iter().filter(stays).collect(),
        release: bound.orphans,
    }
}
