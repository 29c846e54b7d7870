//! Everything that agents are resolved against, at one moment.
//!
//! Standalone a folder fills it, in a cluster the operator's caches do; what follows from it is the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aion_api::program::Runtime;
use aion_api::sandbox::Layer;
use aion_api::{
    Agent, AgentInstance, AgentInstanceStatus, AgentPolicy, ClusterAgentPolicy, MemoryPool,
    ModelEndpoint, NodeCapacity, Tool, TrustPolicy,
};

use crate::identity;
use crate::manifest::Object;

/// The label by which Kubernetes names a namespace.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A namespace and a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where AION-OS runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting {
    /// On one machine, from a folder.
    #[default]
    Standalone,
    /// In a Kubernetes cluster.
    Cluster,
}

/// A node as placement sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is there.
    pub state: NodeState,
    /// Whether new instances are placed there.
    pub paused: bool,
    /// What it takes at most.
    pub capacity: NodeCapacity,
    /// Sandbox layers proven there.
    pub layers: Vec<Layer>,
    /// Runtimes it can start.
    pub runtimes: Vec<Runtime>,
    /// Volumes it maps to folders; standalone these are the mounts.
    pub volumes: Vec<String>,
    /// Instances placed there, of all agents.
    pub instances: i32,
}

/// Whether a node is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NodeState {
    /// Its node agent is alive.
    #[default]
    Ready,
    /// Its node agent is not heard of; what runs there may still run.
    NotReady(String),
    /// It is tainted out of service: nothing runs there.
    OutOfService,
    /// It is gone from the cluster.
    Gone,
}

impl NodeState {
    /// Whether it is certain that nothing runs there any more.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::OutOfService | Self::Gone)
    }
}

/// Everything that agents are resolved against.
#[derive(Debug, Clone, Default)]
pub struct Universe {
    /// Where this is.
    pub setting: Setting,
    /// Agents.
    pub agents: BTreeMap<Key, Agent>,
    /// Memory pools.
    pub pools: BTreeMap<Key, MemoryPool>,
    /// Model endpoints.
    pub endpoints: BTreeMap<Key, ModelEndpoint>,
    /// Tools.
    pub tools: BTreeMap<Key, Tool>,
    /// Policies of namespaces.
    pub agent_policies: BTreeMap<Key, AgentPolicy>,
    /// Policies of the cluster.
    pub cluster_policies: BTreeMap<String, ClusterAgentPolicy>,
    /// Whom to trust.
    pub trust_policies: BTreeMap<String, TrustPolicy>,
    /// Labels of namespaces; the name need not be among them.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Nodes.
    pub nodes: BTreeMap<String, NodeView>,
    /// Instances that there are, with what their nodes say of them.
    pub instances: BTreeMap<Key, Arc<AgentInstance>>,
    /// What their nodes say of them, where that is kept beside them: a new word leaves the instance, which others
    /// hold too, as it is.
    pub said: BTreeMap<Key, Arc<AgentInstanceStatus>>,
}

impl Universe {
    /// Adds `object`. An object without a namespace is put into `namespace`; uid and generation are
    /// filled in where no API server did. Returns `false`, and adds nothing, where there is one of its
    /// kind and name already.
    pub fn insert(&mut self, mut object: Object, namespace: &str) -> bool {
        let namespaced = !matches!(
            object,
            Object::ClusterAgentPolicy(_) | Object::TrustPolicy(_)
        );
        let kind = object.kind();
        let metadata = object.metadata_mut();
        if namespaced && metadata.namespace.is_none() {
            metadata.namespace = Some(namespace.to_owned());
        }
        let key = Key {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        };
        metadata
            .uid
            .get_or_insert_with(|| identity::uid(&[kind, &key.namespace, &key.name]));
        metadata.generation.get_or_insert(1);
        match object {
            Object::Agent(it) => add(&mut self.agents, key, *it),
            Object::AgentPolicy(it) => add(&mut self.agent_policies, key, *it),
            Object::MemoryPool(it) => add(&mut self.pools, key, *it),
            Object::ModelEndpoint(it) => add(&mut self.endpoints, key, *it),
            Object::Tool(it) => add(&mut self.tools, key, *it),
            Object::ClusterAgentPolicy(it) => add(&mut self.cluster_policies, key.name, *it),
            Object::TrustPolicy(it) => add(&mut self.trust_policies, key.name, *it),
        }
    }

    /// The object of `kind` and this name, as it was added.
    #[must_use]
    pub fn object(&self, kind: &str, key: &Key) -> Option<Object> {
        fn boxed<T: Clone>(object: Option<&T>) -> Option<Box<T>> {
            object.cloned().map(Box::new)
        }
        match kind {
            "Agent" => boxed(self.agents.get(key)).map(Object::Agent),
            "AgentPolicy" => boxed(self.agent_policies.get(key)).map(Object::AgentPolicy),
            "MemoryPool" => boxed(self.pools.get(key)).map(Object::MemoryPool),
            "ModelEndpoint" => boxed(self.endpoints.get(key)).map(Object::ModelEndpoint),
            "Tool" => boxed(self.tools.get(key)).map(Object::Tool),
            "ClusterAgentPolicy" => {
                boxed(self.cluster_policies.get(&key.name)).map(Object::ClusterAgentPolicy)
            }
            "TrustPolicy" => boxed(self.trust_policies.get(&key.name)).map(Object::TrustPolicy),
            _ => None,
        }
    }

    /// Takes the object of `kind` and this name away, if there is one.
    pub fn remove(&mut self, kind: &str, key: &Key) {
        match kind {
            "Agent" => drop(self.agents.remove(key)),
            "AgentPolicy" => drop(self.agent_policies.remove(key)),
            "MemoryPool" => drop(self.pools.remove(key)),
            "ModelEndpoint" => drop(self.endpoints.remove(key)),
            "Tool" => drop(self.tools.remove(key)),
            "ClusterAgentPolicy" => drop(self.cluster_policies.remove(&key.name)),
            "TrustPolicy" => drop(self.trust_policies.remove(&key.name)),
            _ => {}
        }
    }

    /// The instances of `agent`. Costs what there are of it, and of agents whose names begin like its own.
    pub fn instances_of(&self, agent: &Key) -> impl Iterator<Item = &Arc<AgentInstance>> {
        let first = Key::new(&agent.namespace, &identity::instance_prefix(&agent.name));
        let prefix = first.clone();
        self.instances
            .range(first..)
            .take_while(move |(at, _)| {
                at.namespace == prefix.namespace && at.name.starts_with(&prefix.name)
            })
            .map(|(_, instance)| instance)
            .filter(move |instance| instance.spec.agent.name == agent.name)
    }

    /// The instances of `agent`, each with what its node says of it.
    #[must_use]
    pub fn told_of(&self, agent: &Key) -> Vec<AgentInstance> {
        let instances = self.instances_of(agent);
        instances.map(|instance| self.told(instance)).collect()
    }

    /// `instance` with what its node says of it.
    #[must_use]
    pub fn told(&self, instance: &AgentInstance) -> AgentInstance {
        let mut instance = instance.clone();
        let name = instance.metadata.name.as_deref().unwrap_or_default();
        let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
        if let Some(said) = self.said.get(&Key::new(namespace, name)) {
            instance.status = Some(AgentInstanceStatus::clone(said));
        }
        instance
    }

    /// The labels of `namespace`, its name among them.
    #[must_use]
    pub fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let mut labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        labels
    }
}

fn add<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> bool {
    if map.contains_key(&key) {
        return false;
    }
    map.insert(key, value);
    true
}
