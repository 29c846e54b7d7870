//! Named profiles: what an agent has by one, what policies make of it, and who is refused.

#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use aion_api::{AgentPolicy, AgentSpec, ClusterAgentPolicy};
use aion_policy::{Applied, Bounds, quotas};
use aion_profiles::Profiles;
use serde_json::{Value, json};

/// The bounds of an agent with these limits, under policies with these specs.
fn bounds(limits: Value, cluster: &[Value]) -> Bounds {
    let agent: AgentSpec = serde_json::from_value(json!({
        "runtime": "process", "limits": limits,
        "bundle": {"name": "a", "digest": format!("sha256:{}", "0".repeat(64))},
    }))
    .unwrap();
    let cluster = cluster.iter().map(|spec| {
        let policy = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy",
                            "metadata": {"name": "c"}, "spec": spec});
        serde_json::from_value::<ClusterAgentPolicy>(policy).unwrap()
    });
    let cluster: Vec<_> = cluster.collect();
    let none: [AgentPolicy; 0] = [];
    let applied = Applied::select(&cluster, &none, &BTreeMap::new(), &BTreeMap::new());
    quotas(&agent, &applied, &Profiles::built_in())
}

#[test]
fn a_profile_says_what_the_agent_does_not() {
    let all = bounds(json!({"profile": "small", "cpuMillis": 300}), &[]);
    assert_eq!((all.limits.memory_mib, all.limits.cpu_millis), (128, 300));
    assert_eq!(
        (all.limits.pids, all.limits.cpu_weight),
        (Some(32), Some(50))
    );
    // 85 % of 128 MiB.
    assert_eq!(all.limits.memory_high_mib, Some(108));
    assert_eq!(all.limits.profile.as_deref(), Some("small"));
    let quiet = bounds(json!({"profile": "quiet"}), &[]).limits;
    assert_eq!(
        (quiet.io_read_kib, quiet.io_write_kib),
        (Some(50 << 10), Some(20 << 10))
    );
    assert_eq!(quiet.memory_mib, aion_api::defaults::MEMORY_MIB);
}

#[test]
fn policy_bounds_what_a_profile_says_and_processes_too() {
    let policy = json!({"quotas": {"memoryMiB": 100, "pids": 9}});
    let all = bounds(json!({"profile": "large"}), std::slice::from_ref(&policy));
    assert_eq!((all.limits.memory_mib, all.limits.pids), (100, Some(9)));
    assert_eq!(all.limits.memory_high_mib, Some(90));
    assert_eq!(bounds(json!({"pids": 500}), &[policy]).limits.pids, Some(9));
}

#[test]
fn what_policy_lists_is_allowed_and_the_first_of_it_is_had_unasked() {
    let list = |names: Value| json!({"quotas": {"profiles": names}});
    let policies = [
        list(json!(["large", "small", "quiet"])),
        list(json!(["quiet", "small"])),
    ];
    assert_eq!(
        bounds(json!({}), &policies).limits.profile.as_deref(),
        Some("small")
    );
    let quiet = bounds(json!({"profile": "quiet"}), &policies);
    assert_eq!(
        (quiet.limits.profile.as_deref(), quiet.refused.len()),
        (Some("quiet"), 0)
    );
    let refused = &bounds(json!({"profile": "large"}), &policies).refused[0];
    assert_eq!(refused.field, "spec.limits.profile");
    assert!(
        refused.remedy.contains("small, quiet"),
        "{}",
        refused.remedy
    );
    let apart = [list(json!(["large"])), list(json!(["small"]))];
    assert_eq!(bounds(json!({}), &apart).refused.len(), 1);
}

#[test]
fn a_name_that_there_is_not_is_refused_with_those_there_are() {
    let refused = bounds(json!({"profile": "huge"}), &[]).refused;
    assert!(
        refused[0]
            .why
            .contains("large, quiet, sealed, small, standard"),
        "{}",
        refused[0].why
    );
    let policy = json!({"sandbox": {"seccomp": ["no-such"]}});
    let refused = bounds(json!({}), &[policy]).refused;
    assert_eq!(refused[0].field, "spec.sandbox.seccomp");
    assert!(
        refused[0].why.contains("no-processes, no-threads"),
        "{}",
        refused[0].why
    );
}

#[test]
fn variants_of_agent_profile_and_policy_hold_together() {
    let policy = json!({"sandbox": {"seccomp": ["no-threads"]}});
    let all = bounds(json!({"profile": "sealed"}), &[policy]);
    assert_eq!(all.seccomp, ["no-processes", "no-threads"]);
}
