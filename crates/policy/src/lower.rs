//! An instance in the kernel's terms.

use aion_api::program::Lane;
use aion_api::{AgentInstance, Grant, GrantEffect};
use aion_kernel::{
    GrantRule, InstanceSpec, InstanceUid, Kind, NotAUuid, Profile, Quota, TargetPattern,
};

use crate::capability::Capability;

/// Why an instance cannot be lowered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LowerError {
    /// It has no uid yet.
    #[error("instance {0} has no metadata.uid: it was not read from an API server or a folder")]
    NoUid(String),
    /// Its uid is no UUID.
    #[error("instance {instance}: {source}")]
    Uid {
        /// The instance.
        instance: String,
        /// What is wrong.
        source: NotAUuid,
    },
    /// A grant names a syscall this node does not have.
    #[error(
        "instance {instance} is granted {capability}, which is no syscall of this node: the operator is newer \
         than the node agent, bring both to one version"
    )]
    UnknownSyscall {
        /// The instance.
        instance: String,
        /// The grant.
        capability: String,
    },
}

/// `instance` as the kernel takes it.
///
/// # Errors
/// When it has no usable uid, or a grant that this kernel does not know: an instance is run with the
/// rights it was given or not at all.
pub fn lower(instance: &AgentInstance) -> Result<InstanceSpec, LowerError> {
    let name = instance.metadata.name.clone().unwrap_or_default();
    let uid = instance
        .metadata
        .uid
        .as_deref()
        .ok_or_else(|| LowerError::NoUid(name.clone()))?;
    let uid: InstanceUid = uid.parse().map_err(|source| LowerError::Uid {
        instance: name.clone(),
        source,
    })?;
    let spec = &instance.spec;
    let mut grants = Vec::with_capacity(spec.grants.len());
    for grant in &spec.grants {
        grants.push(rule(grant).ok_or_else(|| LowerError::UnknownSyscall {
            instance: name.clone(),
            capability: grant.capability.clone(),
        })?);
    }
    let layers = spec
        .sandbox
        .iter()
        .flat_map(|rules| rules.require.iter().map(|layer| layer.as_str().into()));
    Ok(InstanceSpec {
        uid,
        profile: Profile {
            tenant: spec.tenant.as_str().into(),
            agent: spec.agent.name.as_str().into(),
            revision: spec.revision.as_str().into(),
            lane: lane(spec.lane),
            required_layers: layers.collect(),
            grants: grants.into(),
            quota: Quota {
                calls_per_minute: Some(unsigned(spec.quotas.calls_per_minute.into())),
                concurrency: Some(u32::try_from(spec.quotas.concurrent_calls).unwrap_or(1)),
                tokens_per_hour: Some(unsigned(spec.quotas.tokens_per_hour)),
            },
            max_turn_seconds: u32::try_from(spec.limits.turn_seconds).unwrap_or(1).max(1),
        },
    })
}

/// The quota that `instance`'s policies set for its whole tenant on the node, where they set one.
#[must_use]
pub fn tenant_quota(instance: &AgentInstance) -> Quota {
    let quotas = &instance.spec.quotas;
    Quota {
        calls_per_minute: quotas.tenant_calls_per_minute.map(|n| unsigned(n.into())),
        concurrency: None,
        tokens_per_hour: quotas.tenant_tokens_per_hour.map(unsigned),
    }
}

fn rule(grant: &Grant) -> Option<GrantRule> {
    let right = Capability::parse(&grant.capability)?;
    Some(GrantRule {
        verdict: match grant.effect {
            GrantEffect::Allow => aion_kernel::Verdict::Allow,
            GrantEffect::Ask => aion_kernel::Verdict::Ask,
        },
        kind: Kind::parse(&right.syscall)?,
        target: right
            .target
            .as_deref()
            .map_or(TargetPattern::Any, |target| {
                TargetPattern::Exact(target.into())
            }),
        origin: grant.capability.as_str().into(),
    })
}

fn lane(lane: Lane) -> aion_kernel::Lane {
    match lane {
        Lane::Realtime => aion_kernel::Lane::Realtime,
        Lane::Interactive => aion_kernel::Lane::Interactive,
        Lane::Batch => aion_kernel::Lane::Batch,
        Lane::Background => aion_kernel::Lane::Background,
    }
}

/// A bound below zero, which the schema rules out, lets nothing through.
fn unsigned(bound: i64) -> u64 {
    u64::try_from(bound).unwrap_or(0)
}
