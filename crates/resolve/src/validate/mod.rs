//! Whether an agent can be resolved, and what it becomes: rights, references, trust.
//!
//! Every finding ends in a judgement that becomes a condition. What breaks no rule but has no effect in
//! this release is judged too: nothing is passed over in silence.

mod models;
mod network;
mod refs;
mod rights;
mod triggers;

use aion_api::condition::{self, Judgement, reason};
use aion_api::program::Runtime;
use aion_api::{
    Agent, Grant, ResolvedAgent, ResolvedMemory, ResolvedModel, ResolvedMount, ResolvedTool,
    Trigger,
};
use aion_policy::{Bounds, Decided, quotas};

use crate::dereference::Dereferenced;
use crate::identity;
use crate::problem::{self, Problem};
use crate::steps;

/// What was found out about an agent.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whether the specification makes sense and is granted what it cannot do without.
    pub accepted: Judgement,
    /// Whether everything it refers to is there.
    pub resolved_refs: Judgement,
    /// Whether it is trusted, as far as that is known before its bundle is fetched.
    pub verified: Option<Judgement>,
    /// Whether every field has an effect in this release.
    pub fields_in_effect: Judgement,
    /// What became of each thing it asks for.
    pub decided: Vec<Decided>,
    /// All problems, for the person who wrote it.
    pub problems: Vec<Problem>,
    /// What it becomes; `None` where it cannot be resolved.
    pub validated: Option<Validated>,
    /// Whether what runs of it must stop, since it is no longer allowed to.
    pub must_stop: bool,
}

/// An agent with its references resolved and its rights decided.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The agent.
    pub agent: Agent,
    /// The models it may ask.
    pub model: Option<ResolvedModel>,
    /// The tools it is offered.
    pub tools: Vec<ResolvedTool>,
    /// The agents that it asks as tools.
    pub agents: Vec<ResolvedAgent>,
    /// The memory it uses.
    pub memory: Option<ResolvedMemory>,
    /// The node that holds that memory, where one does already.
    pub pool_node: Option<String>,
    /// The mounts it may open.
    pub mounts: Vec<ResolvedMount>,
    /// What starts turns of it.
    pub triggers: Vec<Trigger>,
    /// Its rights.
    pub grants: Vec<Grant>,
    /// What it may use.
    pub bounds: Bounds,
    /// The hash of the policies that were applied.
    pub policy_revision: String,
}

/// Problems, apart by the condition they belong to.
#[derive(Default)]
struct Findings {
    /// The agent breaks a rule.
    invalid: Vec<Problem>,
    /// It is not granted what it cannot do without.
    not_granted: Vec<Problem>,
    /// Something it refers to is not there, with the reason.
    unresolved: Vec<(&'static str, Problem)>,
    /// It can do without, but should know.
    notes: Vec<Problem>,
}

/// Judges an agent.
#[must_use]
pub fn validate(input: &Dereferenced) -> Judged {
    if !input.unreadable.is_empty() {
        return held(input);
    }
    let mut findings = Findings::default();
    rights::check_names(&input.agent, &mut findings);
    network::check(&input.agent, &mut findings);
    findings.invalid.extend(steps::check(&input.agent.spec));
    let models = models::resolve(input, &mut findings);
    let wanted: Vec<_> = models.iter().map(|it| it.named.clone()).collect();
    let decided = aion_policy::decide(
        &aion_policy::requests(&input.agent.spec, &wanted),
        &input.policies,
    );
    let bounds = quotas(&input.agent.spec, &input.policies, &input.profiles);
    for refused in &bounds.refused {
        let told = (refused.why.clone(), refused.remedy.clone());
        findings.invalid.push(Problem::new(refused.field, told));
    }

    let rights = rights::weigh(input, &decided, &bounds, &mut findings);
    let model = models::granted(models, &decided);
    let tools = refs::tools(input, &mut findings);
    let agents = refs::agents(input, &mut findings);
    let memory = refs::memory(input, &mut findings);
    let triggers = triggers::resolve(&input.agent, &rights.grants, &mut findings);
    refs::mounts_are_mapped(input, &rights.mounts, &mut findings);
    let verified = trust(input, &bounds);
    let policy_revision = identity::hash(&(
        input
            .policies
            .cluster
            .iter()
            .map(|p| &p.spec)
            .collect::<Vec<_>>(),
        input
            .policies
            .namespaced
            .iter()
            .map(|p| &p.spec)
            .collect::<Vec<_>>(),
    ))
    .unwrap_or_default();

    let untrusted = verified
        .as_ref()
        .is_some_and(|judged| judged.status == condition::Status::False);
    let must_stop = !findings.not_granted.is_empty() || untrusted;
    let accepted = accepted(&findings);
    let resolved_refs = resolved_refs(&findings);
    let whole = findings.invalid.is_empty() && findings.unresolved.is_empty() && !must_stop;
    let validated = whole.then(|| Validated {
        agent: input.agent.clone(),
        model,
        tools,
        agents,
        memory,
        pool_node: input
            .pool
            .as_ref()
            .and_then(|pool| pool.status.as_ref()?.node_name.clone()),
        mounts: rights.mounts,
        triggers,
        grants: rights.grants,
        bounds,
        policy_revision,
    });
    let mut problems = findings.invalid;
    problems.append(&mut findings.not_granted);
    problems.extend(findings.unresolved.into_iter().map(|(_, problem)| problem));
    if let Some(judged) = verified.as_ref().filter(|_| untrusted) {
        problems.push(Problem::new("spec", judged.message.clone()));
    }
    Judged {
        accepted,
        resolved_refs,
        verified,
        fields_in_effect: fields_in_effect(input),
        decided,
        problems,
        validated,
        must_stop,
    }
}

/// Neither granted nor refused: what cannot be read might say either. What runs goes on.
fn held(input: &Dereferenced) -> Judged {
    let why = format!(
        "nothing is changed before it can be read: {}",
        problem::list(&input.unreadable)
    );
    Judged {
        accepted: Judgement::new(
            condition::ACCEPTED,
            condition::Status::Unknown,
            reason::UNREADABLE,
            why.clone(),
        ),
        resolved_refs: Judgement::new(condition::RESOLVED_REFS, false, reason::UNREADABLE, why),
        verified: None,
        fields_in_effect: fields_in_effect(input),
        decided: Vec::new(),
        problems: input.unreadable.clone(),
        validated: None,
        must_stop: false,
    }
}

fn accepted(findings: &Findings) -> Judgement {
    let judge = |holds: bool, reason, message: String| {
        Judgement::new(condition::ACCEPTED, holds, reason, message)
    };
    if !findings.invalid.is_empty() {
        judge(false, reason::INVALID, problem::list(&findings.invalid))
    } else if !findings.not_granted.is_empty() {
        judge(
            false,
            reason::NOT_GRANTED,
            problem::list(&findings.not_granted),
        )
    } else if !findings.notes.is_empty() {
        judge(true, reason::PARTLY_GRANTED, problem::list(&findings.notes))
    } else {
        judge(
            true,
            reason::ACCEPTED,
            "everything it asks for is granted".to_owned(),
        )
    }
}

fn resolved_refs(findings: &Findings) -> Judgement {
    match findings.unresolved.first() {
        None => Judgement::new(
            condition::RESOLVED_REFS,
            true,
            reason::RESOLVED,
            "everything it refers to is there",
        ),
        Some((reason, _)) => {
            let problems: Vec<Problem> = findings
                .unresolved
                .iter()
                .map(|(_, problem)| problem.clone())
                .collect();
            Judgement::new(
                condition::RESOLVED_REFS,
                false,
                reason,
                problem::list(&problems),
            )
        }
    }
}

/// What is known of trust before the bundle is fetched; `None`: the node finds out.
fn trust(input: &Dereferenced, bounds: &Bounds) -> Option<Judgement> {
    let judge = |holds: bool, reason, message: String| {
        Some(Judgement::new(condition::VERIFIED, holds, reason, message))
    };
    let trust = &input.trust;
    if trust.policies.is_empty() {
        let message =
            "no TrustPolicy speaks for this namespace, so nothing is trusted: apply one".to_owned();
        return judge(false, reason::NO_TRUST_POLICY, message);
    }
    let names = trust.policies.join(", ");
    match &input.agent.spec.bundle {
        None if input.agent.spec.runtime == Runtime::External => match trust.external {
            true => judge(
                true,
                reason::EXTERNAL,
                format!(
                    "its program runs elsewhere and is not verified, which TrustPolicy {names} allows"
                ),
            ),
            false => judge(
                false,
                reason::EXTERNAL_NOT_ALLOWED,
                format!(
                    "its program runs elsewhere, where nobody verifies it: say external: allow in TrustPolicy {names}, or use a signed bundle"
                ),
            ),
        },
        None if trust.inline => judge(
            true,
            reason::INLINE,
            format!("written in the Agent itself, which TrustPolicy {names} allows"),
        ),
        None => judge(
            false,
            reason::INLINE_NOT_ALLOWED,
            format!(
                "written in the Agent itself and signed by nobody: say inline: allow in TrustPolicy {names}, or use a signed bundle"
            ),
        ),
        Some(bundle) if !trust.knows_signer(bundle, bounds.signers.as_deref()) => judge(
            false,
            reason::UNTRUSTED_KEY,
            format!(
                "no key and no identity of TrustPolicy {names} may vouch for bundle {} with digest {}: add who signed it, or its digest to the machine's key",
                bundle.name, bundle.digest
            ),
        ),
        Some(_) => None,
    }
}

fn fields_in_effect(input: &Dereferenced) -> Judgement {
    let mut idle = Vec::new();
    idle.extend(network::idle(&input.agent));
    if idle.is_empty() {
        Judgement::new(
            condition::FIELDS_IN_EFFECT,
            true,
            reason::OK,
            "every field has an effect",
        )
    } else {
        let message = format!(
            "kept, but without effect in this release: {}",
            idle.join("; ")
        );
        Judgement::new(
            condition::FIELDS_IN_EFFECT,
            false,
            reason::NOT_YET_RUN,
            message,
        )
    }
}
