//! The instances an agent should have, fully resolved.

use aion_api::metadata::{
    FINALIZER_DRAIN, LABEL_AGENT, LABEL_MANAGED_BY, LABEL_POOL, LABEL_REPLICA, LABEL_REVISION,
};
use aion_api::program::Runtime;
use aion_api::sandbox::SandboxRules;
use aion_api::{API_VERSION, AgentInstance, AgentInstanceSpec, AgentReference, InlineProgram};
use aion_policy::Bounds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::identity;
use crate::place::{Needs, Placement};
use crate::validate::Validated;

/// What `validated` needs of a node.
///
/// # Errors
/// As [`revision`].
pub fn needs(validated: &Validated) -> Result<Needs, serde_json::Error> {
    let spec = &validated.agent.spec;
    // What runs elsewhere uses nothing of it.
    let of_node = |most| match spec.runtime {
        Runtime::External => 0,
        _ => most,
    };
    Ok(Needs {
        replicas: validated.bounds.replicas,
        runtime: spec.runtime,
        layers: validated.bounds.layers.clone(),
        violations: validated.bounds.violations.clone(),
        selector: spec.node_selector.clone(),
        volumes: validated
            .mounts
            .iter()
            .map(|mount| mount.volume.clone())
            .collect(),
        memory_mib: of_node(validated.bounds.limits.memory_mib),
        cpu_millis: of_node(validated.bounds.limits.cpu_millis),
        together: validated.memory.is_some(),
        pinned: validated.pool_node.clone(),
        revision: revision(validated)?,
    })
}

/// The revision of `validated`.
///
/// # Errors
/// When it cannot be hashed, which its types rule out.
pub fn revision(validated: &Validated) -> Result<String, serde_json::Error> {
    identity::revision(&spec(validated))
}

/// One instance for each replica that `placement` has a node for.
///
/// # Errors
/// As [`revision`].
pub fn build(
    validated: &Validated,
    placement: &Placement,
) -> Result<Vec<AgentInstance>, serde_json::Error> {
    let spec = spec(validated);
    let revision = identity::revision(&spec)?;
    let placed = (0..)
        .zip(&placement.replicas)
        .filter_map(|(replica, node)| node.as_ref().ok().map(|node| (replica, node)));
    Ok(placed
        .map(|(replica, node)| {
            let spec = AgentInstanceSpec {
                node_name: node.clone(),
                replica,
                revision: revision.clone(),
                policy_revision: Some(validated.policy_revision.clone()),
                ..spec.clone()
            };
            let mut instance = AgentInstance {
                metadata: metadata(validated, &spec),
                spec,
                status: None,
            };
            label(&mut instance);
            instance
        })
        .collect())
}

fn spec(validated: &Validated) -> AgentInstanceSpec {
    let agent = &validated.agent;
    let bounds = &validated.bounds;
    // A bundle's own instructions are in the bundle; a declarative agent without one brings them.
    let inline = InlineProgram {
        instructions: agent.spec.instructions.clone(),
        steps: agent.spec.steps.clone(),
    };
    let inline = (agent.spec.runtime == Runtime::Declarative && inline != InlineProgram::default())
        .then_some(inline);
    AgentInstanceSpec {
        agent: AgentReference {
            name: agent.metadata.name.clone().unwrap_or_default(),
            uid: agent.metadata.uid.clone().unwrap_or_default(),
        },
        tenant: agent
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default()
            .into(),
        node_name: String::new(),
        replica: 0,
        revision: String::new(),
        policy_revision: None,
        runtime: agent.spec.runtime,
        lane: agent.spec.lane,
        inline,
        bundle: agent.spec.bundle.clone(),
        signers: bounds
            .signers
            .clone()
            .filter(|_| agent.spec.bundle.is_some()),
        pull_secrets: agent.spec.pull_secrets.clone(),
        model: validated.model.clone(),
        tools: validated.tools.clone(),
        agents: validated.agents.clone(),
        memory: validated.memory.clone(),
        knowledge: agent.spec.knowledge.clone(),
        mounts: validated.mounts.clone(),
        grants: validated.grants.clone(),
        triggers: validated.triggers.clone(),
        quotas: bounds.quotas.clone(),
        limits: bounds.limits.clone(),
        sandbox: sandbox(bounds),
        on_violation: bounds.violations.clone(),
    }
}

fn sandbox(bounds: &Bounds) -> Option<SandboxRules> {
    let rules = SandboxRules {
        require: bounds.layers.clone(),
        seccomp: bounds.seccomp.clone(),
    };
    (rules != SandboxRules::default()).then_some(rules)
}

fn metadata(validated: &Validated, spec: &AgentInstanceSpec) -> ObjectMeta {
    ObjectMeta {
        name: Some(identity::instance_name(
            &spec.agent.name,
            spec.replica,
            &spec.revision,
            &spec.node_name,
        )),
        namespace: validated.agent.metadata.namespace.clone(),
        ..ObjectMeta::default()
    }
}

/// Writes down what the metadata of `instance` says beside its names, all of which follows from its spec: labels,
/// the node's finalizer, the owner.
pub fn label(instance: &mut AgentInstance) {
    let (metadata, spec) = (&mut instance.metadata, &instance.spec);
    let mut labels = vec![
        (LABEL_AGENT, spec.agent.name.clone()),
        (LABEL_REPLICA, spec.replica.to_string()),
        (LABEL_REVISION, spec.revision.chars().take(10).collect()),
        (LABEL_MANAGED_BY, "aion-operator".to_owned()),
    ];
    if let Some(memory) = &spec.memory {
        labels.push((LABEL_POOL, memory.pool.clone()));
    }
    let labels = labels.into_iter();
    metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value)).collect());
    metadata.finalizers = Some(vec![FINALIZER_DRAIN.to_owned()]);
    metadata.owner_references = Some(vec![OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Agent".to_owned(),
        name: spec.agent.name.clone(),
        uid: spec.agent.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
}
