//! Whether a node is alive, and what placement sees of it.

use std::time::Duration;

use aion_api::condition::{self, Judgement, READY, reason};
use aion_api::metadata::TAINT_OUT_OF_SERVICE;
use aion_api::{KernelNode, Scheduling};
use k8s_openapi::jiff::Timestamp;

use crate::universe::{NodeState, NodeView};

/// A node agent's Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// For how long it says the same, by the clock of whoever watches it.
    pub silent: Duration,
    /// For how long a renewal holds.
    pub holds: Duration,
    /// When it was renewed by the node's own clock: for people, and compared with nothing.
    pub renewed: Timestamp,
}

/// What the cluster knows of the Node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Machine {
    /// It is there.
    #[default]
    There,
    /// It is tainted out of service.
    OutOfService,
    /// There is no such Node.
    Gone,
}

/// Whether a node is alive.
#[must_use]
pub fn node_state(heartbeat: Option<Heartbeat>, machine: Machine) -> NodeState {
    match (machine, heartbeat) {
        (Machine::Gone, _) => NodeState::Gone,
        (Machine::OutOfService, _) => NodeState::OutOfService,
        (Machine::There, None) => {
            NodeState::NotReady("its node agent has no Lease: is it running?".into())
        }
        (Machine::There, Some(heartbeat)) => {
            if heartbeat.silent <= heartbeat.holds {
                NodeState::Ready
            } else {
                NodeState::NotReady(format!(
                    "its node agent renews its Lease no more; the last time was at {} by its own clock; what is there stays until the node is back, its Node is deleted or tainted {TAINT_OUT_OF_SERVICE}, or it is given up: aionctl --cluster node forget NODE",
                    heartbeat.renewed
                ))
            }
        }
    }
}

/// `state` as the condition Ready; `heard_of` says whether there is a Lease at all.
#[must_use]
pub fn node_condition(state: &NodeState, heard_of: bool) -> Judgement {
    match state {
        NodeState::Ready => Judgement::new(
            READY,
            true,
            reason::LEASE_RENEWED,
            "its node agent is alive",
        ),
        NodeState::NotReady(why) | NodeState::Unknown(why) => {
            let reason = if heard_of {
                reason::LEASE_EXPIRED
            } else {
                reason::LEASE_MISSING
            };
            Judgement::new(READY, condition::Status::Unknown, reason, why.clone())
        }
        NodeState::OutOfService => Judgement::new(
            READY,
            false,
            reason::NODE_OUT_OF_SERVICE,
            "its Node is tainted out of service: what ran there is replaced; what pools held there waits until the node is back, or is given up: aionctl --cluster node forget NODE",
        ),
        NodeState::Gone => Judgement::new(
            READY,
            false,
            reason::NODE_GONE,
            "its Node is gone: what ran there is replaced; what pools held there waits until the node is back, or is given up: aionctl --cluster node forget NODE",
        ),
        NodeState::Forgotten => Judgement::new(
            READY,
            false,
            reason::NODE_FORGOTTEN,
            "it is being forgotten",
        ),
    }
}

/// The state that `node`'s condition Ready tells. One that is being deleted is being forgotten, whatever it tells.
#[must_use]
pub fn told_state(node: &KernelNode) -> NodeState {
    if node.metadata.deletion_timestamp.is_some() {
        return NodeState::Forgotten;
    }
    let conditions = node
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    match condition::find(conditions, READY) {
        None => NodeState::NotReady("it is not known yet whether it is alive".into()),
        Some(ready) if ready.status == "True" => NodeState::Ready,
        Some(ready) if ready.reason == reason::NODE_GONE => NodeState::Gone,
        Some(ready) if ready.reason == reason::NODE_OUT_OF_SERVICE => NodeState::OutOfService,
        Some(ready) => NodeState::NotReady(ready.message.to_string()),
    }
}

/// What placement sees of `node`, on which `instances` are placed.
#[must_use]
pub fn node_view(node: &KernelNode, state: NodeState, instances: i32) -> NodeView {
    let status = node.status.clone().unwrap_or_default();
    NodeView {
        name: node.metadata.name.clone().unwrap_or_default(),
        labels: status.labels,
        state,
        paused: node.spec.scheduling == Scheduling::Pause,
        cordoned: false,
        capacity: status.capacity.unwrap_or_default(),
        layers: status.layers,
        hooks: (status.hooks.iter())
            .filter(|hook| hook.lacking.is_none())
            .map(|hook| hook.name)
            .collect(),
        runtimes: status.runtimes,
        volumes: status.volumes,
        instances,
    }
}
