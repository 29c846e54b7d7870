//! Which node an instance goes to: a pure function of capacity, features, selectors and where its
//! memory is.
//!
//! An instance that is on a node stays there, also when the node is not heard of: it is replaced
//! elsewhere only when the node is gone or out of service, since until then it may still run. Capacity
//! counts instances, idle ones too, and asks that one of them fits into the node's memory; how many run
//! at once is the node's own affair.

use std::collections::BTreeMap;

use aion_api::program::Runtime;
use aion_api::sandbox::Layer;
use aion_api::{AgentInstance, ResolvedViolations};

use crate::universe::{NodeState, NodeView};

/// What an instance needs of a node.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Instances wanted.
    pub replicas: i32,
    /// What executes them.
    pub runtime: Runtime,
    /// Layers that are required.
    pub layers: Vec<Layer>,
    /// What is done about violations, which not every kernel can do.
    pub violations: Option<ResolvedViolations>,
    /// Labels the node must carry.
    pub selector: BTreeMap<String, String>,
    /// Volumes it must have.
    pub volumes: Vec<String>,
    /// Memory of one running instance, in MiB.
    pub memory_mib: i32,
    /// CPU of one running instance, in thousandths of a core.
    pub cpu_millis: i32,
    /// Whether all instances must be on one node, since they share an embedded pool.
    pub together: bool,
    /// The node that holds the pool already.
    pub pinned: Option<String>,
    /// The revision that is placed: an instance of it says more about where to stay than an older one.
    pub revision: String,
}

/// Where instances go: for each replica, from 0, a node or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// One entry a replica.
    pub replicas: Vec<Result<String, String>>,
}

impl Placement {
    /// Why the first replica that has no node has none.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.replicas
            .iter()
            .find_map(|placed| placed.as_ref().err().map(String::as_str))
    }

    /// The node that holds the instances' shared pool from now on.
    #[must_use]
    pub fn first_node(&self) -> Option<&str> {
        self.replicas
            .iter()
            .find_map(|placed| placed.as_ref().ok().map(String::as_str))
    }
}

/// Places each replica of `needs` on one of `nodes`; `instances` are the agent's own.
#[must_use]
pub fn place(needs: &Needs, nodes: &[NodeView], instances: &[AgentInstance]) -> Placement {
    let mut load: BTreeMap<&str, i32> = nodes
        .iter()
        .map(|node| (node.name.as_str(), node.instances))
        .collect();
    let mut pinned = needs.pinned.clone();
    let mut replicas = Vec::new();
    for replica in 0..needs.replicas {
        let here = current(needs, replica, nodes, instances);
        let placed = choose(needs, nodes, &load, pinned.as_deref(), &here);
        if let Ok(node) = &placed {
            if !here.contains(&node.as_str())
                && let Some(load) = load.get_mut(node.as_str())
            {
                *load += 1;
            }
            if needs.together {
                pinned.get_or_insert_with(|| node.clone());
            }
        }
        replicas.push(placed);
    }
    Placement { replicas }
}

/// The nodes that `replica` is on and that are not lost, those of the revision that is placed first.
fn current<'a>(
    needs: &Needs,
    replica: i32,
    nodes: &'a [NodeView],
    instances: &[AgentInstance],
) -> Vec<&'a str> {
    let mut on: Vec<&AgentInstance> = instances
        .iter()
        .filter(|instance| {
            instance.spec.replica == replica && instance.metadata.deletion_timestamp.is_none()
        })
        .collect();
    on.sort_by_key(|instance| instance.spec.revision != needs.revision);
    on.into_iter()
        .filter_map(|instance| {
            nodes
                .iter()
                .find(|node| node.name == instance.spec.node_name && !node.state.is_lost())
        })
        .map(|node| node.name.as_str())
        .collect()
}

fn choose(
    needs: &Needs,
    nodes: &[NodeView],
    load: &BTreeMap<&str, i32>,
    pinned: Option<&str>,
    here: &[&str],
) -> Result<String, String> {
    if let Some(pinned) = pinned {
        match nodes.iter().find(|node| node.name == pinned) {
            Some(node) if !node.state.is_lost() => {}
            Some(_) => {
                return Err(format!(
                    "its memory pool is on node {pinned}, which is gone: bring the node back, or give up what it held: aionctl --cluster node forget {pinned}"
                ));
            }
            None => {
                return Err(format!(
                    "its memory pool is on node {pinned}, which is gone: bring the node back, or delete the pool and with it what it held"
                ));
            }
        }
    }
    let unfit = |node: &NodeView, stays: bool| {
        if let Some(pinned) = pinned.filter(|pinned| *pinned != node.name) {
            return Some(format!("its memory pool is on node {pinned}"));
        }
        let used = load.get(node.name.as_str()).copied().unwrap_or_default();
        unfit(needs, node, used, stays)
    };
    let stays = here.iter().find(|name| {
        nodes
            .iter()
            .any(|node| node.name == **name && unfit(node, true).is_none())
    });
    if let Some(name) = stays {
        return Ok((*name).to_owned());
    }
    let fullness = |node: &NodeView| load.get(node.name.as_str()).copied().unwrap_or_default();
    let mut best: Option<&NodeView> = None;
    let mut reasons = Vec::new();
    for node in nodes {
        if let Some(reason) = unfit(node, false) {
            reasons.push(format!("{}: {reason}", node.name));
            continue;
        }
        let emptier = |other: &NodeView| {
            // used / capacity < other_used / other_capacity, in whole numbers.
            let ours = i64::from(fullness(node)) * i64::from(other.capacity.instances);
            let theirs = i64::from(fullness(other)) * i64::from(node.capacity.instances);
            (ours, &node.name) < (theirs, &other.name)
        };
        if best.is_none_or(emptier) {
            best = Some(node);
        }
    }
    best.map(|node| node.name.clone())
        .ok_or_else(|| match nodes {
            [] => "there is no node: start a node agent".to_owned(),
            _ => reasons.join("; "),
        })
}

/// Why `node` cannot take an instance; `stays` where it has it already.
fn unfit(needs: &Needs, node: &NodeView, used: i32, stays: bool) -> Option<String> {
    match &node.state {
        NodeState::Ready => {}
        // It may still run there, and what may run is not run twice.
        NodeState::NotReady(_) if stays => {}
        NodeState::Unknown(_) if stays => return None,
        NodeState::NotReady(why) | NodeState::Unknown(why) => {
            return Some(format!("not ready: {why}"));
        }
        NodeState::OutOfService => return Some("out of service".into()),
        NodeState::Gone => return Some("gone".into()),
        NodeState::Forgotten => return Some("being forgotten".into()),
    }
    if node.paused && !stays {
        return Some("takes no new instances: its spec.scheduling is pause".into());
    }
    if node.cordoned && !stays {
        return Some(format!(
            "is cordoned and takes no new instances until kubectl uncordon {}",
            node.name
        ));
    }
    if !node.runtimes.contains(&needs.runtime) {
        return Some(format!("cannot start runtime {}", needs.runtime.as_str()));
    }
    let missing: Vec<&str> = needs
        .layers
        .iter()
        .filter(|l| !node.layers.contains(l))
        .map(|l| l.as_str())
        .collect();
    if !missing.is_empty() {
        return Some(format!(
            "lacks the required sandbox layers {}",
            missing.join(", ")
        ));
    }
    if let Some(rules) = &needs.violations {
        let refused = aion_policy::in_force(rules, |hook| node.hooks.contains(&hook)).refused;
        if !refused.is_empty() {
            return Some(format!(
                "its kernel cannot hold it to {}",
                refused.join(", nor to ")
            ));
        }
    }
    if let Some((key, value)) = needs
        .selector
        .iter()
        .find(|(key, value)| node.labels.get(*key) != Some(*value))
    {
        return Some(format!(
            "does not have the label {key}={value} of nodeSelector"
        ));
    }
    if let Some(volume) = needs
        .volumes
        .iter()
        .find(|volume| !node.volumes.contains(volume))
    {
        return Some(format!("does not have the volume {volume}"));
    }
    if i64::from(needs.memory_mib) > node.capacity.memory_mib {
        return Some(format!(
            "has {} MiB for instances, and one needs {}",
            node.capacity.memory_mib, needs.memory_mib
        ));
    }
    if i64::from(needs.cpu_millis) > node.capacity.cpu_millis {
        return Some(format!(
            "has {} CPU millis for instances, and one needs {}",
            node.capacity.cpu_millis, needs.cpu_millis
        ));
    }
    if !stays && used >= node.capacity.instances {
        return Some(format!(
            "is full: it takes {} instances",
            node.capacity.instances
        ));
    }
    None
}

#[cfg(test)]
mod tests;
