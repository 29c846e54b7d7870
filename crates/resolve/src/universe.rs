//! Everything that agents are resolved against, at one moment.
//!
//! Standalone a folder fills it, in a cluster the operator's caches do; what follows from it is the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use aion_api::program::Runtime;
use aion_api::sandbox::Layer;
use aion_api::{AgentInstance, AgentInstanceStatus, Hook, NodeCapacity};
use aion_profiles::Profiles;

use crate::identity;
use crate::manifest::Object;
use crate::objects::Objects;

pub use crate::key::Key;

/// The label by which Kubernetes names a namespace.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

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
    /// Whether its KernelNode says that no new instances are placed there.
    pub paused: bool,
    /// Whether Kubernetes places nothing new there either: `kubectl cordon`.
    pub cordoned: bool,
    /// What it takes at most.
    pub capacity: NodeCapacity,
    /// Sandbox layers proven there.
    pub layers: Vec<Layer>,
    /// What of its kernel its node agent uses.
    pub hooks: Vec<Hook>,
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
    /// What it can do cannot be told; what is there stays, and nothing new is placed there.
    Unknown(String),
    /// It is tainted out of service: nothing runs there.
    OutOfService,
    /// It is gone from the cluster.
    Gone,
    /// It is being forgotten: what is on it is given up, and it waits for that.
    Forgotten,
}

impl NodeState {
    /// Whether it is certain that nothing runs there any more.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::OutOfService | Self::Gone | Self::Forgotten)
    }
}

macro_rules! universe {
    ($($kind:ident $plural:literal $many:ident $scope:ident $writer:ident;)*) => {
        /// Everything that agents are resolved against.
        #[derive(Debug, Clone, Default)]
        pub struct Universe {
            /// Where this is.
            pub setting: Setting,
            /// What the profiles say that agents and policies name.
            pub profiles: Arc<Profiles>,
            $(
                #[doc = concat!("Each ", stringify!($kind), "; of the cluster's kinds the namespace is empty.")]
                pub $many: Objects<aion_api::$kind>,
            )*
            /// Labels of namespaces; the name need not be among them.
            pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
            /// Nodes.
            pub nodes: BTreeMap<String, NodeView>,
            /// Instances that there are, with what their nodes say of them.
            pub instances: BTreeMap<Key, Arc<AgentInstance>>,
            /// What their nodes say of them, where that is kept beside them: a new word leaves the instance, which
            /// others hold too, as it is.
            pub said: BTreeMap<Key, Arc<AgentInstanceStatus>>,
        }

        impl Universe {
            fn add(&mut self, object: Object, key: Key) -> bool {
                match object {
                    $(Object::$kind(it) => add(&mut self.$many, key, it),)*
                }
            }

            /// The object of `kind` and this name, as it was added.
            #[must_use]
            pub fn object(&self, kind: &str, key: &Key) -> Option<Object> {
                match kind {
                    $(stringify!($kind) => {
                        let object = self.$many.get(&key.within(aion_api::crd::$scope))?;
                        Some(Object::$kind(Box::new(object.clone())))
                    })*
                    _ => None,
                }
            }

            /// Takes the object of `kind` and this name away, if there is one.
            pub fn remove(&mut self, kind: &str, key: &Key) {
                match kind {
                    $(stringify!($kind) => {
                        self.$many.remove(&key.within(aion_api::crd::$scope));
                    })*
                    _ => {}
                }
            }
        }
    };
}

aion_api::kinds!(universe people);

impl Universe {
    /// Adds `object`. An object without a namespace is put into `namespace`; uid and generation are
    /// filled in where no API server did. Returns `false`, and adds nothing, where there is one of its
    /// kind and name already.
    pub fn insert(&mut self, mut object: Object, namespace: &str) -> bool {
        let (kind, namespaced) = (object.kind(), object.is_namespaced());
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
        self.add(object, key.within(namespaced))
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

fn add<T>(all: &mut Objects<T>, key: Key, object: Box<T>) -> bool {
    let is_new = !all.contains_key(&key);
    if is_new {
        all.insert(key, object);
    }
    is_new
}
