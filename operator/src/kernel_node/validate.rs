//! Step 2: whether the node is alive. Pure.

use std::time::Duration;

use aion_api::KernelNode;
use aion_api::condition::Judgement;
use aion_resolve::NodeState;
use aion_resolve::node_status::{node_condition, node_state};

use super::dereference::Dereferenced;

/// A node that was judged.
pub(super) struct Validated {
    pub(super) node: KernelNode,
    pub(super) judgement: Judgement,
    /// When it must be looked at again, if nothing is heard: a second after its Lease runs out.
    pub(super) again: Option<Duration>,
}

/// Judges what was dereferenced.
pub(super) fn validate(input: Dereferenced) -> Validated {
    let state = match (node_state(input.heartbeat, input.machine), input.unreadable) {
        (NodeState::NotReady(_), Some(why)) => NodeState::NotReady(why),
        (state, _) => state,
    };
    let again = input
        .heartbeat
        .filter(|_| state == NodeState::Ready)
        .map(|heartbeat| heartbeat.holds.saturating_sub(heartbeat.silent) + Duration::from_secs(1));
    Validated {
        judgement: node_condition(&state, input.heartbeat.is_some()),
        node: input.node,
        again,
    }
}
