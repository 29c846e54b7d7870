//! What becomes of an agent, told from what was judged and what its instances' nodes say.

use std::collections::BTreeSet;

use aion_api::condition::{
    self, DEGRADED, Judgement, PROGRESSING, READY, RECONCILING, RESOLVED_REFS, SANDBOX_ENFORCED,
    STALLED, Status, VERIFIED, WITHIN_LIMITS, WITHIN_RULES, reason,
};
use aion_api::{Agent, AgentInstance, AgentStatus, GrantEffect, InstancePhase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::place::Placement;
use crate::plan::is_ready;
use crate::validate::Judged;

/// What a status is told from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// What was found out about it.
    pub judged: &'a Judged,
    /// Where its instances go, where it could be resolved.
    pub placement: Option<&'a Placement>,
    /// The revision of what was resolved.
    pub revision: Option<&'a str>,
    /// Its instances, with what their nodes say.
    pub instances: &'a [AgentInstance],
}

/// The status that `facts` tell.
#[must_use]
pub fn agent_status(facts: Facts<'_>, now: &Time) -> AgentStatus {
    let before = facts
        .agent
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let generation = facts.agent.metadata.generation;
    let tally = Tally::of(facts);
    let summary = format!("{}/{}", tally.ready_any.len(), tally.wanted);
    AgentStatus {
        observed_generation: generation,
        conditions: condition::write(before, &judgements(facts, &tally), generation, now),
        revision: facts.revision.map(str::to_owned),
        replicas: tally.wanted,
        ready_replicas: count(&tally.ready_new),
        summary: Some(summary),
        nodes: tally.nodes.iter().map(|node| (*node).to_owned()).collect(),
        granted: granted(facts.judged),
    }
}

/// Instances, counted.
struct Tally<'a> {
    wanted: i32,
    /// Replicas that have a ready instance of the newest revision.
    ready_new: BTreeSet<i32>,
    /// Replicas that have a ready instance of any revision.
    ready_any: BTreeSet<i32>,
    /// Instances of the newest revision that are not being deleted.
    new: Vec<&'a AgentInstance>,
    /// Those of them that cannot run.
    failed: Vec<&'a AgentInstance>,
    /// Instances of older revisions, and those that are being deleted.
    old: usize,
    nodes: BTreeSet<&'a str>,
}

impl<'a> Tally<'a> {
    fn of(facts: Facts<'a>) -> Self {
        let is_new = |i: &&AgentInstance| {
            i.metadata.deletion_timestamp.is_none()
                && facts.revision == Some(i.spec.revision.as_str())
        };
        let (new, old): (Vec<_>, Vec<_>) = facts.instances.iter().partition(is_new);
        let wanted = match (&facts.judged.validated, facts.agent.spec.replicas) {
            (Some(validated), _) => validated.bounds.replicas,
            (None, replicas) => replicas.unwrap_or(aion_api::defaults::REPLICAS),
        };
        let phase = |i: &&&AgentInstance| {
            i.status
                .as_ref()
                .is_some_and(|s| s.phase == InstancePhase::Failed)
        };
        Self {
            wanted,
            ready_new: new
                .iter()
                .filter(|i| is_ready(i))
                .map(|i| i.spec.replica)
                .collect(),
            ready_any: facts
                .instances
                .iter()
                .filter(|i| is_ready(i))
                .map(|i| i.spec.replica)
                .collect(),
            failed: new.iter().filter(phase).copied().collect(),
            old: old.len(),
            nodes: facts
                .instances
                .iter()
                .map(|i| i.spec.node_name.as_str())
                .collect(),
            new,
        }
    }

    fn all_ready(&self) -> bool {
        count(&self.ready_any) >= self.wanted
    }

    fn settled(&self) -> bool {
        count(&self.ready_new) >= self.wanted && self.old == 0
    }
}

fn judgements(facts: Facts<'_>, tally: &Tally<'_>) -> Vec<Judgement> {
    let judged = facts.judged;
    let ready = ready(facts, tally);
    let stalled = stalled(facts, tally);
    let resolved = judged.validated.is_some();
    let progressing = resolved && stalled.is_none() && !tally.settled();
    let progress = match (progressing, tally.old > 0) {
        (true, true) => (
            reason::ROLLING_OUT,
            "a new revision is coming up".to_owned(),
        ),
        (true, false) => (reason::INSTANCES_NOT_READY, waiting(tally)),
        (false, _) => (reason::STABLE, "nothing is being changed".to_owned()),
    };
    let verified = judged
        .verified
        .clone()
        .unwrap_or_else(|| gather(VERIFIED, tally));
    let mut list = vec![
        judged.accepted.clone(),
        resolved_refs(judged, tally),
        verified,
        gather(SANDBOX_ENFORCED, tally),
        ready,
        Judgement::new(PROGRESSING, progressing, progress.0, progress.1.clone()),
        degraded(tally),
        judged.fields_in_effect.clone(),
        Judgement::new(RECONCILING, progressing, progress.0, progress.1),
    ];
    list.extend(within(
        WITHIN_LIMITS,
        tally,
        "what ran stayed within its limits",
    ));
    list.extend(within(
        WITHIN_RULES,
        tally,
        "what ran broke no rule of onViolation",
    ));
    list.push(match stalled {
        Some((reason, message)) => Judgement::new(STALLED, true, reason, message),
        None => Judgement::new(STALLED, false, reason::OK, "nothing waits for a change"),
    });
    list
}

fn ready(facts: Facts<'_>, tally: &Tally<'_>) -> Judgement {
    let judge =
        |holds: bool, reason, message: String| Judgement::new(READY, holds, reason, message);
    if facts.judged.validated.is_some() && tally.wanted == 0 {
        return judge(
            false,
            reason::SCALED_TO_ZERO,
            "no instance is wanted: set spec.replicas".to_owned(),
        );
    }
    // What an older revision does counts as long as it may: nothing that runs is stopped by a mistake.
    if tally.all_ready() && !facts.judged.must_stop {
        let message = format!(
            "{} of {} instances can be asked",
            tally.ready_any.len(),
            tally.wanted
        );
        return judge(true, reason::INSTANCES_READY, message);
    }
    match stalled(facts, tally) {
        Some((reason, message)) => judge(false, reason, message),
        None if !tally.ready_any.is_empty() => {
            judge(false, reason::INSTANCES_PARTLY_READY, waiting(tally))
        }
        None => judge(false, reason::INSTANCES_NOT_READY, waiting(tally)),
    }
}

/// What keeps the agent from going on without a change, if anything does.
fn stalled(facts: Facts<'_>, tally: &Tally<'_>) -> Option<(&'static str, String)> {
    let judged = facts.judged;
    let verified = judged.verified.as_ref();
    let fault = [
        Some(&judged.accepted),
        Some(&judged.resolved_refs),
        verified,
    ]
    .into_iter()
    .flatten()
    .find(|judgement| judgement.status == Status::False);
    if let Some(fault) = fault {
        return Some((fault.reason, fault.message.clone()));
    }
    if let Some(why) = facts.placement.and_then(Placement::missing) {
        return Some((reason::NO_NODE_FITS, why.to_owned()));
    }
    let failed = tally.failed.first()?;
    let conditions = failed
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let told = [VERIFIED, SANDBOX_ENFORCED, RESOLVED_REFS, READY]
        .into_iter()
        .find_map(|type_| {
            let found = condition::find(conditions, type_);
            // That nothing confines a program elsewhere is no fault.
            found.filter(|it| it.status == "False" && &*it.reason != reason::EXTERNAL)
        });
    let message = match told {
        Some(condition) => format!(
            "on node {}: {}: {}",
            failed.spec.node_name, condition.reason, condition.message
        ),
        None => format!("on node {}", failed.spec.node_name),
    };
    Some((reason::INSTANCE_FAILED, message))
}

/// Told by whoever met a limit or broke a rule, and by nobody where nobody did.
fn within(type_: &'static str, tally: &Tally<'_>, good: &str) -> Option<Judgement> {
    let status = tally.new.iter().filter_map(|it| it.status.as_ref());
    let mut told = status.filter_map(|it| condition::find(&it.conditions, type_));
    told.next()?;
    let judged = gather(type_, tally);
    Some(match judged.status {
        // Others never did.
        Status::Unknown => Judgement::new(type_, true, reason::OK, good),
        Status::True | Status::False => judged,
    })
}

fn degraded(tally: &Tally<'_>) -> Judgement {
    let judge =
        |holds: bool, reason, message: String| Judgement::new(DEGRADED, holds, reason, message);
    match tally.failed.first() {
        Some(failed) => {
            let name = failed.metadata.name.as_deref().unwrap_or_default();
            judge(
                true,
                reason::INSTANCE_FAILED,
                format!("instance {name} on node {} failed", failed.spec.node_name),
            )
        }
        None if !tally.ready_any.is_empty() && !tally.all_ready() => {
            judge(true, reason::INSTANCES_PARTLY_READY, waiting(tally))
        }
        None => judge(false, reason::OK, "no instance failed".to_owned()),
    }
}

/// What the resources say, and where they are all there, what a node misses: a Secret is seen by nodes only.
fn resolved_refs(judged: &Judged, tally: &Tally<'_>) -> Judgement {
    let told = gather(RESOLVED_REFS, tally);
    if judged.resolved_refs.status == Status::True && told.status == Status::False {
        told
    } else {
        judged.resolved_refs.clone()
    }
}

/// What the nodes say about `type_`: what one denies, else what one does not know, else what all say.
fn gather(type_: &'static str, tally: &Tally<'_>) -> Judgement {
    let told: Vec<_> = tally
        .new
        .iter()
        .filter_map(|instance| {
            let condition = condition::find(&instance.status.as_ref()?.conditions, type_)?;
            Some((instance.spec.node_name.as_str(), condition))
        })
        .collect();
    let pick = |status: &str| {
        told.iter()
            .find(|(_, condition)| condition.status == status)
    };
    let judge = |status: Status, (node, condition): &(&str, &condition::Condition)| {
        let known = reason::ALL
            .iter()
            .find(|reason| **reason == condition.reason);
        let message = format!("on node {node}: {}", condition.message);
        Judgement::new(
            type_,
            status,
            known.copied().unwrap_or(reason::PENDING),
            message,
        )
    };
    if let Some(no) = pick("False") {
        return judge(Status::False, no);
    }
    if told.len() < tally.new.len() || told.is_empty() {
        return Judgement::new(
            type_,
            Status::Unknown,
            reason::PENDING,
            "no node has said so yet",
        );
    }
    match (pick("Unknown"), pick("True")) {
        (Some(unknown), _) => judge(Status::Unknown, unknown),
        (None, Some(yes)) => judge(Status::True, yes),
        (None, None) => Judgement::new(
            type_,
            Status::Unknown,
            reason::PENDING,
            "no node has said so yet",
        ),
    }
}

fn granted(judged: &Judged) -> Vec<String> {
    let Some(validated) = &judged.validated else {
        return Vec::new();
    };
    let allowed = validated
        .grants
        .iter()
        .filter(|grant| grant.effect == GrantEffect::Allow);
    allowed
        .take(256)
        .map(|grant| grant.capability.clone())
        .collect()
}

fn waiting(tally: &Tally<'_>) -> String {
    let mut message = format!(
        "{} of {} instances are ready",
        tally.ready_any.len(),
        tally.wanted
    );
    let pending: Vec<String> = tally
        .new
        .iter()
        .filter(|instance| !is_ready(instance))
        .take(3)
        .map(|instance| {
            let status = instance.status.as_ref();
            let said = status.and_then(|status| condition::find(&status.conditions, READY));
            let said = said.map_or("nothing heard of it yet", |condition| &*condition.message);
            format!(
                "{} on node {}: {said}",
                instance.metadata.name.as_deref().unwrap_or_default(),
                instance.spec.node_name
            )
        })
        .collect();
    if !pending.is_empty() {
        message = format!("{message}; {}", pending.join("; "));
    }
    message
}

fn count(replicas: &BTreeSet<i32>) -> i32 {
    i32::try_from(replicas.len()).unwrap_or(i32::MAX)
}
