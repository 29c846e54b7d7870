//! AgentInstances by agent and by node, kept as events come, so that a reconciliation costs what the agent
//! has and not what the cluster has.

use std::collections::HashMap;
use std::sync::Arc;

use aion_api::metadata::{LABEL_AGENT, LABEL_POOL};
use aion_api::{
    AgentInstance, AgentInstanceSpec, AgentReference, Placed, ResolvedMemory, Unreadable,
};
use aion_resolve::Key;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use parking_lot::RwLock;

/// What stands in the index for an instance that cannot be read: what its metadata tells, and on
/// which node it is.
pub(super) fn stand_in(unreadable: &Unreadable) -> Option<AgentInstance> {
    let metadata = unreadable.metadata.clone();
    let label = |name: &str| metadata.labels.as_ref()?.get(name).cloned();
    let owner = metadata.owner_references.iter().flatten();
    let owner = owner.into_iter().find(|it| it.controller == Some(true));
    let node_name = match &unreadable.placed {
        Placed::On(node) => node.clone(),
        Placed::Nowhere | Placed::Unknown => String::new(),
    };
    let spec = AgentInstanceSpec {
        node_name,
        agent: AgentReference {
            name: label(LABEL_AGENT).unwrap_or_default(),
            uid: owner.map(|it| it.uid.clone()).unwrap_or_default(),
        },
        memory: label(LABEL_POOL).map(|pool| ResolvedMemory {
            pool,
            ..ResolvedMemory::default()
        }),
        ..AgentInstanceSpec::default()
    };
    Some(AgentInstance {
        metadata,
        spec,
        status: None,
    })
}

/// A shared index. Reading it gives copies of pointers; the lock is never held across an await.
#[derive(Debug, Clone, Default)]
pub(crate) struct InstanceIndex(Arc<RwLock<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    /// The instances of each agent, by name: a few, so that a map of them would be mostly empty.
    by_agent: HashMap<Key, Vec<Arc<AgentInstance>>>,
    per_node: HashMap<String, i32>,
    /// What a running list has named so far; what it does not name at its end is gone.
    listed: Option<Vec<Key>>,
}

impl InstanceIndex {
    /// Takes in what the watch says.
    pub(crate) fn take(&self, event: &Event<AgentInstance>) {
        let mut tables = self.0.write();
        match event {
            Event::Init => tables.listed = Some(Vec::new()),
            Event::InitApply(instance) => {
                if let Some(listed) = &mut tables.listed {
                    listed.push(name(instance));
                }
                tables.insert(instance.clone());
            }
            Event::InitDone => tables.retain_listed(),
            Event::Apply(instance) => tables.insert(instance.clone()),
            Event::Delete(instance) => tables.remove(&agent(instance), &instance.name_any()),
        }
    }

    /// Counts `instances` as being there, before they are written. The watch puts the truth in their place.
    pub(crate) fn assume(&self, instances: &[AgentInstance]) {
        let mut tables = self.0.write();
        for instance in instances {
            tables.insert(instance.clone());
        }
    }

    /// Takes back what was assumed and could not be written. What the watch has told since stays.
    pub(crate) fn withdraw(&self, instances: &[AgentInstance]) {
        let mut tables = self.0.write();
        for instance in instances {
            let agent = agent(instance);
            let assumed = tables
                .get(&agent, &instance.name_any())
                .is_some_and(|there| there.metadata.uid.is_none());
            if assumed {
                tables.remove(&agent, &instance.name_any());
            }
        }
    }

    /// The instances of an agent, by name.
    pub(crate) fn of_agent(&self, agent: &Key) -> Vec<Arc<AgentInstance>> {
        let tables = self.0.read();
        tables.by_agent.get(agent).cloned().unwrap_or_default()
    }

    /// Names of the agents that have instances using a memory pool.
    pub(crate) fn using_pool(&self, pool: &Key) -> Vec<String> {
        let tables = self.0.read();
        let uses = |instance: &Arc<AgentInstance>| {
            instance
                .spec
                .memory
                .as_ref()
                .is_some_and(|m| m.pool == pool.name)
        };
        let mut agents: Vec<String> = tables
            .by_agent
            .iter()
            .filter(|(agent, instances)| {
                agent.namespace == pool.namespace && instances.iter().any(uses)
            })
            .map(|(agent, _)| agent.name.clone())
            .collect();
        agents.sort();
        agents
    }

    /// The instances, of all agents, that a node has. Costs what there are in the cluster.
    pub(crate) fn all_on_node(&self, node: &str) -> Vec<Arc<AgentInstance>> {
        let tables = self.0.read();
        let all = tables.by_agent.values().flatten();
        all.filter(|it| it.spec.node_name == node)
            .cloned()
            .collect()
    }

    /// How many instances, of all agents, a node has.
    pub(crate) fn on_node(&self, node: &str) -> i32 {
        let tables = self.0.read();
        tables.per_node.get(node).copied().unwrap_or_default()
    }
}

impl Tables {
    fn get(&self, agent: &Key, name: &str) -> Option<&Arc<AgentInstance>> {
        let instances = self.by_agent.get(agent)?;
        position(instances, name).ok().map(|at| &instances[at])
    }

    fn insert(&mut self, instance: AgentInstance) {
        let node = instance.spec.node_name.clone();
        let instances = self.by_agent.entry(agent(&instance)).or_default();
        // The node of an instance never changes, but a stand-in may not know it.
        let before = match position(instances, &instance.name_any()) {
            Ok(at) => Some(std::mem::replace(&mut instances[at], Arc::new(instance))),
            Err(at) => {
                instances.reserve_exact(1);
                instances.insert(at, Arc::new(instance));
                None
            }
        };
        if before.as_ref().is_some_and(|it| it.spec.node_name == node) {
            return;
        }
        if let Some(before) = before {
            self.leave(&before.spec.node_name);
        }
        *self.per_node.entry(node).or_default() += 1;
    }

    /// One instance fewer on `node`.
    fn leave(&mut self, node: &str) {
        if let Some(count) = self.per_node.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                self.per_node.remove(node);
            }
        }
    }

    fn remove(&mut self, agent: &Key, name: &str) {
        let Some(instances) = self.by_agent.get_mut(agent) else {
            return;
        };
        let Ok(at) = position(instances, name) else {
            return;
        };
        let gone = instances.remove(at);
        if instances.is_empty() {
            self.by_agent.remove(agent);
        }
        self.leave(&gone.spec.node_name);
    }

    fn retain_listed(&mut self) {
        let Some(listed) = self.listed.take() else {
            return;
        };
        let listed: std::collections::HashSet<Key> = listed.into_iter().collect();
        let gone: Vec<(Key, String)> = self
            .by_agent
            .iter()
            .flat_map(|(agent, instances)| {
                instances
                    .iter()
                    .map(move |instance| (agent.clone(), instance.name_any()))
            })
            .filter(|(agent, name)| !listed.contains(&Key::new(&agent.namespace, name)))
            .collect();
        for (agent, name) in gone {
            self.remove(&agent, &name);
        }
    }
}

/// Takes away what nobody here reads: what the instance is made of, which its node obeys and its revision names. What is
/// kept and what goes is taken apart without `..`: a field that is added cannot be forgotten here.
pub(super) fn lighten(instance: &mut AgentInstance) {
    let AgentInstanceSpec {
        agent,
        tenant: _,
        node_name,
        replica,
        revision,
        policy_revision,
        runtime: _,
        lane: _,
        inline: _,
        bundle: _,
        signers: _,
        pull_secrets: _,
        model: _,
        tools: _,
        agents: _,
        memory,
        knowledge: _,
        mounts: _,
        grants: _,
        triggers: _,
        quotas: _,
        limits: _,
        sandbox: _,
        on_violation: _,
    } = std::mem::take(&mut instance.spec);
    instance.spec = AgentInstanceSpec {
        agent,
        node_name,
        replica,
        revision,
        policy_revision,
        memory: memory.map(|memory| ResolvedMemory {
            pool: memory.pool,
            ..ResolvedMemory::default()
        }),
        ..AgentInstanceSpec::default()
    };
    let metadata = &mut instance.metadata;
    metadata.labels = None;
    metadata.annotations = None;
    metadata.owner_references = None;
    if let Some(status) = &mut instance.status {
        status.layers = Vec::new();
        status.conditions.shrink_to_fit();
    }
}

/// Where among the instances of an agent `name` is, or would be.
fn position(instances: &[Arc<AgentInstance>], name: &str) -> Result<usize, usize> {
    instances.binary_search_by(|it| it.metadata.name.as_deref().unwrap_or_default().cmp(name))
}

fn agent(instance: &AgentInstance) -> Key {
    Key::new(
        &instance.namespace().unwrap_or_default(),
        &instance.spec.agent.name,
    )
}

fn name(instance: &AgentInstance) -> Key {
    Key::new(
        &instance.namespace().unwrap_or_default(),
        &instance.name_any(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, agent: &str, node: &str) -> AgentInstance {
        let mut instance = AgentInstance::default();
        instance.metadata.name = Some(name.to_owned());
        instance.metadata.namespace = Some("home".to_owned());
        instance.spec.agent.name = agent.to_owned();
        instance.spec.node_name = node.to_owned();
        instance
    }

    #[test]
    fn what_is_kept_of_an_instance_is_what_is_read_of_it_and_no_more() {
        let mut whole = instance("a-0-x", "a", "n1");
        whole.spec.replica = 1;
        whole.spec.revision = "x".to_owned();
        whole.spec.policy_revision = Some("p".to_owned());
        let pool = ResolvedMemory {
            pool: "notes".to_owned(),
            ..ResolvedMemory::default()
        };
        whole.spec.memory = Some(pool);
        let light = whole.clone();
        whole.metadata.labels = Some([(LABEL_AGENT.to_owned(), "a".to_owned())].into());
        whole.metadata.owner_references = Some(Vec::new());
        whole.spec.knowledge = vec!["docs".to_owned()];
        whole.spec.pull_secrets = vec!["registry".to_owned()];
        lighten(&mut whole);
        assert_eq!(whole.spec, light.spec);
        assert_eq!(whole.metadata, light.metadata);
    }

    #[test]
    fn a_list_that_does_not_name_an_instance_removes_it() {
        let index = InstanceIndex::default();
        index.take(&Event::Apply(instance("a-0-x", "a", "n1")));
        index.take(&Event::Apply(instance("a-1-x", "a", "n2")));
        index.take(&Event::Init);
        index.take(&Event::InitApply(instance("a-1-x", "a", "n2")));
        index.take(&Event::InitDone);
        let left: Vec<String> = index
            .of_agent(&Key::new("home", "a"))
            .iter()
            .map(|i| i.name_any())
            .collect();
        assert_eq!(left, ["a-1-x"]);
        assert_eq!((index.on_node("n1"), index.on_node("n2")), (0, 1));
    }

    #[test]
    fn what_is_assumed_counts_until_it_is_taken_back_and_the_truth_stays() {
        let index = InstanceIndex::default();
        let assumed = [instance("a-0-x", "a", "n1"), instance("a-1-x", "a", "n1")];
        index.assume(&assumed);
        assert_eq!(index.on_node("n1"), 2);
        let mut written = assumed[0].clone();
        written.metadata.uid = Some("u".to_owned());
        index.take(&Event::Apply(written));
        assert_eq!(index.on_node("n1"), 2);
        index.withdraw(&assumed);
        assert_eq!(index.on_node("n1"), 1);
    }

    #[test]
    fn an_update_is_not_counted_twice() {
        let index = InstanceIndex::default();
        for _ in 0..3 {
            index.take(&Event::Apply(instance("a-0-x", "a", "n1")));
        }
        assert_eq!(index.on_node("n1"), 1);
        index.take(&Event::Delete(instance("a-0-x", "a", "n1")));
        assert_eq!(index.on_node("n1"), 0);
        assert!(index.of_agent(&Key::new("home", "a")).is_empty());
    }

    #[test]
    fn an_instance_counts_for_its_node_while_it_cannot_be_read() {
        let read = instance("a-0-x", "a", "n1");
        let stands = |placed| {
            let mut unreadable = Unreadable {
                metadata: read.metadata.clone(),
                placed,
                ..Unreadable::default()
            };
            unreadable.metadata.labels = Some([(LABEL_AGENT.to_owned(), "a".to_owned())].into());
            stand_in(&unreadable).unwrap_or_default()
        };
        let known = stands(Placed::On("n1".to_owned()));
        let index = InstanceIndex::default();
        let counts = || (index.on_node("n1"), index.on_node(""));
        for event in [
            Event::Init,
            Event::InitApply(known.clone()),
            Event::InitDone,
        ] {
            index.take(&event);
        }
        assert_eq!(counts(), (1, 0));
        assert_eq!(index.all_on_node("n1").len(), 1);
        for there in [&read, &known, &read] {
            index.take(&Event::Apply(there.clone()));
            assert_eq!(counts(), (1, 0));
        }
        index.take(&Event::Apply(stands(Placed::Unknown)));
        assert_eq!(counts(), (0, 1));
        index.take(&Event::Apply(known.clone()));
        index.take(&Event::Delete(known));
        assert_eq!(counts(), (0, 0));
    }
}
