//! What becomes of a memory pool.

use std::collections::BTreeMap;

use aion_api::condition::{
    self, ACCEPTED, ERASED, Judgement, READY, RECONCILING, RESOLVED_REFS, STALLED, reason,
};
use aion_api::{ErasureState, Loss, MemoryPool, ModelEndpoint, ModelPurpose};

use crate::dereference::endpoint_of;
use crate::universe::NodeState;

/// What is known about a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolFacts {
    /// The endpoints of its namespace, by name.
    pub endpoints: BTreeMap<String, ModelEndpoint>,
    /// Names of agents that have instances using it.
    pub used_by: Vec<String>,
    /// The node that holds it, if any: its state, `None` where there is no such node.
    pub node: Option<NodeState>,
}

/// How far erasing a pool has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// Nothing to erase, or all of it erased.
    Done(String),
    /// A part cannot be erased, since its node is gone: it went with the node.
    Lost(String),
    /// The node says that it could not erase.
    Failed(String),
    /// Agents use it still.
    InUse(String),
    /// The node has not said so yet.
    Waiting(String),
}

/// How far erasing `pool`, which is being deleted, has come.
#[must_use]
pub fn erasure(pool: &MemoryPool, facts: &PoolFacts) -> Erasure {
    if !facts.used_by.is_empty() {
        return Erasure::InUse(format!(
            "agents {} still use it: it is erased when they are gone",
            facts.used_by.join(", ")
        ));
    }
    let status = pool.status.clone().unwrap_or_default();
    let Some(node) = status.node_name else {
        return Erasure::Done("no node held a part of it".into());
    };
    match status.erasures.iter().find(|erasure| erasure.node == node) {
        Some(erasure) if erasure.state == ErasureState::Erased => {
            Erasure::Done(format!("erased on node {node}"))
        }
        _ if facts
            .node
            .as_ref()
            .is_none_or(|state| matches!(state, NodeState::Gone | NodeState::Forgotten)) =>
        {
            Erasure::Lost(format!(
                "node {node} is gone, and what it held of the pool was not erased"
            ))
        }
        Some(erasure) => {
            let why = erasure.message.as_deref().unwrap_or("it does not say why");
            Erasure::Failed(format!("node {node} could not erase it: {why}"))
        }
        None => Erasure::Waiting(format!("node {node} has not erased it yet")),
    }
}

/// The conditions of `pool`.
#[must_use]
pub fn pool_conditions(pool: &MemoryPool, facts: &PoolFacts) -> Vec<Judgement> {
    let resolved = embedding(pool, facts);
    let mut list = vec![
        Judgement::new(
            ACCEPTED,
            true,
            reason::ACCEPTED,
            "the specification makes sense",
        ),
        resolved.clone(),
    ];
    if pool.metadata.deletion_timestamp.is_some() {
        let erasure = erasure(pool, facts);
        let (done, reason, message) = match &erasure {
            Erasure::Done(message) => (true, reason::ERASED, message),
            Erasure::Lost(message) | Erasure::Failed(message) => {
                (false, reason::NOT_ERASED, message)
            }
            Erasure::InUse(message) => (false, reason::IN_USE, message),
            Erasure::Waiting(message) => (false, reason::ERASING, message),
        };
        let stalled = matches!(erasure, Erasure::Failed(_));
        list.push(Judgement::new(ERASED, done, reason, message.clone()));
        list.push(Judgement::new(READY, false, reason, message.clone()));
        list.push(Judgement::new(
            RECONCILING,
            !done && !stalled,
            reason,
            message.clone(),
        ));
        list.push(Judgement::new(STALLED, stalled, reason, message.clone()));
        return list;
    }
    list.push(match resolved.status {
        condition::Status::False => {
            Judgement::new(READY, false, resolved.reason, resolved.message.clone())
        }
        _ => bound(pool, facts),
    });
    let stalled = resolved.status == condition::Status::False;
    list.push(Judgement::new(
        RECONCILING,
        false,
        reason::STABLE,
        "nothing is being changed",
    ));
    list.push(Judgement::new(
        STALLED,
        stalled,
        resolved.reason,
        resolved.message,
    ));
    list
}

/// Where it is, whether that is there, and what was lost before.
fn bound(pool: &MemoryPool, facts: &PoolFacts) -> Judgement {
    let status = pool.status.clone().unwrap_or_default();
    let before = match status.losses.last() {
        Some(Loss { node, time }) => {
            format!("; what it held until {} was lost with node {node}", time.0)
        }
        None => String::new(),
    };
    let Some(node) = status.node_name else {
        let message = format!("the first agent that uses it decides where it is{before}");
        return Judgement::new(READY, true, reason::WAITING_FOR_FIRST_USE, message);
    };
    let (ready, reason, message) = match &facts.node {
        None => (
            false,
            reason::NODE_GONE,
            format!("node {node}, which holds it, is gone: bring it back, or delete the pool"),
        ),
        Some(state) if state.is_lost() => (
            false,
            reason::NODE_GONE,
            format!(
                "node {node}, which holds it, is gone or out of service: bring it back, or give up what it held: aionctl --cluster node forget {node}"
            ),
        ),
        Some(NodeState::NotReady(why) | NodeState::Unknown(why)) => (
            true,
            reason::BOUND,
            format!("on node {node}, where it stays: the node is not ready: {why}"),
        ),
        Some(_) => (true, reason::BOUND, format!("on node {node}")),
    };
    Judgement::new(READY, ready, reason, message + &before)
}

fn embedding(pool: &MemoryPool, facts: &PoolFacts) -> Judgement {
    let judge = |reason, message: String| {
        Judgement::new(RESOLVED_REFS, reason == reason::RESOLVED, reason, message)
    };
    let Some(embedding) = &pool.spec.embedding else {
        return judge(reason::RESOLVED, "it refers to nothing".into());
    };
    let name = endpoint_of(&embedding.use_model);
    let Some(endpoint) = facts.endpoints.get(name) else {
        let message = format!(
            "spec.embedding.use: there is no ModelEndpoint {name}: apply one, or name another"
        );
        return judge(reason::NOT_FOUND, message);
    };
    let model = embedding.use_model.split_once('/').map(|(_, model)| model);
    let fits = |m: &&aion_api::Model| {
        m.purpose == ModelPurpose::Embedding && model.is_none_or(|model| m.name == model)
    };
    if endpoint.spec.models.iter().find(fits).is_none() {
        let message = format!(
            "spec.embedding.use: ModelEndpoint {name} has no such model whose purpose is embedding: name one that has"
        );
        return judge(reason::NOT_FOUND, message);
    }
    judge(reason::RESOLVED, "everything it refers to is there".into())
}
