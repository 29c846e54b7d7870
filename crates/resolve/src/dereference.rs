//! What an agent refers to: which objects, and those objects gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aion_api::{Agent, AgentInstance, MemoryPool, ModelEndpoint, ModelUse, Tool};
use aion_policy::{Applied, Trust, trust};
use aion_profiles::Profiles;

use crate::objects::Objects;
use crate::problem::Problem;
use crate::universe::{Key, NodeView, Setting, Universe};

/// The names, in its own namespace, that an agent refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// ModelEndpoints.
    pub endpoints: BTreeSet<String>,
    /// Tools.
    pub tools: BTreeSet<String>,
    /// Other agents, which it asks as tools.
    pub agents: BTreeSet<String>,
    /// The MemoryPool. Its embedding may name a further endpoint: [`embedding_endpoint`].
    pub pool: Option<String>,
}

/// What `agent` refers to.
#[must_use]
pub fn references(agent: &Agent) -> References {
    let models = agent.spec.model.iter().flat_map(ModelUse::named);
    References {
        endpoints: models
            .map(|(_, model, _)| endpoint_of(model).to_owned())
            .collect(),
        tools: agent
            .spec
            .tools
            .iter()
            .filter(|tool| tool.agent.is_none())
            .map(|tool| tool.tool().to_owned())
            .collect(),
        agents: agents_of(agent).map(str::to_owned).collect(),
        pool: agent.spec.memory.as_ref().map(|memory| memory.pool.clone()),
    }
}

/// The other agents that `agent` asks as tools.
pub fn agents_of(agent: &Agent) -> impl Iterator<Item = &str> {
    let tools = agent.spec.tools.iter();
    tools.filter_map(|tool| tool.agent.as_deref())
}

/// The endpoint that `pool`'s embedding names.
#[must_use]
pub fn embedding_endpoint(pool: &MemoryPool) -> Option<&str> {
    pool.spec
        .embedding
        .as_ref()
        .map(|embedding| endpoint_of(&embedding.use_model))
}

pub(crate) fn endpoint_of(model: &str) -> &str {
    model
        .split_once('/')
        .map_or(model, |(endpoint, _)| endpoint)
}

/// An agent and all that is needed to resolve it.
#[derive(Debug, Clone, Default)]
pub struct Dereferenced {
    /// The agent.
    pub agent: Agent,
    /// Where this is.
    pub setting: Setting,
    /// Its ModelEndpoints that are there, and its pool's, by name.
    pub endpoints: BTreeMap<String, ModelEndpoint>,
    /// Its Tools that are there, by name.
    pub tools: BTreeMap<String, Tool>,
    /// What the agents are for that it asks and that are there, by name.
    pub agents: BTreeMap<String, Option<String>>,
    /// Its MemoryPool, if it is there.
    pub pool: Option<MemoryPool>,
    /// The policies that select it.
    pub policies: Applied,
    /// Whom to trust in its namespace.
    pub trust: Trust,
    /// What the profiles say that it or a policy names.
    pub profiles: Arc<Profiles>,
    /// All nodes.
    pub nodes: Vec<NodeView>,
    /// Its own instances.
    pub instances: Vec<AgentInstance>,
    /// What of all this is there and cannot be read: nothing is decided before it can.
    pub unreadable: Vec<Problem>,
}

/// Gathers what the agent of `key` refers to; `None` where there is no such agent.
#[must_use]
pub fn dereference(universe: &Universe, key: &Key) -> Option<Dereferenced> {
    let agent = universe.agents.get(key)?;
    let names = references(agent);
    let pool = names
        .pool
        .and_then(|name| universe.pools.get(&Key::new(&key.namespace, &name)))
        .cloned();
    let embedding = pool
        .as_ref()
        .and_then(embedding_endpoint)
        .map(str::to_owned);
    let labels = agent.metadata.labels.clone().unwrap_or_default();
    let namespace_labels = universe.namespace_labels(&key.namespace);
    let in_namespace = universe
        .agent_policies
        .iter()
        .filter(|(at, _)| at.namespace == key.namespace)
        .map(|(_, p)| p);
    Some(Dereferenced {
        setting: universe.setting,
        endpoints: pick(
            &universe.endpoints,
            &key.namespace,
            names.endpoints.into_iter().chain(embedding),
        ),
        tools: pick(&universe.tools, &key.namespace, names.tools),
        agents: names
            .agents
            .into_iter()
            .filter_map(|name| {
                let it = universe.agents.get(&Key::new(&key.namespace, &name))?;
                Some((name, it.spec.description.clone()))
            })
            .collect(),
        pool,
        policies: Applied::select(
            universe.cluster_policies.values(),
            in_namespace,
            &labels,
            &namespace_labels,
        ),
        trust: trust(universe.trust_policies.values(), &namespace_labels),
        profiles: Arc::clone(&universe.profiles),
        nodes: universe.nodes.values().cloned().collect(),
        instances: universe.told_of(key),
        unreadable: Vec::new(),
        agent: agent.clone(),
    })
}

fn pick<T: Clone>(
    all: &Objects<T>,
    namespace: &str,
    names: impl IntoIterator<Item = String>,
) -> BTreeMap<String, T> {
    names
        .into_iter()
        .filter_map(|name| {
            all.get(&Key::new(namespace, &name))
                .cloned()
                .map(|object| (name, object))
        })
        .collect()
}
