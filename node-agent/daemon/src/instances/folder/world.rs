//! What the folder's objects come to: instances and statuses. Pure; the same steps as the operator's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aion_api::{AgentInstance, AgentInstanceStatus, AgentStatus, MemoryPoolStatus, condition};
use aion_policy::Trust;
use aion_resolve::{
    Key, NodeView, Object, Setting, Universe,
    pool_status::{PoolFacts, pool_conditions},
    resolve_all,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::manifests::{Kept, ObjectKey};

/// Objects, instances and how they stand.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) objects: BTreeMap<ObjectKey, Kept>,
    /// Instances by name, with the status that the node gave them.
    pub(super) instances: BTreeMap<Key, AgentInstance>,
    pub(super) agents: BTreeMap<Key, AgentStatus>,
    pub(super) pools: BTreeMap<Key, MemoryPoolStatus>,
}

/// What a new look at the world asks for.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Instances that are to be here.
    pub(super) applied: Vec<AgentInstance>,
    /// Instances that are to be gone.
    pub(super) deleted: Vec<AgentInstance>,
    /// Whom to trust has changed.
    pub(super) trust: bool,
}

impl World {
    /// Takes the folder's objects in and looks anew.
    pub(super) fn take(
        &mut self,
        objects: BTreeMap<ObjectKey, Kept>,
        node: &NodeView,
        now: &Time,
    ) -> Result<Moves, String> {
        let trust = trust_of(&self.objects) != trust_of(&objects);
        self.objects = objects;
        let mut moves = self.look(node, now)?;
        moves.trust = trust;
        Ok(moves)
    }

    /// Looks anew: readiness, layers or mounts changed.
    pub(super) fn look(&mut self, node: &NodeView, now: &Time) -> Result<Moves, String> {
        let mut universe = self.universe(node);
        let agents: BTreeMap<Key, _> = universe.agents.clone();
        let resolved = resolve_all(&mut universe).map_err(|error| error.to_string())?;
        let mut moves = Moves::default();
        let mut known = BTreeSet::new();
        for (key, resolved) in resolved {
            let plan = &resolved.plan;
            for instance in plan.create.iter().chain(&plan.keep) {
                let name = name(instance);
                let there = self.instances.get(&name);
                if there.map(|it| &it.spec) != Some(&instance.spec) {
                    let status = there.and_then(|it| it.status.clone());
                    let wanted = AgentInstance {
                        status,
                        ..instance.clone()
                    };
                    self.instances.insert(name, wanted.clone());
                    moves.applied.push(wanted);
                }
            }
            for retired in &plan.retire {
                let name = Key::new(&key.namespace, retired);
                if let Some(gone) = self.instances.get(&name) {
                    moves.deleted.push(gone.clone());
                }
            }
            let of_agent: Vec<_> = self
                .instances
                .values()
                .filter(|it| {
                    it.spec.agent.name == key.name
                        && it.metadata.namespace.as_deref() == Some(key.namespace.as_str())
                })
                .cloned()
                .collect();
            if let Some(agent) = agents.get(&key) {
                let mut agent = agent.clone();
                agent.status = self.agents.get(&key).cloned();
                let status = resolved.status(&agent, &of_agent, now);
                self.agents.insert(key.clone(), status);
            }
            known.insert(key);
        }
        self.pools = self.judged_pools(&universe, now);
        // Agents that are gone leave instances behind.
        let orphans = self.instances.values().filter(|it| {
            let namespace = it.metadata.namespace.clone().unwrap_or_default();
            !known.contains(&Key::new(&namespace, &it.spec.agent.name))
        });
        moves.deleted.extend(orphans.cloned());
        self.agents.retain(|key, _| known.contains(key));
        Ok(moves)
    }

    /// How the pools stand, with the node that resolving gave them.
    fn judged_pools(&self, universe: &Universe, now: &Time) -> BTreeMap<Key, MemoryPoolStatus> {
        let judged = universe.pools.iter().map(|(key, pool)| {
            let endpoints = universe.endpoints.iter();
            let beside = endpoints.filter(|(it, _)| it.namespace == key.namespace);
            let node_name = pool.status.as_ref().and_then(|it| it.node_name.clone());
            let facts = PoolFacts {
                endpoints: beside
                    .map(|(it, endpoint)| (it.name.clone(), endpoint.clone()))
                    .collect(),
                used_by: Vec::new(),
                node: node_name
                    .as_ref()
                    .and_then(|it| Some(universe.nodes.get(it)?.state.clone())),
            };
            let before = self.pools.get(key).map(|it| it.conditions.as_slice());
            let judgements = pool_conditions(pool, &facts);
            let generation = pool.metadata.generation;
            let status = MemoryPoolStatus {
                observed_generation: generation,
                conditions: condition::write(
                    before.unwrap_or_default(),
                    &judgements,
                    generation,
                    now,
                ),
                node_name,
                erasures: Vec::new(),
            };
            (key.clone(), status)
        });
        judged.collect()
    }

    /// An instance is gone from the node; one of the same name that came after it stays.
    pub(super) fn released(&mut self, instance: &AgentInstance) {
        let name = name(instance);
        let there = self.instances.get(&name);
        if there.is_some_and(|it| it.metadata.uid == instance.metadata.uid) {
            self.instances.remove(&name);
        }
    }

    /// The node's word on an instance. Says whether it is still wanted.
    pub(super) fn patched(
        &mut self,
        instance: &AgentInstance,
        status: AgentInstanceStatus,
    ) -> bool {
        match self.instances.get_mut(&name(instance)) {
            Some(there) if there.metadata.uid == instance.metadata.uid => {
                there.status = Some(status);
                true
            }
            _ => false,
        }
    }

    pub(super) fn universe(&self, node: &NodeView) -> Universe {
        let mut universe = Universe {
            setting: Setting::Standalone,
            instances: self.instances.clone(),
            ..Universe::default()
        };
        let mut node = node.clone();
        node.instances = i32::try_from(self.instances.len()).unwrap_or(i32::MAX);
        universe.nodes.insert(node.name.clone(), node);
        for kept in self.objects.values() {
            universe.insert(kept.object.clone(), super::manifests::DEFAULT_NAMESPACE);
        }
        universe
    }

    /// Whom to trust in a namespace.
    pub(super) fn trust(&self, namespace: &str, node: &NodeView) -> Trust {
        let universe = self.universe(node);
        let labels = universe.namespace_labels(namespace);
        aion_policy::trust(universe.trust_policies.values(), &labels)
    }
}

fn trust_of(objects: &BTreeMap<ObjectKey, Kept>) -> HashMap<&ObjectKey, &Object> {
    objects
        .iter()
        .filter(|(key, _)| key.kind == "TrustPolicy")
        .map(|(key, kept)| (key, &kept.object))
        .collect()
}

fn name(instance: &AgentInstance) -> Key {
    Key::new(
        instance.metadata.namespace.as_deref().unwrap_or_default(),
        instance.metadata.name.as_deref().unwrap_or_default(),
    )
}
