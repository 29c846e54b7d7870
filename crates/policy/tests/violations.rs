//! What is done about violations: of several policies the strictest, and on a node what its kernel can do.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use aion_abi::kernel_event::{Hook, OnViolation};
use aion_api::{AgentPolicy, ClusterAgentPolicy, ResolvedViolations, WithoutHooks};
use aion_policy::{Applied, in_force, violations};
use serde_json::{Value, json};

fn applied(cluster: &[Value], namespaced: &[Value]) -> Applied {
    fn of<T: serde::de::DeserializeOwned>(kind: &str, rules: &[Value]) -> Vec<T> {
        let each = rules.iter().enumerate().map(|(at, rules)| {
            serde_json::from_value(json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": format!("p{at}")},
                "spec": {"onViolation": rules},
            }))
            .unwrap()
        });
        each.collect()
    }
    Applied::select(
        &of::<ClusterAgentPolicy>("ClusterAgentPolicy", cluster),
        &of::<AgentPolicy>("AgentPolicy", namespaced),
        &BTreeMap::new(),
        &BTreeMap::new(),
    )
}

fn resolved(cluster: &[Value], namespaced: &[Value]) -> ResolvedViolations {
    violations(&applied(cluster, namespaced)).unwrap()
}

#[test]
fn where_no_policy_speaks_there_is_no_rule() {
    assert_eq!(violations(&Applied::default()), None);
    assert_eq!(violations(&applied(&[Value::Null], &[Value::Null])), None);
}

#[test]
fn of_several_policies_the_strictest_holds_and_is_named() {
    let rules = resolved(
        &[
            json!({"exec": "deny", "open": "alert"}),
            json!({"exec": "alert"}),
        ],
        &[
            json!({"exec": "kill", "connect": "alert"}),
            json!({"open": "deny"}),
        ],
    );
    let told = |rule: &Option<aion_api::ResolvedViolation>| {
        let rule = rule.clone().unwrap();
        (rule.action, rule.policy)
    };
    assert_eq!(
        told(&rules.exec),
        (OnViolation::Kill, "AgentPolicy/p0".into())
    );
    assert_eq!(
        told(&rules.connect),
        (OnViolation::Alert, "AgentPolicy/p0".into())
    );
    assert_eq!(
        told(&rules.open),
        (OnViolation::Deny, "AgentPolicy/p1".into())
    );
    // A namespace does not soften what the cluster says.
    let rules = resolved(&[json!({"exec": "kill"})], &[json!({"exec": "alert"})]);
    assert_eq!(
        told(&rules.exec),
        (OnViolation::Kill, "ClusterAgentPolicy/p0".into())
    );
}

#[test]
fn a_program_is_let_through_where_each_that_speaks_of_exec_lets_it() {
    let (git, sh) = ("/usr/bin/git", "/bin/sh");
    let rules = resolved(
        &[
            json!({"exec": "kill", "programs": [git, sh]}),
            json!({"open": "alert"}),
        ],
        &[json!({"exec": "alert", "programs": [git]})],
    );
    assert_eq!(rules.programs, [git]);
    let rules = resolved(
        &[json!({"exec": "kill", "programs": [git]})],
        &[json!({"exec": "alert"})],
    );
    assert!(rules.programs.is_empty());
}

#[test]
fn nothing_is_killed_instead_unless_each_that_denies_says_so() {
    let kill = json!({"exec": "deny", "withoutHooks": "kill"});
    let without = |policies: &[Value]| resolved(policies, &[]).exec.unwrap().without_hooks;
    assert_eq!(
        without(&[kill.clone(), json!({"exec": "alert"})]),
        WithoutHooks::Kill
    );
    assert_eq!(
        without(&[kill, json!({"exec": "deny"})]),
        WithoutHooks::Refuse
    );
}

#[test]
fn a_rule_that_a_node_cannot_hold_is_never_passed_over() {
    let of = |rules: Value, hooks: &[Hook]| {
        in_force(&resolved(&[rules], &[]), |hook| hooks.contains(&hook))
    };
    let both = [Hook::Tracepoints, Hook::Lsm];
    let all = of(
        json!({"exec": "kill", "connect": "deny", "open": "alert"}),
        &both,
    );
    assert_eq!(all.exec, Some(OnViolation::Kill));
    assert_eq!(all.connect, Some(OnViolation::Deny));
    assert_eq!(all.open, Some(OnViolation::Alert));
    assert!(all.refused.is_empty() && all.notes.is_empty(), "{all:?}");

    let no_hooks = of(json!({"exec": "deny"}), &both[..1]);
    assert_eq!(
        (no_hooks.exec, no_hooks.refused.len()),
        (None, 1),
        "{no_hooks:?}"
    );
    let instead = of(json!({"exec": "deny", "withoutHooks": "kill"}), &both[..1]);
    assert_eq!(instead.exec, Some(OnViolation::Kill));
    assert_eq!(
        (instead.refused.len(), instead.notes.len()),
        (0, 1),
        "{instead:?}"
    );

    for action in ["kill", "deny"] {
        let nothing = of(json!({"open": action, "exec": "alert"}), &[]);
        assert_eq!((nothing.open, nothing.exec), (None, None));
        assert_eq!(
            (nothing.refused.len(), nothing.notes.len()),
            (1, 1),
            "{nothing:?}"
        );
    }
}

#[test]
fn a_kill_that_a_program_can_hide_from_is_noted_and_none_where_hooks_see_all() {
    let both = [Hook::Tracepoints, Hook::Lsm];
    let of = |rules: Value, hooks: &[Hook]| {
        in_force(&resolved(&[rules], &[]), |hook| hooks.contains(&hook))
    };
    for kind in ["open", "connect"] {
        for rule in [
            json!({kind: "kill"}),
            json!({kind: "deny", "withoutHooks": "kill"}),
        ] {
            let seen = of(rule.clone(), &both);
            assert!(seen.notes.is_empty(), "{seen:?}");
            let hidden = of(rule, &both[..1]);
            assert!(hidden.refused.is_empty(), "{hidden:?}");
            assert!(hidden.notes[0].contains("hides it"), "{hidden:?}");
        }
    }
    let exec = of(json!({"exec": "kill"}), &both[..1]);
    assert!(exec.notes.is_empty(), "{exec:?}");
}
