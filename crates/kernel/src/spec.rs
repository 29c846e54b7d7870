//! What the kernel is told: instances as policy lowered them, and the node's limits.
//!
//! Everything here is fully resolved; nothing is left to choose.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    ids::InstanceUid,
    name::Name,
    syscall::{Kind, Resource},
};

/// One instance: who it is, and what it shares with others of the same agent and revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSpec {
    /// The `AgentInstance`'s uid. Keys are derived from it and the incarnation: where it comes back after it was
    /// removed, its incarnations go on behind all that were spent.
    pub uid: InstanceUid,
    /// Instances with equal profiles share one in memory.
    pub profile: Profile,
}

/// All an instance may do and use. Equal for the instances of an agent's revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Profile {
    /// Tenant: the namespace, standalone too.
    pub tenant: Name,
    /// Agent's name within the tenant.
    pub agent: Name,
    /// Revision hash of the resolved spec and its policy.
    pub revision: Name,
    /// Where its calls and turns queue.
    pub lane: Lane,
    /// Sandbox layers that must be enforced before the first instruction; names as
    /// the launcher reports them.
    pub required_layers: Vec<Name>,
    /// Rules in any order; what no rule allows is denied. Profiles with equal rules share them.
    pub grants: Arc<Vec<GrantRule>>,
    /// The agent's own quota, shared by its instances on this node.
    pub quota: Quota,
    /// Longest turn, in seconds, from the worker's start; at least 1.
    pub max_turn_seconds: u32,
}

/// Scheduling lane, most urgent first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Devices and control loops.
    Realtime,
    /// A person waits.
    #[default]
    Interactive,
    /// Somebody will look later.
    Batch,
    /// Housekeeping.
    Background,
}

/// What a matching rule says. Where several match: deny before ask before allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// May.
    Allow,
    /// May when a person approves: the call waits for a word.
    Ask,
    /// May not.
    Deny,
}

/// One rule: a verdict on one syscall and the targets that match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrantRule {
    /// What it says.
    pub verdict: Verdict,
    /// On which syscall.
    pub kind: Kind,
    /// On which targets.
    pub target: TargetPattern,
    /// Where the rule stands, for people: shown in a denial, kept in the journal.
    pub origin: Name,
}

/// Targets that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetPattern {
    /// Any target, and calls without one.
    Any,
    /// This target only.
    Exact(Name),
    /// Targets that begin so.
    Prefix(Name),
    /// Targets that are one label of a name, without a dot, and then this: `.example.org:443`.
    OneLabel(Name),
}

impl TargetPattern {
    /// Whether `target` is one label, without a dot, and then `rest`.
    pub(crate) fn is_one_label(rest: &Name, target: &Name) -> bool {
        let label = target.as_str().strip_suffix(rest.as_str());
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }

    /// Whether `target` is one of these.
    pub(crate) fn matches(&self, target: Option<&Name>) -> bool {
        match (self, target) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Exact(name), Some(target)) => name == target,
            (Self::Prefix(prefix), Some(target)) => target.as_str().starts_with(prefix.as_str()),
            (Self::OneLabel(rest), Some(target)) => Self::is_one_label(rest, target),
        }
    }

    /// `*` is any, `calendar.*` a prefix, everything else exact.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some("") => Self::Any,
            Some(prefix) => Self::Prefix(prefix.into()),
            None => Self::Exact(text.into()),
        }
    }
}

/// Bounds at one level of the ledger; `None` means unbounded at this level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quota {
    /// Calls in any 60 seconds.
    pub calls_per_minute: Option<u64>,
    /// Calls at the same time, waiting ones included.
    pub concurrency: Option<u32>,
    /// Model tokens in any 60 minutes.
    pub tokens_per_hour: Option<u64>,
}

/// The node's bounds, from its configuration. Not durable: the shell gives them at
/// each start and when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Workers at the same time.
    pub worker_slots: u32,
    /// Turns waiting, per instance.
    pub turns_per_instance: u32,
    /// Turns waiting, per tenant.
    pub turns_per_tenant: u32,
    /// Calls waiting for one resource, per tenant.
    pub queue_per_tenant: u32,
    /// Calls waiting for one resource.
    pub queue_per_resource: u32,
    /// Calls at the same time on one resource, where `resources` names none.
    pub resource_default: u32,
    /// Calls at the same time on this resource.
    pub resources: BTreeMap<Resource, u32>,
    /// Quota of all tenants together on this node.
    pub cluster: Quota,
    /// Quota of a tenant that `tenants` does not name.
    pub tenant_default: Quota,
    /// Quotas by tenant.
    pub tenants: BTreeMap<Name, Quota>,
    /// A worker that is not ready by then is killed, in milliseconds.
    pub start_timeout_ms: u64,
    /// How long a driver may take to stop when told, in milliseconds; after that
    /// its call ends without it.
    pub cancel_grace_ms: u64,
    /// How long a killed worker's end is waited for, in milliseconds.
    pub kill_grace_ms: u64,
    /// Waiting longer than this, in milliseconds, goes before its tenant's younger work.
    pub aging_ms: u64,
    /// How long a person's word is waited for, in milliseconds of the wall clock.
    pub approval_ms: u64,
    /// Calls of one agent that wait for a word.
    pub approvals_per_agent: u32,
    /// Calls of one tenant's agents that wait for a word.
    pub approvals_per_tenant: u32,
    /// Calls of all agents that wait for a word.
    pub approvals: u32,
    /// API keys with a budget whose tokens of the last hour are counted.
    pub payers: u32,
    /// Beside them, for those that are listed.
    pub listed_payers: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            worker_slots: 16,
            turns_per_instance: 16,
            turns_per_tenant: 1_024,
            queue_per_tenant: 256,
            queue_per_resource: 4_096,
            resource_default: 32,
            resources: BTreeMap::new(),
            cluster: Quota::default(),
            tenant_default: Quota::default(),
            tenants: BTreeMap::new(),
            start_timeout_ms: 30_000,
            cancel_grace_ms: 5_000,
            kill_grace_ms: 10_000,
            aging_ms: 10_000,
            approval_ms: 24 * 3_600_000,
            approvals_per_agent: 8,
            approvals_per_tenant: 32,
            approvals: 64,
            payers: 10_000,
            listed_payers: 1_000,
        }
    }
}
