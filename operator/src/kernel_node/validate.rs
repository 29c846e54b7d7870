//! Step 2: whether the node is alive, and what is lost with one that is forgotten. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use aion_api::KernelNode;
use aion_api::condition::Judgement;
use aion_resolve::node_status::{node_condition, node_state};
use aion_resolve::{Key, NodeState};
use kube::{Resource, ResourceExt};

use super::dereference::{Bound, Dereferenced};

/// Between two looks at what is left of a node that is being forgotten.
const LEFT: Duration = Duration::from_secs(1);
/// The most names of each kind that a message holds.
const NAMED: usize = 10;

/// A node that was judged.
pub(super) struct Validated {
    pub(super) node: KernelNode,
    pub(super) judgement: Judgement,
    /// When it must be looked at again, if nothing is heard: a second after its Lease runs out.
    pub(super) again: Option<Duration>,
    /// What is bound to it, where it is being forgotten.
    pub(super) bound: Option<Bound>,
}

/// Judges what was dereferenced.
pub(super) fn validate(input: Dereferenced) -> Validated {
    let Dereferenced {
        node,
        heartbeat,
        machine,
        unreadable,
        bound,
    } = input;
    if let Some(bound) = bound {
        return Validated {
            judgement: forgotten(&bound),
            again: Some(LEFT),
            node,
            bound: Some(bound),
        };
    }
    let state = match (node_state(heartbeat, machine), unreadable) {
        (NodeState::NotReady(_), Some(why)) => NodeState::NotReady(why),
        (state, _) => state,
    };
    let again = heartbeat
        .filter(|_| state == NodeState::Ready)
        .map(|heartbeat| heartbeat.holds.saturating_sub(heartbeat.silent) + Duration::from_secs(1));
    Validated {
        judgement: node_condition(&state, heartbeat.is_some()),
        again,
        node,
        bound: None,
    }
}

/// That a node is being forgotten, and what is lost with it.
fn forgotten(bound: &Bound) -> Judgement {
    let judgement = node_condition(&NodeState::Forgotten, true);
    Judgement {
        message: format!("{}; {}", judgement.message, lost(bound)),
        ..judgement
    }
}

/// What is lost with a node, in words: names are counted, and bounded.
fn lost(bound: &Bound) -> String {
    let agents: BTreeSet<String> = bound
        .instances
        .iter()
        .map(|it| {
            let namespace = it.namespace().unwrap_or_default();
            format!("{namespace}/{}", it.spec.agent.name)
        })
        .collect();
    let pools: BTreeSet<String> = bound.pools.iter().map(|it| named(it.as_ref())).collect();
    let lost = format!(
        "agents that are placed anew: {}; pools whose memory is lost with it: {}",
        counted(&agents),
        counted(&pools)
    );
    if bound.unreadable.is_empty() {
        return lost;
    }
    let unreadable: BTreeSet<String> = bound.unreadable.iter().map(Key::to_string).collect();
    format!(
        "{lost}; it stays while pools that it may hold cannot be read: {}: correct them, or run the release that wrote them",
        counted(&unreadable)
    )
}

fn named<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

fn counted(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len() {
        0 => "none".to_owned(),
        all if all > NAMED => format!("{all} ({}, ...)", first.join(", ")),
        all => format!("{all} ({})", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aion_api::AgentInstance;

    use super::*;

    #[test]
    fn what_is_lost_is_counted_and_named_up_to_a_bound() {
        let instance = |agent: String| {
            let mut instance = AgentInstance::default();
            instance.metadata.namespace = Some("home".to_owned());
            instance.spec.agent.name = agent;
            Arc::new(instance)
        };
        let bound = Bound {
            instances: (0..100).map(|n| instance(format!("a{n:03}"))).collect(),
            ..Bound::default()
        };
        let words = lost(&bound);
        assert!(words.contains("placed anew: 100 (home/a000, "), "{words}");
        assert!(
            words.ends_with("home/a009, ...); pools whose memory is lost with it: none"),
            "{words}"
        );
    }

    #[test]
    fn a_pool_that_cannot_be_read_holds_a_node_that_is_forgotten_and_is_named() {
        let bound = Bound {
            unreadable: vec![Key::new("home", "notes")],
            ..Bound::default()
        };
        assert!(!bound.is_empty() && Bound::default().is_empty());
        let words = lost(&bound);
        assert!(
            words.contains("cannot be read: 1 (home/notes): correct"),
            "{words}"
        );
        assert!(!lost(&Bound::default()).contains("cannot be read"));
    }
}
