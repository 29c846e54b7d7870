//! An instance in the kernel's terms.

use aion_abi::syscall::{self as abi, Syscall};
use aion_api::program::Lane;
use aion_api::{AgentInstance, Grant, GrantEffect};
use aion_kernel::{
    Class, Delegated, GrantRule, InstanceSpec, InstanceUid, Kind, NotAUuid, Profile, Quota,
    TargetPattern,
};

use crate::capability::Capability;
use crate::numbers::{self, TooSmall, count};
use crate::operations::Which;

/// Why an instance cannot be lowered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LowerError {
    /// It has no uid yet.
    #[error("instance {0} has no metadata.uid: it was not read from an API server or a folder")]
    NoUid(String),
    /// Its uid is not a UUID.
    #[error("instance {instance}: {source}")]
    Uid {
        /// The instance.
        instance: String,
        /// What is wrong.
        source: NotAUuid,
    },
    /// A grant names a syscall this node does not have.
    #[error(
        "instance {instance} is granted {capability}, which is not a syscall of this node: the operator is newer \
         than the node agent, bring both to one version"
    )]
    UnknownSyscall {
        /// The instance.
        instance: String,
        /// The grant.
        capability: String,
    },
    /// A number is less than the schema lets it be.
    #[error(
        "instance {instance}: {} is {}, and must be at least {}: whoever wrote it passed the schema by, apply its \
         Agent again",
        .number.field, .number.value, .number.least
    )]
    TooSmall {
        /// The instance.
        instance: String,
        /// Which number, and how small.
        number: TooSmall,
    },
}

/// The kernel's kind of each syscall, in the order of [`Syscall::ALL`]. The kernel depends on no crate of ours and has
/// a table of its own: a row that the other lacks, or that it classes otherwise, does not compile here.
const KINDS: [Kind; Syscall::ALL.len()] = {
    let mut kinds = [Kind::Null; Syscall::ALL.len()];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = same(Syscall::ALL[at]);
        at += 1;
    }
    assert!(
        Kind::ALL.len() == Syscall::ALL.len() + 1,
        "a syscall of the kernel is missing in aion-abi's table, which has all but net.connect"
    );
    kinds
};

const fn same(syscall: Syscall) -> Kind {
    let (name, mut at) = (syscall.name().as_bytes(), 0);
    while at < Kind::ALL.len() {
        let kind = Kind::ALL[at];
        if equal(kind.as_str().as_bytes(), name) {
            assert!(
                matches!(
                    (kind.class(), syscall.class()),
                    (Class::Observe, abi::Class::Observe)
                        | (Class::Cost | Class::Effect, abi::Class::Effect)
                ),
                "a syscall is of one class in aion-abi's table and of another in the kernel's"
            );
            return kind;
        }
        at += 1;
    }
    assert!(
        at < Kind::ALL.len(),
        "a syscall of aion-abi's table is missing in the kernel's"
    );
    Kind::Null
}

const fn equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The kernel's kind of `syscall`.
#[must_use]
pub const fn kind(syscall: Syscall) -> Kind {
    KINDS[syscall as usize]
}

/// `instance` as the kernel takes it.
///
/// # Errors
/// When it has no usable uid, a grant that this kernel does not know, or a number that cannot be: an instance is run
/// with what it was given or not at all.
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
    if let Some(number) = numbers::too_small(spec) {
        return Err(LowerError::TooSmall {
            instance: name,
            number,
        });
    }
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
                calls_per_minute: Some(count(spec.quotas.calls_per_minute).into()),
                concurrency: Some(count(spec.quotas.concurrent_calls)),
                tokens_per_hour: Some(spec.quotas.tokens_per_hour.unsigned_abs()),
            },
            max_turn_seconds: count(spec.limits.turn_seconds),
        },
    })
}

/// The quota that the policies of `instance`, which [`lower`] let in, set for its whole tenant on the node, where they
/// set one.
#[must_use]
pub fn tenant_quota(instance: &AgentInstance) -> Quota {
    let quotas = &instance.spec.quotas;
    Quota {
        calls_per_minute: quotas.tenant_calls_per_minute.map(|n| count(n).into()),
        concurrency: None,
        tokens_per_hour: quotas.tenant_tokens_per_hour.map(i64::unsigned_abs),
    }
}

/// A right as one turn passes it on to another; `None` for what is no right.
#[must_use]
pub fn delegated(right: &str) -> Option<Delegated> {
    let right = Capability::parse(right)?;
    Some(Delegated {
        kind: of_right(&right)?,
        target: target(&right),
    })
}

fn of_right(right: &Capability) -> Option<Kind> {
    match right.connects_to() {
        Some(_) => Some(Kind::NetConnect),
        None => right.known().map(kind),
    }
}

fn rule(grant: &Grant) -> Option<GrantRule> {
    let right = Capability::parse(&grant.capability)?;
    Some(GrantRule {
        verdict: match grant.effect {
            GrantEffect::Allow => aion_kernel::Verdict::Allow,
            GrantEffect::Ask => aion_kernel::Verdict::Ask,
            GrantEffect::Deny => aion_kernel::Verdict::Deny,
        },
        kind: of_right(&right)?,
        target: target(&right),
        origin: grant.capability.as_str().into(),
    })
}

/// A call names an operation as its server does: without quotation marks.
fn target(right: &Capability) -> TargetPattern {
    let operations = right.operations();
    let named = operations.and_then(|it| Some((it.tool?, it.which)));
    if let Some(destination) = right.connects_to() {
        let text = destination.to_string();
        return match text.strip_prefix('*') {
            Some(rest) => TargetPattern::OneLabel(rest.into()),
            None => TargetPattern::Exact(text.as_str().into()),
        };
    }
    match (named, right.target.as_deref()) {
        (Some((tool, Which::One(name))), _) => {
            TargetPattern::Exact(format!("{tool}.{name}").into())
        }
        (Some((tool, Which::Beginning(with))), _) => {
            TargetPattern::Prefix(format!("{tool}.{with}").into())
        }
        (None, Some(target)) => TargetPattern::Exact(target.into()),
        (None, None) => TargetPattern::Any,
    }
}

fn lane(lane: Lane) -> aion_kernel::Lane {
    match lane {
        Lane::Realtime => aion_kernel::Lane::Realtime,
        Lane::Interactive => aion_kernel::Lane::Interactive,
        Lane::Batch => aion_kernel::Lane::Batch,
        Lane::Background => aion_kernel::Lane::Background,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_to_a_tool_names_it_as_a_call_does() {
        for (text, pattern) in [
            ("depot.stock", TargetPattern::Exact("depot.stock".into())),
            (
                "depot.\"stock: now\"",
                TargetPattern::Exact("depot.stock: now".into()),
            ),
            ("depot.\"*\"", TargetPattern::Exact("depot.*".into())),
            ("depot.*", TargetPattern::Prefix("depot.".into())),
            (
                "depot.files.*",
                TargetPattern::Prefix("depot.files.".into()),
            ),
            ("fs.read:notes", TargetPattern::Exact("notes".into())),
            ("tool.list", TargetPattern::Any),
            (
                "net.connect:example.org:443",
                TargetPattern::Exact("example.org:443".into()),
            ),
            (
                "net.connect:*.example.org:443",
                TargetPattern::OneLabel(".example.org:443".into()),
            ),
        ] {
            let right = Capability::parse(text);
            assert_eq!(right.as_ref().map(target), Some(pattern), "{text}");
        }
    }

    #[test]
    fn a_syscall_has_one_name_and_one_kind() {
        for &syscall in Syscall::ALL {
            assert_eq!(kind(syscall).as_str(), syscall.name());
        }
        for kind in Kind::ALL {
            let known = Syscall::from_name(kind.as_str()).is_some();
            assert_eq!(known, kind != Kind::NetConnect, "{kind:?}");
        }
    }
}
