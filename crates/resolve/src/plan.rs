//! What is to be made and what is to go: a new revision comes up before the old one goes.

use aion_api::AgentInstance;
use aion_api::condition::{self, READY};
use aion_api::metadata::FINALIZER_DRAIN;

use crate::universe::{NodeState, NodeView};

/// What is to be done about an agent's instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Instances there should be and are not.
    pub create: Vec<AgentInstance>,
    /// Instances there should be and are, by name, as they should be.
    pub keep: Vec<AgentInstance>,
    /// Instances that go, by name.
    pub retire: Vec<String>,
    /// Instances of an older revision that stay until the newer one is ready, by name.
    pub linger: Vec<String>,
    /// Instances that are being deleted and whose node cannot drain them any more, since it is lost.
    pub release: Vec<String>,
    /// Names that cannot be made yet, since an instance of that name is still being deleted.
    pub blocked: Vec<String>,
}

/// Whether the node of `instance` says that it can be asked.
#[must_use]
pub fn is_ready(instance: &AgentInstance) -> bool {
    instance.metadata.deletion_timestamp.is_none()
        && instance
            .status
            .as_ref()
            .is_some_and(|status| condition::is_true(&status.conditions, READY))
}

/// Compares what there should be with what there is.
///
/// An instance of an older revision goes when the newer one of its replica is ready, when it is not
/// ready itself, when its replica is no longer wanted, or when its node is lost.
#[must_use]
pub fn plan(wanted: Vec<AgentInstance>, existing: &[AgentInstance], nodes: &[NodeView]) -> Plan {
    let mut plan = Plan::default();
    let name = |instance: &AgentInstance| instance.metadata.name.clone().unwrap_or_default();
    for instance in existing
        .iter()
        .filter(|instance| instance.metadata.deletion_timestamp.is_none())
    {
        if wanted
            .iter()
            .any(|w| w.metadata.name == instance.metadata.name)
        {
            continue;
        }
        let successor = wanted
            .iter()
            .find(|w| w.spec.replica == instance.spec.replica);
        let succeeded = successor.is_none_or(|successor| {
            existing
                .iter()
                .any(|e| e.metadata.name == successor.metadata.name && is_ready(e))
        });
        if succeeded || is_lost(instance, nodes) || !is_ready(instance) {
            plan.retire.push(name(instance));
        } else {
            plan.linger.push(name(instance));
        }
    }
    plan.release = lost(existing, nodes);
    for instance in wanted {
        match existing
            .iter()
            .find(|e| e.metadata.name == instance.metadata.name)
        {
            None => plan.create.push(instance),
            Some(there) if there.metadata.deletion_timestamp.is_some() => {
                plan.blocked.push(name(&instance))
            }
            Some(_) => plan.keep.push(instance),
        }
    }
    plan
}

/// Every instance goes.
#[must_use]
pub fn retire_all(existing: &[AgentInstance], nodes: &[NodeView]) -> Plan {
    let alive = existing
        .iter()
        .filter(|instance| instance.metadata.deletion_timestamp.is_none());
    Plan {
        retire: alive
            .filter_map(|instance| instance.metadata.name.clone())
            .collect(),
        release: lost(existing, nodes),
        ..Plan::default()
    }
}

/// For an agent that cannot be resolved: what is on a node that is being forgotten goes, since the node waits for it.
///
/// Everything else stays as it is, also on a node that is merely lost: nothing waits for that, the node may come back,
/// and what went could not be made again before the agent is resolved.
#[must_use]
pub(crate) fn retire_forgotten(existing: &[AgentInstance], nodes: &[NodeView]) -> Plan {
    let forgotten = |instance: &&AgentInstance| {
        instance.metadata.deletion_timestamp.is_none()
            && node_of(instance, nodes).is_some_and(|node| node.state == NodeState::Forgotten)
    };
    Plan {
        retire: existing
            .iter()
            .filter(forgotten)
            .filter_map(|instance| instance.metadata.name.clone())
            .collect(),
        release: lost(existing, nodes),
        ..Plan::default()
    }
}

/// Names of instances that are being deleted on a node that is lost, and that wait for it.
fn lost(existing: &[AgentInstance], nodes: &[NodeView]) -> Vec<String> {
    let waits = |instance: &AgentInstance| {
        let finalizers = instance.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|it| it == FINALIZER_DRAIN)
    };
    existing
        .iter()
        .filter(|instance| {
            instance.metadata.deletion_timestamp.is_some()
                && waits(instance)
                && is_lost(instance, nodes)
        })
        .filter_map(|instance| instance.metadata.name.clone())
        .collect()
}

/// Whether it is certain that `instance` does not run: its node is lost, or nobody knows of such a node. Of an instance
/// that cannot be read, the node is not known.
fn is_lost(instance: &AgentInstance, nodes: &[NodeView]) -> bool {
    let named = !instance.spec.node_name.is_empty();
    named && node_of(instance, nodes).is_none_or(|node| node.state.is_lost())
}

/// What is known of the node that `instance` is on.
fn node_of<'a>(instance: &AgentInstance, nodes: &'a [NodeView]) -> Option<&'a NodeView> {
    let mut nodes = nodes.iter();
    nodes.find(|node| node.name == instance.spec.node_name)
}
