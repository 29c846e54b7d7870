//! What the folder's objects come to: instances and statuses. Pure; the same steps as the operator's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aion_api::{AgentInstance, AgentInstanceStatus, AgentStatus, MemoryPoolStatus, condition};
use aion_device::announced::Taken;
use aion_policy::Trust;
use aion_resolve::{
    Key, NodeView, Object, Placement, Setting, Universe,
    dereference::agents_of,
    device::LiveDevice,
    pool_status::{PoolFacts, pool_conditions},
    resolve_next,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::{
    agents::Agents,
    manifests::{DEFAULT_NAMESPACE, ObjectKey},
    standings::AgentStandings,
};
use crate::{devices::DeviceChange, instances::device_standings::DeviceStandings};

/// Objects, instances and how they stand. A change of an agent or of an instance costs what hangs on it; one of
/// what any agent may hang on looks at all.
#[derive(Debug)]
pub(super) struct World {
    /// All objects but agents, and the instances with the status that the node gave them.
    universe: Universe,
    agents: Agents,
    standings: AgentStandings,
    pools: BTreeMap<Key, MemoryPoolStatus>,
    devices: DeviceStandings,
    touched: Touched,
    /// Agents for which there is no room, or no node that fits.
    waiting: BTreeSet<Key>,
}

/// What is to be looked at anew.
#[derive(Debug, Default)]
struct Touched {
    /// Something changed that any agent may hang on.
    all: bool,
    agents: BTreeSet<Key>,
}

/// What a new look at the world asks for.
#[derive(Default)]
pub(super) struct Moves {
    /// Instances that are to be here.
    pub(super) applied: Vec<Arc<AgentInstance>>,
    /// Instances that are to be gone.
    pub(super) deleted: Vec<Arc<AgentInstance>>,
    /// What is to become of devices.
    pub(super) devices: Vec<DeviceChange>,
    /// What could not be resolved at all.
    pub(super) failed: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            universe: Universe {
                setting: Setting::Standalone,
                ..Universe::default()
            },
            agents: Agents::default(),
            standings: AgentStandings::default(),
            pools: BTreeMap::new(),
            devices: DeviceStandings::default(),
            touched: Touched::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes an object in, in the place of the one of its name. The next look follows from it.
    pub(super) fn put(&mut self, mut object: Object) {
        let key = ObjectKey::of(&object);
        if let Object::MemoryPool(pool) = &mut object
            && let Some(there) = self.universe.pools.get(&key.key())
        {
            pool.status.clone_from(&there.status);
        }
        self.touch(&key);
        self.universe.remove(key.kind, &key.key());
        self.universe.insert(object, DEFAULT_NAMESPACE);
        self.pack(&key.key());
    }

    /// An agent is among the other objects only while it is resolved.
    fn pack(&mut self, key: &Key) {
        let packed = self.universe.agents.remove(key);
        let packed = packed.map(|agent| self.agents.insert(key.clone(), &agent));
        if let Some(Err(error)) = packed {
            tracing::error!(agent = %key, %error, "an agent cannot be packed");
        }
    }

    /// Takes an object away. The next look follows from it.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        self.touch(key);
        self.universe.remove(key.kind, &key.key());
        if key.kind == "Agent" {
            self.agents.remove(&key.key());
        }
    }

    fn touch(&mut self, key: &ObjectKey) {
        match key.kind {
            "Agent" => {
                // Whoever asks it reads whether it is there, and what it is for.
                let callers = self.agents.callers_of(&key.key());
                self.touched.agents.extend(callers);
                self.touched.agents.insert(key.key());
            }
            _ if self.devices.touch(key, &self.universe) => {}
            _ => self.touched.all = true,
        }
    }

    /// The node's word on a device.
    pub(super) fn device_stands(&mut self, key: &Key, live: LiveDevice, now: &Time) {
        self.devices.stands(&self.universe, key, live, now);
    }

    /// All devices that are to be listened to.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceChange> {
        self.devices.all()
    }

    /// All devices that there are, whether they can be listened to or not.
    pub(super) fn all_devices(&self) -> impl Iterator<Item = &Key> {
        self.universe.devices.keys()
    }

    /// Names that devices and models of a namespace have, and which of them were proposals.
    pub(super) fn admitted(&self, namespace: &str) -> Taken {
        let mut taken = Taken::default();
        let devices = self.universe.devices.iter();
        let own = devices.filter(|(key, _)| key.namespace == namespace);
        own.for_each(|(_, device)| taken.device(device));
        let models = self.universe.device_models.keys();
        let own = models.filter(|key| key.namespace == namespace);
        taken.names.extend(own.map(|key| key.name.clone()));
        taken
    }

    /// The node is another than it was: layers, mounts, capacity.
    pub(super) fn touch_all(&mut self) {
        self.touched.all = true;
    }

    /// An instance of an earlier run that was to be gone: it is drained again, unless it is wanted.
    pub(super) fn remember(&mut self, instance: AgentInstance) {
        self.touched.agents.insert(agent(&instance));
        let name = name(&instance);
        self.universe.instances.insert(name, Arc::new(instance));
    }

    /// Looks anew at what was touched.
    pub(super) fn look(&mut self, node: &NodeView, now: &Time) -> Moves {
        let Touched { all, mut agents } = std::mem::take(&mut self.touched);
        if all {
            let left = self.universe.instances.values().map(|it| agent(it));
            agents.extend(left);
            agents.extend(self.agents.keys().chain(self.standings.agents()).cloned());
        }
        let mut node = node.clone();
        node.instances = i32::try_from(self.universe.instances.len()).unwrap_or(i32::MAX);
        self.universe.nodes = BTreeMap::from([(node.name.clone(), node)]);
        let (mut moves, mut pools) = (Moves::default(), BTreeSet::new());
        moves.devices = self.devices.look(&self.universe, now);
        for key in agents {
            match self.agents.get(&key) {
                Some(agent) => {
                    let pool = agent.spec.memory.as_ref();
                    pools.extend(pool.map(|it| Key::new(&key.namespace, &it.pool)));
                    let asked = agents_of(&agent).map(|it| Key::new(&key.namespace, it));
                    let asked: Vec<_> = asked.filter(|it| *it != key).collect();
                    let there = asked
                        .iter()
                        .filter_map(|it| Some((it.clone(), self.agents.get(it)?)));
                    let there: Vec<_> = there.collect();
                    self.universe.agents.extend(there);
                    self.universe.agents.insert(key.clone(), agent);
                    self.resolve(&key, now, &mut moves);
                    self.universe.agents.clear();
                    self.agents.asks(key, asked);
                }
                None => {
                    self.agents.asks(key.clone(), Vec::new());
                    self.standings.remove(&key);
                    self.waiting.remove(&key);
                    // What is gone leaves instances behind.
                    moves
                        .deleted
                        .extend(self.universe.instances_of(&key).cloned());
                }
            }
        }
        if all {
            pools.extend(self.universe.pools.keys().cloned());
            let there = &self.universe.pools;
            self.pools.retain(|key, _| there.contains_key(key));
        }
        for key in pools {
            if let Some(status) = self.judged_pool(&key, now) {
                self.pools.insert(key, status);
            }
        }
        moves
    }

    fn resolve(&mut self, key: &Key, now: &Time, moves: &mut Moves) {
        let resolved = match resolve_next(&mut self.universe, key) {
            Ok(resolved) => resolved,
            Err(error) => return moves.failed.push(format!("{key}: {error}")),
        };
        let plan = &resolved.plan;
        let uid = self
            .universe
            .agents
            .get(key)
            .and_then(|it| it.metadata.uid.clone());
        let of_another = |it: &&Arc<AgentInstance>| Some(&it.spec.agent.uid) != uid.as_ref();
        let others = self.universe.instances_of(key).filter(of_another);
        let others: Vec<_> = others.cloned().collect();
        // What an agent leaves is erased by its name: one of the name begins when that is done.
        let wanted: &[_] = if others.is_empty() { &plan.create } else { &[] };
        moves.deleted.extend(others);
        for instance in wanted.iter().chain(&plan.keep) {
            let name = name(instance);
            let there = self.universe.instances.get(&name);
            if there.map(|it| &it.spec) != Some(&instance.spec) {
                let wanted = Arc::new(bare(instance));
                self.universe.instances.insert(name, Arc::clone(&wanted));
                moves.applied.push(wanted);
            }
        }
        for retired in &plan.retire {
            let gone = self
                .universe
                .instances
                .get(&Key::new(&key.namespace, retired));
            moves.deleted.extend(gone.cloned());
        }
        let fits = |placement: &Placement| placement.missing().is_none();
        match resolved.placement.as_ref().is_none_or(fits) {
            true => self.waiting.remove(key),
            false => self.waiting.insert(key.clone()),
        };
        let of_agent = self.universe.told_of(key);
        if let Some(agent) = self.universe.agents.get(key) {
            let mut agent = agent.clone();
            agent.status = self.standings.get(key);
            let status = resolved.status(&agent, &of_agent, now);
            self.standings.insert(key.clone(), status);
        }
    }

    /// How a pool stands, with the node that resolving gave it.
    fn judged_pool(&self, key: &Key, now: &Time) -> Option<MemoryPoolStatus> {
        let pool = self.universe.pools.get(key)?;
        let endpoints = self.universe.endpoints.iter();
        let beside = endpoints.filter(|(it, _)| it.namespace == key.namespace);
        let node_name = pool.status.as_ref().and_then(|it| it.node_name.clone());
        let node = node_name
            .as_ref()
            .and_then(|it| self.universe.nodes.get(it));
        let facts = PoolFacts {
            endpoints: beside
                .map(|(it, endpoint)| (it.name.clone(), endpoint.clone()))
                .collect(),
            used_by: Vec::new(),
            node: node.map(|it| it.state.clone()),
        };
        let before = self.pools.get(key).map(|it| it.conditions.as_slice());
        let judgements = pool_conditions(pool, &facts);
        let generation = pool.metadata.generation;
        Some(MemoryPoolStatus {
            observed_generation: generation,
            conditions: condition::write(before.unwrap_or_default(), &judgements, generation, now),
            node_name,
            ..MemoryPoolStatus::default()
        })
    }

    /// An instance is gone from the node; one of the same name that came after it stays.
    pub(super) fn released(&mut self, instance: &AgentInstance) {
        let name = name(instance);
        let there = self.universe.instances.get(&name);
        if there.is_some_and(|it| it.metadata.uid == instance.metadata.uid) {
            self.universe.instances.remove(&name);
            self.universe.said.remove(&name);
            self.touched.agents.insert(agent(instance));
            // There is room again.
            self.touched.agents.extend(self.waiting.iter().cloned());
        }
    }

    /// The node's word on an instance. Says whether it is still wanted.
    pub(super) fn patched(
        &mut self,
        instance: &AgentInstance,
        status: Arc<AgentInstanceStatus>,
    ) -> bool {
        let wanted = self.is_there(instance);
        if wanted {
            self.universe.said.insert(name(instance), status);
            self.touched.agents.insert(agent(instance));
        }
        wanted
    }

    /// Whom to trust in a namespace.
    pub(super) fn trust(&self, namespace: &str) -> Trust {
        let labels = self.universe.namespace_labels(namespace);
        aion_policy::trust(self.universe.trust_policies.values(), &labels)
    }

    /// All instances, by name.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Key, &Arc<AgentInstance>)> {
        self.universe.instances.iter()
    }

    /// An instance with what the node says of it.
    pub(super) fn told(&self, instance: &AgentInstance) -> AgentInstance {
        dressed(self.universe.told(instance))
    }

    /// The instance of this name, with what the node says of it.
    pub(super) fn instance(&self, name: &Key) -> Option<AgentInstance> {
        let there = self.universe.instances.get(name);
        there.map(|it| self.told(it))
    }

    /// Those of an agent.
    pub(super) fn instances_of(&self, agent: &Key) -> impl Iterator<Item = &Arc<AgentInstance>> {
        self.universe.instances_of(agent)
    }

    /// Whether an instance is not released yet.
    pub(super) fn is_there(&self, instance: &AgentInstance) -> bool {
        let there = self.universe.instances.get(&name(instance));
        there.is_some_and(|it| it.metadata.uid == instance.metadata.uid)
    }

    /// Whether there is an agent of the name that the agent of an instance has or had.
    pub(super) fn has_agent_of_the_name(&self, instance: &AgentInstance) -> bool {
        self.agents.contains(&agent(instance))
    }

    /// Whether the agent of an instance is there, and not another of its name.
    pub(super) fn has_agent_of(&self, instance: &AgentInstance) -> bool {
        self.agents.uid(&agent(instance)) == Some(instance.spec.agent.uid.as_str())
    }

    /// The agents there are.
    pub(super) fn agents(&self) -> &Agents {
        &self.agents
    }

    /// An object as it was put in, without a status.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<Object> {
        if key.kind == "Agent" {
            let agent = self.agents.get(&key.key())?;
            return Some(Object::Agent(Box::new(agent)));
        }
        let mut object = self.universe.object(key.kind, &key.key())?;
        if let Object::MemoryPool(pool) = &mut object {
            pool.status = None;
        }
        Some(object)
    }

    /// How an agent stands.
    pub(super) fn agent_status(&self, agent: &Key) -> Option<AgentStatus> {
        self.standings.get(agent)
    }

    /// The status that was found for an object of a kind that has one.
    pub(super) fn status(&self, key: &ObjectKey) -> Option<serde_json::Result<Value>> {
        match key.kind {
            "Agent" => self.standings.get(&key.key()).map(serde_json::to_value),
            "MemoryPool" => self.pools.get(&key.key()).map(serde_json::to_value),
            "Device" => self.devices.status(&key.key()).map(serde_json::to_value),
            _ => None,
        }
    }
}

/// Without what its metadata says that follows from its spec: at rest that is a third of it.
fn bare(instance: &AgentInstance) -> AgentInstance {
    let mut bare = instance.clone();
    let metadata = &mut bare.metadata;
    (metadata.labels, metadata.finalizers) = (None, None);
    metadata.owner_references = None;
    bare
}

/// With it.
fn dressed(mut instance: AgentInstance) -> AgentInstance {
    aion_resolve::label(&mut instance);
    instance
}

fn name(instance: &AgentInstance) -> Key {
    Key::new(
        instance.metadata.namespace.as_deref().unwrap_or_default(),
        instance.metadata.name.as_deref().unwrap_or_default(),
    )
}

fn agent(instance: &AgentInstance) -> Key {
    let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
    Key::new(namespace, &instance.spec.agent.name)
}
