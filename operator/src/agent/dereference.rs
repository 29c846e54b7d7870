//! Step 1: what the agent refers to, from the caches. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use aion_api::Agent;
use aion_policy::{Applied, trust};
use aion_resolve::dereference::{Dereferenced, embedding_endpoint, references};
use aion_resolve::node_status::{node_view, told_state};
use aion_resolve::universe::NAMESPACE_NAME;
use aion_resolve::{Key, NodeState, NodeView, Setting};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::caches::Caches;

/// Gathers what `agent` refers to.
pub(super) fn dereference(agent: &Agent, caches: &Caches) -> Dereferenced {
    let namespace = agent.namespace().unwrap_or_default();
    let names = references(agent);
    let pool = names
        .pool
        .and_then(|name| caches.pools.get(&ObjectRef::new(&name).within(&namespace)))
        .map(|pool| pool.as_ref().clone());
    let embedding = pool
        .as_ref()
        .and_then(embedding_endpoint)
        .map(str::to_owned);
    let namespace_labels = namespace_labels(caches, &namespace);
    let cluster_policies = caches.cluster_policies.state();
    let agent_policies = caches
        .agent_policies
        .state_filter(|policy| policy.namespace().as_deref() == Some(&namespace));
    let trust_policies = caches.trust_policies.state();
    Dereferenced {
        agent: agent.clone(),
        setting: Setting::Cluster,
        endpoints: pick(
            &caches.endpoints,
            &namespace,
            names.endpoints.into_iter().chain(embedding),
        ),
        tools: pick(&caches.tools, &namespace, names.tools),
        pool,
        policies: Applied::select(
            cluster_policies.iter().map(AsRef::as_ref),
            agent_policies.iter().map(AsRef::as_ref),
            agent.labels(),
            &namespace_labels,
        ),
        trust: trust(trust_policies.iter().map(AsRef::as_ref), &namespace_labels),
        nodes: nodes(caches),
        instances: caches
            .instances
            .of_agent(&Key::new(&namespace, &agent.name_any()))
            .iter()
            .map(|instance| instance.as_ref().clone())
            .collect(),
    }
}

fn namespace_labels(caches: &Caches, namespace: &str) -> BTreeMap<String, String> {
    let object = caches.namespaces.get(&ObjectRef::new(namespace));
    let mut labels = object
        .map(|object| object.labels().clone())
        .unwrap_or_default();
    labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
    labels
}

/// Every KernelNode, and every Node that lost its KernelNode: what was placed there may still run.
fn nodes(caches: &Caches) -> Vec<NodeView> {
    let mut views: Vec<NodeView> = caches
        .kernel_nodes
        .state()
        .iter()
        .map(|node| {
            node_view(
                node,
                told_state(node),
                caches.instances.on_node(&node.name_any()),
            )
        })
        .collect();
    let known: BTreeSet<String> = views.iter().map(|view| view.name.clone()).collect();
    for node in caches.nodes.state() {
        let name = node.name_any();
        if !known.contains(&name) && caches.instances.on_node(&name) > 0 {
            let state =
                NodeState::NotReady("it has no KernelNode: is its node agent running?".into());
            views.push(NodeView {
                name,
                state,
                ..NodeView::default()
            });
        }
    }
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}

fn pick<T>(
    store: &Store<T>,
    namespace: &str,
    names: impl IntoIterator<Item = String>,
) -> BTreeMap<String, T>
where
    T: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    names
        .into_iter()
        .filter_map(|name| {
            let object = store.get(&ObjectRef::new(&name).within(namespace))?;
            Some((name, object.as_ref().clone()))
        })
        .collect()
}
