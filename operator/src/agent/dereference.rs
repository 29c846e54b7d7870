//! Step 1: what the agent refers to, from the caches. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use aion_api::metadata::LABEL_AGENT;
use aion_api::{
    Agent, AgentInstance, AgentPolicy, ClusterAgentPolicy, KernelNode, MemoryPool, ModelEndpoint,
    Tool, TrustPolicy,
};
use aion_policy::{Applied, trust};
use aion_profiles::Profiles;
use aion_resolve::dereference::{Dereferenced, embedding_endpoint, references};
use aion_resolve::node_status::{node_view, told_state};
use aion_resolve::{Key, NodeState, NodeView, Problem, Setting};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::caches::{Caches, is_cordoned};

/// What an agent names in its namespace, its pool's endpoint among it.
struct Referenced {
    endpoints: BTreeSet<String>,
    tools: BTreeSet<String>,
    pool: Option<String>,
}

/// Gathers what `agent` refers to.
pub(super) fn dereference(agent: &Agent, caches: &Caches) -> Dereferenced {
    let namespace = agent.namespace().unwrap_or_default();
    let names = references(agent);
    let pool = names.pool.as_ref();
    let pool = pool
        .and_then(|name| caches.pools.get(&ObjectRef::new(name).within(&namespace)))
        .map(|pool| pool.as_ref().clone());
    let embedding = pool
        .as_ref()
        .and_then(embedding_endpoint)
        .map(str::to_owned);
    let referenced = Referenced {
        endpoints: names.endpoints.into_iter().chain(embedding).collect(),
        tools: names.tools,
        pool: names.pool,
    };
    let namespace_labels = caches.namespace_labels(&namespace);
    let cluster_policies = caches.cluster_policies.state();
    let agent_policies = caches
        .agent_policies
        .state_filter(|policy| policy.namespace().as_deref() == Some(&namespace));
    let trust_policies = caches.trust_policies.state();
    Dereferenced {
        agent: agent.clone(),
        setting: Setting::Cluster,
        endpoints: pick(&caches.endpoints, &namespace, &referenced.endpoints),
        tools: pick(&caches.tools, &namespace, &referenced.tools),
        agents: names
            .agents
            .into_iter()
            .filter_map(|name| {
                let it = caches
                    .agents
                    .get(&ObjectRef::new(&name).within(&namespace))?;
                Some((name, it.spec.description.clone()))
            })
            .collect(),
        pool,
        policies: Applied::select(
            cluster_policies.iter().map(AsRef::as_ref),
            agent_policies.iter().map(AsRef::as_ref),
            agent.labels(),
            &namespace_labels,
        ),
        trust: trust(trust_policies.iter().map(AsRef::as_ref), &namespace_labels),
        profiles: Profiles::built_in(),
        nodes: nodes(caches),
        instances: caches
            .instances
            .of_agent(&Key::new(&namespace, &agent.name_any()))
            .iter()
            .map(|instance| instance.as_ref().clone())
            .collect(),
        unreadable: unreadable(agent, &referenced, caches),
    }
}

/// What decides about `agent`, is there, and cannot be read.
fn unreadable(agent: &Agent, referenced: &Referenced, caches: &Caches) -> Vec<Problem> {
    let namespace = agent.namespace().unwrap_or_default();
    let all = &caches.unreadable;
    let Referenced {
        endpoints,
        tools,
        pool,
    } = referenced;
    let mut words: Vec<String> = Vec::new();
    words.extend(
        endpoints
            .iter()
            .filter_map(|it| all.of::<ModelEndpoint>(&namespace, it)),
    );
    words.extend(tools.iter().filter_map(|it| all.of::<Tool>(&namespace, it)));
    words.extend(
        pool.iter()
            .filter_map(|it| all.of::<MemoryPool>(&namespace, it)),
    );
    let name = agent.name_any();
    let own = |it: &ObjectMeta| {
        let labels = it.labels.as_ref();
        labels.and_then(|labels| labels.get(LABEL_AGENT)) == Some(&name)
    };
    let judges = [
        all.all::<ClusterAgentPolicy>("", |_| true),
        all.all::<AgentPolicy>(&namespace, |_| true),
        all.all::<TrustPolicy>("", |_| true),
        all.all::<AgentInstance>(&namespace, own),
    ];
    words.extend(judges.into_iter().flatten().map(|(_, words)| words));
    words.into_iter().map(|it| Problem::new("", it)).collect()
}

/// Every KernelNode, those that cannot be read among them, and every Node that lost its KernelNode: what was placed there may still run.
fn nodes(caches: &Caches) -> Vec<NodeView> {
    let mut views: Vec<NodeView> = caches
        .kernel_nodes
        .state()
        .iter()
        .map(|node| {
            let name = node.name_any();
            let view = node_view(node, told_state(node), caches.instances.on_node(&name));
            let machine = caches.nodes.get(&ObjectRef::new(&name));
            NodeView {
                cordoned: machine.is_some_and(|machine| is_cordoned(&machine)),
                ..view
            }
        })
        .collect();
    let unreadable = caches.unreadable.all::<KernelNode>("", |_| true);
    views.extend(unreadable.into_iter().map(|(name, why)| NodeView {
        instances: caches.instances.on_node(&name),
        name,
        state: NodeState::Unknown(why),
        ..NodeView::default()
    }));
    let known: BTreeSet<String> = views.iter().map(|view| view.name.clone()).collect();
    for node in caches.nodes.state() {
        let name = node.name_any();
        if !known.contains(&name) && caches.instances.on_node(&name) > 0 {
            let state =
                NodeState::Unknown("it has no KernelNode: is its node agent running?".into());
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

fn pick<T>(store: &Store<T>, namespace: &str, names: &BTreeSet<String>) -> BTreeMap<String, T>
where
    T: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    names
        .iter()
        .filter_map(|name| {
            let object = store.get(&ObjectRef::new(name).within(namespace))?;
            Some((name.clone(), object.as_ref().clone()))
        })
        .collect()
}
