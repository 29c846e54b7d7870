//! One entry for everything: an agent, or all of them, from a [`Universe`].

use aion_api::{Agent, AgentInstance, AgentStatus};
use aion_policy::explain::Line;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::agent_status::{Facts, agent_status};
use crate::build::{build, needs};
use crate::dereference::{Dereferenced, dereference};
use crate::identity;
use crate::place::{Placement, place};
use crate::plan::{Plan, plan, retire_all, retire_forgotten};
use crate::universe::{Key, Universe};
use crate::validate::{Judged, validate};

/// Why an agent could not be resolved at all.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such agent.
    #[error("there is no Agent {0}")]
    NoAgent(Key),
    /// Something could not be written as JSON.
    #[error("cannot hash what was resolved: {0}")]
    Hash(#[from] serde_json::Error),
}

/// An agent that was judged, placed and built, with nothing applied yet.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What was found out about it.
    pub judged: Judged,
    /// Where its instances go; `None` where it could not be resolved.
    pub placement: Option<Placement>,
    /// Its revision; `None` where it could not be resolved.
    pub revision: Option<String>,
    /// What is to be done about its instances.
    pub plan: Plan,
}

impl Resolved {
    /// The status of `agent`, with `instances` as they are now.
    #[must_use]
    pub fn status(&self, agent: &Agent, instances: &[AgentInstance], now: &Time) -> AgentStatus {
        let facts = Facts {
            agent,
            judged: &self.judged,
            placement: self.placement.as_ref(),
            revision: self.revision.as_deref(),
            instances,
        };
        agent_status(facts, now)
    }

    /// Its rights in plain words.
    #[must_use]
    pub fn explain(&self) -> Vec<Line> {
        aion_policy::explain(&self.judged.decided)
    }
}

/// Judges, places and builds.
///
/// # Errors
/// As [`prepare`].
pub fn resolve(input: &Dereferenced) -> Result<Resolved, serde_json::Error> {
    prepare(input, validate(input))
}

/// Places and builds what was judged.
///
/// An agent that cannot be resolved keeps what it has, unless it is no longer allowed to, or the node is being
/// forgotten; one that is being deleted keeps nothing.
///
/// # Errors
/// When what was resolved cannot be hashed, which its types rule out.
pub fn prepare(input: &Dereferenced, judged: Judged) -> Result<Resolved, serde_json::Error> {
    let deleted = input.agent.metadata.deletion_timestamp.is_some();
    let validated = judged.validated.as_ref().filter(|_| !deleted);
    let Some(validated) = validated else {
        let plan = if deleted || judged.must_stop {
            retire_all(&input.instances, &input.nodes)
        } else {
            retire_forgotten(&input.instances, &input.nodes)
        };
        return Ok(Resolved {
            judged,
            placement: None,
            revision: None,
            plan,
        });
    };
    let needs = needs(validated)?;
    let placement = place(&needs, &input.nodes, &input.instances);
    let wanted = build(validated, &placement)?;
    let plan = plan(wanted, &input.instances, &input.nodes);
    Ok(Resolved {
        revision: Some(needs.revision),
        placement: Some(placement),
        plan,
        judged,
    })
}

/// Resolves the agent of `key`.
///
/// Instances that are to be made get a uid that follows from their agent and name, for a place where no
/// API server gives one.
///
/// # Errors
/// When there is no such agent, or what was resolved cannot be hashed.
pub fn resolve_agent(universe: &Universe, key: &Key) -> Result<Resolved, ResolveError> {
    let input = dereference(universe, key).ok_or_else(|| ResolveError::NoAgent(key.clone()))?;
    let mut resolved = resolve(&input)?;
    for instance in resolved
        .plan
        .create
        .iter_mut()
        .chain(&mut resolved.plan.keep)
    {
        let name = instance.metadata.name.clone().unwrap_or_default();
        let uid = identity::uid(&["AgentInstance", &instance.spec.agent.uid, &name]);
        instance.metadata.uid = Some(uid);
        instance.metadata.generation = Some(1);
    }
    Ok(resolved)
}

/// Resolves the agent of `key`, and lets the agents that come after it see what it takes.
///
/// A memory pool that no node holds yet is placed with the first agent that uses it, and what is to be made
/// takes room: `universe` is changed by both.
///
/// # Errors
/// As [`resolve_agent`].
pub fn resolve_next(universe: &mut Universe, key: &Key) -> Result<Resolved, ResolveError> {
    let resolved = resolve_agent(universe, key)?;
    bind_pool(universe, key, &resolved);
    for instance in &resolved.plan.create {
        if let Some(node) = universe.nodes.get_mut(&instance.spec.node_name) {
            node.instances += 1;
        }
    }
    Ok(resolved)
}

/// Resolves every agent of `universe`, in the order of their keys.
///
/// # Errors
/// As [`resolve_agent`].
pub fn resolve_all(universe: &mut Universe) -> Result<Vec<(Key, Resolved)>, ResolveError> {
    let keys: Vec<Key> = universe.agents.keys().cloned().collect();
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        let resolved = resolve_next(universe, &key)?;
        all.push((key, resolved));
    }
    Ok(all)
}

fn bind_pool(universe: &mut Universe, key: &Key, resolved: &Resolved) {
    let Some(memory) = resolved
        .judged
        .validated
        .as_ref()
        .and_then(|validated| validated.memory.as_ref())
    else {
        return;
    };
    let Some(node) = resolved.placement.as_ref().and_then(Placement::first_node) else {
        return;
    };
    if let Some(pool) = universe
        .pools
        .get_mut(&Key::new(&key.namespace, &memory.pool))
    {
        pool.status
            .get_or_insert_default()
            .node_name
            .get_or_insert_with(|| node.to_owned());
    }
}
