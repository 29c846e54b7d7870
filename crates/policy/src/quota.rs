//! Bounds: the agent's own, lowered by every policy that speaks.

use aion_api::program::Runtime;
use aion_api::sandbox::{Layer, SandboxRules};
use aion_api::{AgentSpec, InstanceLimits, PolicyQuotas, Quotas, ResolvedViolations, defaults};

use aion_profiles::{Bytes, Profiles};

use crate::decide::Applied;
use crate::profile::{self, Refused};
use crate::violation::violations;

/// What an agent's instances may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Rates.
    pub quotas: Quotas,
    /// Bounds of a running instance.
    pub limits: InstanceLimits,
    /// Instances there may be, of those the agent wants.
    pub replicas: i32,
    /// Layers that are required, each once, in the order of reports.
    pub layers: Vec<Layer>,
    /// Variants of the system call filter, each once.
    pub seccomp: Vec<String>,
    /// Why the agent cannot have the profile or a variant that somebody names.
    pub refused: Vec<Refused>,
    /// Keys that a bundle must be signed with one of; `None`: any that is trusted.
    pub signers: Option<Vec<String>>,
    /// What is done about violations.
    pub violations: Option<ResolvedViolations>,
}

/// The smallest of what `agent` says (or the defaults) and what `policies` say; layers of all together;
/// signers that stand in every list.
#[must_use]
pub fn quotas(agent: &AgentSpec, policies: &Applied, profiles: &Profiles) -> Bounds {
    let own = agent.limits.clone().unwrap_or_default();
    let all: Vec<&PolicyQuotas> = policies
        .cluster
        .iter()
        .filter_map(|p| p.spec.quotas.as_ref())
        .chain(
            policies
                .namespaced
                .iter()
                .filter_map(|p| p.spec.quotas.as_ref()),
        )
        .collect();
    let least32 = |own: i32, of: fn(&PolicyQuotas) -> Option<i32>| {
        all.iter().filter_map(|q| of(q)).fold(own, i32::min)
    };
    let least64 = |own: i64, of: fn(&PolicyQuotas) -> Option<i64>| {
        all.iter().filter_map(|q| of(q)).fold(own, i64::min)
    };
    let chosen = profile::choose(own.profile.as_deref(), &all, profiles);
    let profile = &chosen.says;
    let mib = |it: Bytes| whole(it.0 >> 20);
    let memory = own.memory_mib.or(profile.memory.map(mib));
    let memory_mib = least32(memory.unwrap_or(defaults::MEMORY_MIB), |q| q.memory_mib);
    let high = profile
        .memory_high
        .map(|part| part.of(u64::from(memory_mib.unsigned_abs())));
    let cpu = own.cpu_millis.or(profile.cpu.map(|it| whole(it.0.into())));
    let pids = own.pids.or(profile.pids.map(|it| whole(it.0.into())));
    let kib = |it: Bytes| whole(it.0 >> 10);
    let of_process = agent.runtime == Runtime::Process;
    let mut variants = rules(agent, policies).1;
    variants.extend(profile.seccomp.iter().cloned());
    variants.sort_unstable();
    variants.dedup();
    let mut refused: Vec<Refused> = chosen.refused.into_iter().collect();
    refused.extend(profile::variants_that_are_not(&variants));
    Bounds {
        quotas: Quotas {
            tokens_per_hour: least64(
                own.tokens_per_hour.unwrap_or(defaults::TOKENS_PER_HOUR),
                |q| q.tokens_per_hour,
            ),
            calls_per_minute: least32(
                own.calls_per_minute.unwrap_or(defaults::CALLS_PER_MINUTE),
                |q| q.calls_per_minute,
            ),
            concurrent_calls: least32(
                own.concurrent_calls.unwrap_or(defaults::CONCURRENT_CALLS),
                |q| q.concurrent_calls,
            ),
            tenant_tokens_per_hour: all.iter().filter_map(|q| q.tenant_tokens_per_hour).min(),
            tenant_calls_per_minute: all.iter().filter_map(|q| q.tenant_calls_per_minute).min(),
        },
        limits: InstanceLimits {
            max_steps: own.max_steps.unwrap_or(defaults::MAX_STEPS),
            max_tokens: own.max_tokens,
            turn_seconds: least32(own.turn_seconds.unwrap_or(defaults::TURN_SECONDS), |q| {
                q.turn_seconds
            }),
            memory_mib,
            cpu_millis: least32(cpu.unwrap_or(defaults::CPU_MILLIS), |q| q.cpu_millis),
            profile: chosen.name,
            memory_high_mib: high.map(whole),
            cpu_weight: profile.cpu_weight.map(|it| whole(it.0.into())),
            io_weight: profile.io.weight.map(|it| whole(it.0.into())),
            io_read_kib: profile.io.read.map(kib),
            io_write_kib: profile.io.write.map(kib),
            output_mib: least32(own.output_mib.unwrap_or(defaults::OUTPUT_MIB), |q| {
                q.output_mib
            }),
            tmp_mib: of_process.then(|| tmp_mib(own.tmp_mib, memory_mib)),
            pids: of_process.then(|| least32(pids.unwrap_or(defaults::PIDS), |q| q.pids)),
            without_model: agent.without_model.unwrap_or_default(),
        },
        replicas: least32(agent.replicas.unwrap_or(defaults::REPLICAS), |q| q.replicas),
        layers: rules(agent, policies).0,
        seccomp: variants,
        refused,
        signers: signers(policies),
        violations: violations(policies),
    }
}

/// What of its memory an agent's `/tmp` may be. Policies bound memory, and may leave less than was asked for here:
/// one that can be filled must not end the agent.
fn tmp_mib(own: Option<i32>, memory_mib: i32) -> i32 {
    let half = (memory_mib / 2).max(1);
    match own {
        Some(own) if own < memory_mib => own,
        Some(_) => half,
        None => half.min(defaults::TMP_MIB),
    }
}

/// As a number of a resource, which is at least one.
fn whole(number: u64) -> i32 {
    i32::try_from(number.max(1)).unwrap_or(i32::MAX)
}

/// The layers that are required and the variants of the system call filter, of agent and policies together.
fn rules(agent: &AgentSpec, policies: &Applied) -> (Vec<Layer>, Vec<String>) {
    let wanted: Vec<&SandboxRules> = agent
        .sandbox
        .iter()
        .chain(
            policies
                .cluster
                .iter()
                .filter_map(|p| p.spec.sandbox.as_ref()),
        )
        .chain(
            policies
                .namespaced
                .iter()
                .filter_map(|p| p.spec.sandbox.as_ref()),
        )
        .collect();
    let required = |layer: &Layer| wanted.iter().any(|rules| rules.require.contains(layer));
    let layers = Layer::ALL.into_iter().filter(required).collect();
    let variants = wanted.iter().flat_map(|rules| rules.seccomp.clone());
    (layers, variants.collect())
}

fn signers(policies: &Applied) -> Option<Vec<String>> {
    policies
        .cluster
        .iter()
        .filter_map(|p| p.spec.signers.clone())
        .chain(
            policies
                .namespaced
                .iter()
                .filter_map(|p| p.spec.signers.clone()),
        )
        .reduce(|mut kept, next| {
            kept.retain(|name| next.contains(name));
            kept
        })
}
