//! Step 1: what is known about the pool, from the caches. Reads only.

use aion_api::{KernelNode, MemoryPool};
use aion_resolve::node_status::told_state;
use aion_resolve::pool_status::PoolFacts;
use aion_resolve::{Key, NodeState};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::caches::Caches;

/// A pool and what is known about it.
pub(super) struct Dereferenced {
    pub(super) pool: MemoryPool,
    pub(super) facts: PoolFacts,
}

/// Gathers what is known about `pool`.
pub(super) fn dereference(pool: &MemoryPool, caches: &Caches) -> Dereferenced {
    let namespace = pool.namespace().unwrap_or_default();
    let endpoints = caches
        .endpoints
        .state_filter(|endpoint| endpoint.namespace().as_deref() == Some(&namespace));
    let node = pool
        .status
        .as_ref()
        .and_then(|status| status.node_name.as_deref());
    // Only what is being deleted waits for its users to go.
    let deleted = pool.metadata.deletion_timestamp.is_some();
    let used_by = deleted.then(|| {
        let pool = Key::new(&namespace, &pool.name_any());
        caches.instances.using_pool(&pool)
    });
    let facts = PoolFacts {
        endpoints: endpoints
            .iter()
            .map(|endpoint| (endpoint.name_any(), endpoint.as_ref().clone()))
            .collect(),
        used_by: used_by.unwrap_or_default(),
        node: node.and_then(|node| state(node, caches)),
    };
    Dereferenced {
        pool: pool.clone(),
        facts,
    }
}

/// The state of `node`: a Node without a KernelNode is there, but silent.
fn state(node: &str, caches: &Caches) -> Option<NodeState> {
    if let Some(why) = caches.unreadable.of::<KernelNode>("", node) {
        return Some(NodeState::Unknown(why));
    }
    match caches.kernel_nodes.get(&ObjectRef::new(node)) {
        Some(kernel_node) => Some(told_state(&kernel_node)),
        None => caches
            .nodes
            .get(&ObjectRef::new(node))
            .map(|_| NodeState::Unknown("it has no KernelNode: is its node agent running?".into())),
    }
}
