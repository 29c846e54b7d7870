//! An instance as the rest of the daemon sees it: resolved, verified, ready to be started.
//!
//! What may not enter: where instances come from and what is said about them (`instances`), turns, workers:
//! every other room may use this one.

mod by_agent;
mod seen;
mod tools;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aion_abi::{layer::Layer, tenant::Tenant};
use aion_api::{AgentInstance, AgentInstanceSpec, GrantEffect};
use aion_bundle::Digest;
use aion_drivers::tool::ToolServer;
use aion_kernel::{InstanceUid, Name};
use aion_policy::Capability;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub(crate) use by_agent::ByAgent;
pub(crate) use seen::SeenOf;

/// How long an instance's program is waited for after a start of the daemon.
pub(crate) const PREPARING: Duration = Duration::from_secs(20);

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its uid.
    pub uid: InstanceUid,
    /// All that was resolved.
    pub resource: Arc<AgentInstance>,
    /// What it runs.
    pub program: Prepared,
}

/// A program that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "camelCase")]
pub enum Prepared {
    /// The declarative loop with these instructions.
    Declarative {
        /// The system prompt.
        instructions: String,
    },
    /// The steps that stand in the instance.
    Steps,
    /// The WASM module of a bundle in the node's store.
    Wasm {
        /// The bundle.
        bundle: Digest,
    },
    /// The program of a container image in the node's store.
    Process {
        /// The image.
        image: Digest,
    },
    /// A program that runs elsewhere.
    External,
}

impl Instance {
    /// A declarative one of this name with this spec.
    #[cfg(test)]
    pub(crate) fn of(name: &str, spec: AgentInstanceSpec) -> Self {
        Self {
            uid: InstanceUid(1),
            resource: Arc::new(AgentInstance::new(name, spec)),
            program: Prepared::Declarative {
                instructions: String::new(),
            },
        }
    }

    /// What it is.
    pub fn spec(&self) -> &AgentInstanceSpec {
        &self.resource.spec
    }

    /// The namespace of its resources.
    pub fn namespace(&self) -> &str {
        self.resource
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default()
    }

    /// `namespace/agent`, as people name it.
    pub fn agent(&self) -> String {
        format!("{}/{}", self.namespace(), self.spec().agent.name)
    }

    /// The variants of the system call filter that it is held to.
    pub fn seccomp(&self) -> Vec<String> {
        let rules = self.spec().sandbox.iter();
        rules.flat_map(|it| it.seccomp.iter().cloned()).collect()
    }

    /// The layers that whatever runs its code must have.
    pub fn required_layers(&self) -> Vec<Layer> {
        required_layers(self.spec())
    }
}

/// Whether a grant is about this, and none denies it. What it says the kernel knows.
pub(crate) fn is_granted(spec: &AgentInstanceSpec, wanted: &Capability) -> bool {
    let about = spec.grants.iter().filter(|grant| {
        let right = Capability::parse(&grant.capability);
        right.is_some_and(|it| it.covers(wanted))
    });
    let effects: Vec<_> = about.map(|it| it.effect).collect();
    !effects.is_empty() && !effects.contains(&GrantEffect::Deny)
}

/// The layers that an instance requires.
pub(crate) fn required_layers(spec: &AgentInstanceSpec) -> Vec<Layer> {
    let required = spec.sandbox.iter().flat_map(|it| &it.require);
    required.copied().collect()
}

/// The name of a thing of an instance's tenant: things of two tenants that are called alike are two.
pub(crate) fn named(instance: &Instance, thing: &str) -> Name {
    of_tenant(&instance.spec().tenant, thing)
}

/// The name of a tenant's thing.
pub(crate) fn of_tenant(tenant: &Tenant, thing: &str) -> Name {
    format!("{tenant}/{thing}").into()
}

#[derive(Debug, Default)]
struct Table {
    by_uid: HashMap<InstanceUid, Arc<Instance>>,
    by_agent: ByAgent<u128>,
    /// Those that have a tool which is a process, by tenant and tool.
    by_process: ByAgent<u128>,
    /// Those that take no turn more: what runs of them has them still.
    closed: HashSet<InstanceUid>,
}

/// The instances that are ready, by uid and by agent. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Instances(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: RwLock<Table>,
    /// Counts what was put in and taken out.
    changes: watch::Sender<u64>,
}

impl Instances {
    /// Puts one in, or puts a new revision in its place.
    pub fn put(&self, instance: Instance) -> Arc<Instance> {
        let instance = Arc::new(instance);
        let mut table = self.0.all.write();
        table.remove(instance.uid);
        let (namespace, agent) = (instance.namespace(), &instance.spec().agent.name);
        table.by_agent.insert(namespace, agent, instance.uid.0);
        for tool in processes(&instance) {
            let tenant = instance.spec().tenant.as_str();
            table.by_process.insert(tenant, tool, instance.uid.0);
        }
        table.by_uid.insert(instance.uid, Arc::clone(&instance));
        drop(table);
        self.changed();
        instance
    }

    fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells whenever one was put in or taken out.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Whether an instance has this tool, which is a process, with nothing about it changed. Costs what there are
    /// that have one of its name.
    pub(crate) fn have(&self, process: &ToolServer) -> bool {
        let table = self.0.all.read();
        let mut named = table
            .by_process
            .of(process.tenant.as_str(), &process.name)
            .filter_map(|uid| table.by_uid.get(&InstanceUid(*uid)));
        named.any(|it| it.tool_servers().0.contains(process))
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<Instance>> {
        self.0.all.read().by_uid.values().cloned().collect()
    }

    /// The one with this uid.
    pub fn get(&self, uid: InstanceUid) -> Option<Arc<Instance>> {
        self.0.all.read().by_uid.get(&uid).cloned()
    }

    /// The one with this uid that may start, waited for `patience`: after a start the kernel knows instances that are
    /// only being prepared.
    pub async fn wait(&self, uid: InstanceUid, patience: Duration) -> Option<Arc<Instance>> {
        let mut changes = self.0.changes.subscribe();
        let there = async {
            loop {
                if let Some(instance) = self.open(uid) {
                    return Some(instance);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, there).await.ok().flatten()
    }

    /// Those of an agent, by replica. Costs what there are of it.
    pub fn of_agent(&self, namespace: &str, agent: &str) -> Vec<Arc<Instance>> {
        let table = self.0.all.read();
        let mut found: Vec<_> = table
            .by_agent
            .of(namespace, agent)
            .filter_map(|uid| table.by_uid.get(&InstanceUid(*uid)))
            .filter(|it| it.namespace() == namespace && it.spec().agent.name == agent)
            .cloned()
            .collect();
        found.sort_by_key(|it| (it.spec().replica, it.uid));
        found
    }

    fn open(&self, uid: InstanceUid) -> Option<Arc<Instance>> {
        let table = self.0.all.read();
        let is_open = !table.closed.contains(&uid);
        is_open.then(|| table.by_uid.get(&uid).cloned()).flatten()
    }

    /// Lets nothing start of one any more, until it is put in again; what runs of it has it still. Whether there is one.
    pub fn close(&self, uid: InstanceUid) -> bool {
        let mut table = self.0.all.write();
        let Some(instance) = table.by_uid.get(&uid).cloned() else {
            return false;
        };
        let (namespace, agent) = (instance.namespace(), &instance.spec().agent.name);
        table.by_agent.remove(namespace, agent, &uid.0);
        table.closed.insert(uid);
        drop(table);
        self.changed();
        true
    }

    /// Takes one out.
    pub fn remove(&self, uid: InstanceUid) -> Option<Arc<Instance>> {
        let gone = self.0.all.write().remove(uid);
        if gone.is_some() {
            self.changed();
        }
        gone
    }
}

impl Table {
    fn remove(&mut self, uid: InstanceUid) -> Option<Arc<Instance>> {
        self.closed.remove(&uid);
        let gone = self.by_uid.remove(&uid)?;
        let (namespace, agent) = (gone.namespace(), &gone.spec().agent.name);
        self.by_agent.remove(namespace, agent, &uid.0);
        for tool in processes(&gone) {
            let tenant = gone.spec().tenant.as_str();
            self.by_process.remove(tenant, tool, &uid.0);
        }
        Some(gone)
    }
}

/// The names of an instance's tools that are processes.
fn processes(instance: &Instance) -> impl Iterator<Item = &str> {
    let tools = instance.spec().tools.iter();
    tools
        .filter(|tool| tool.stdio().is_some())
        .map(|tool| tool.name.as_str())
}
