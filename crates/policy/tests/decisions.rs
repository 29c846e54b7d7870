//! What an agent gets of what it asks for: one table of agents, policies and outcomes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use aion_api::{
    AgentPolicy, AgentSpec, ClusterAgentPolicy, FileMode, GrantEffect, ModelPurpose, ModelUse,
};
use aion_policy::{Applied, Bounds, NamedModel, Verdict, Wanted, decide, requests};
use serde_json::{Value, json};

/// `agent` under `cluster` and `namespaced` gets exactly `expect`: one line a right beyond those that
/// every agent has.
fn check(agent: Value, cluster: &[Value], namespaced: &[Value], expect: &[&str]) {
    let agent = spec(agent);
    let models = agent.model.iter().flat_map(ModelUse::named);
    let models: Vec<NamedModel> = models
        .map(|(field, model, purpose)| NamedModel {
            field: format!("spec.model.{field}"),
            model: model.to_owned(),
            purpose,
        })
        .collect();
    let lines: Vec<String> = decide(&requests(&agent, &models), &applied(cluster, namespaced))
        .into_iter()
        .filter(|decided| !matches!(decided.request.wanted, Wanted::Always(_) | Wanted::Lane(_)))
        .map(|decided| {
            let wanted = match &decided.request.wanted {
                Wanted::Always(right) | Wanted::Capability(right) => right.to_string(),
                Wanted::Model { model, purpose } => match purpose {
                    ModelPurpose::Chat => format!("model {model}"),
                    ModelPurpose::Embedding => format!("vectors of {model}"),
                },
                Wanted::Mount { mount, .. } => format!("mount {mount}"),
                Wanted::Host(host) => format!("host {host}"),
                Wanted::Lane(lane) => format!("lane {}", lane.as_str()),
            };
            let verdict = match &decided.verdict {
                Verdict::Granted(GrantEffect::Allow) => "allow".to_owned(),
                Verdict::Granted(GrantEffect::Ask) => "ask".to_owned(),
                Verdict::Granted(GrantEffect::Deny) => panic!("a denial is not granted"),
                Verdict::Mounted {
                    mode: FileMode::Read,
                    volume,
                } => format!("read {volume}"),
                Verdict::Mounted {
                    mode: FileMode::ReadWrite,
                    volume,
                } => format!("readWrite {volume}"),
                Verdict::Denied => "denied".to_owned(),
                Verdict::NotGranted => "not granted".to_owned(),
            };
            let exceptions = decided.exceptions.iter().map(|it| {
                let effect = format!("{:?}", it.effect).to_lowercase();
                format!(", {effect} {} ({})", it.right, it.rule)
            });
            let exceptions: String = exceptions.collect();
            format!(
                "{wanted}: {verdict} ({}){exceptions}",
                decided.rules.join("; ")
            )
        })
        .collect();
    assert_eq!(lines, expect);
}

fn spec(value: Value) -> AgentSpec {
    serde_json::from_value(value).unwrap()
}

fn quotas(agent: &AgentSpec, policies: &Applied) -> Bounds {
    aion_policy::quotas(agent, policies, &aion_profiles::Profiles::built_in())
}

fn applied(cluster: &[Value], namespaced: &[Value]) -> Applied {
    let cluster: Vec<ClusterAgentPolicy> = cluster
        .iter()
        .map(|spec| policy(spec, "ClusterAgentPolicy", "c"))
        .collect();
    let namespaced: Vec<AgentPolicy> = namespaced
        .iter()
        .map(|spec| policy(spec, "AgentPolicy", "n"))
        .collect();
    let labels = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let namespace = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), "home".to_owned())]);
    Applied::select(&cluster, &namespaced, &labels, &namespace)
}

fn policy<T: serde::de::DeserializeOwned>(spec: &Value, kind: &str, name: &str) -> T {
    serde_json::from_value(json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

#[test]
fn without_a_cluster_policy_nothing_is_granted() {
    check(
        json!({"memory": {"pool": "p"}, "model": {"use": "local/qwen3"}, "permissions": {"files": [{"mount": "notes"}]}}),
        &[],
        &[],
        &[
            "model local/qwen3: not granted (no ClusterAgentPolicy selects this agent)",
            "memory.recall:p: not granted (no ClusterAgentPolicy selects this agent)",
            "memory.remember:p: not granted (no ClusterAgentPolicy selects this agent)",
            "mount notes: not granted (no ClusterAgentPolicy selects this agent)",
        ],
    );
}

#[test]
fn a_policy_that_selects_others_grants_nothing_here() {
    check(
        json!({"permissions": {"allow": ["calendar.read"]}}),
        &[
            json!({"allow": ["*"], "selector": {"matchLabels": {"team": "blue"}}}),
            json!({"allow": ["*"], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "work"}}}),
        ],
        &[],
        &["tool.call:calendar.read: not granted (no ClusterAgentPolicy selects this agent)"],
    );
}

#[test]
fn what_the_cluster_allows_is_granted_and_the_rule_is_named() {
    check(
        json!({"memory": {"pool": "p"}, "permissions": {"allow": ["calendar.read", "memory.forget"]}}),
        &[
            json!({"allow": ["memory.*", "tool.call:calendar.*"], "selector": {"matchLabels": {"team": "red"}}}),
        ],
        &[],
        &[
            "memory.recall:p: allow (ClusterAgentPolicy/c allow memory.*)",
            "memory.remember:p: allow (ClusterAgentPolicy/c allow memory.*)",
            "tool.call:calendar.read: allow (ClusterAgentPolicy/c allow tool.call:calendar.*)",
            "memory.forget:p: allow (ClusterAgentPolicy/c allow memory.*)",
        ],
    );
}

#[test]
fn a_denial_wins_wherever_it_stands() {
    let agent = json!({"permissions": {"allow": ["calendar.read", "calendar.write"]}});
    check(
        agent.clone(),
        &[json!({"allow": ["*"]}), json!({"deny": ["calendar.write"]})],
        &[],
        &[
            "tool.call:calendar.read: allow (ClusterAgentPolicy/c allow *)",
            "tool.call:calendar.write: denied (ClusterAgentPolicy/c deny calendar.write)",
        ],
    );
    check(
        agent,
        &[json!({"allow": ["*"]})],
        &[json!({"allow": ["*"], "deny": ["tool.call:calendar.write"]})],
        &[
            "tool.call:calendar.read: allow (ClusterAgentPolicy/c allow *; AgentPolicy/n allow *)",
            "tool.call:calendar.write: denied (AgentPolicy/n deny tool.call:calendar.write)",
        ],
    );
}

#[test]
fn a_namespace_narrows_and_never_widens() {
    let agent = json!({"permissions": {"allow": ["calendar.read", "mail.send"]}});
    check(
        agent.clone(),
        &[json!({"allow": ["tool.call:calendar.*"]})],
        &[json!({"allow": ["*"]})],
        &[
            "tool.call:calendar.read: allow (ClusterAgentPolicy/c allow tool.call:calendar.*; AgentPolicy/n allow *)",
            "tool.call:mail.send: not granted (ClusterAgentPolicy/c does not grant it)",
        ],
    );
    check(
        agent.clone(),
        &[json!({"allow": ["*"]})],
        &[json!({"allow": ["mail.*"]})],
        &[
            "tool.call:calendar.read: not granted (AgentPolicy/n does not let it through)",
            "tool.call:mail.send: allow (ClusterAgentPolicy/c allow *; AgentPolicy/n allow mail.*)",
        ],
    );
    // A policy that speaks of quotas only narrows no right; an empty list lets none through.
    check(
        agent.clone(),
        &[json!({"allow": ["*"]})],
        &[json!({"quotas": {"callsPerMinute": 5}})],
        &[
            "tool.call:calendar.read: allow (ClusterAgentPolicy/c allow *)",
            "tool.call:mail.send: allow (ClusterAgentPolicy/c allow *)",
        ],
    );
    check(
        agent,
        &[json!({"allow": ["*"]})],
        &[json!({"allow": []})],
        &[
            "tool.call:calendar.read: not granted (AgentPolicy/n does not let it through)",
            "tool.call:mail.send: not granted (AgentPolicy/n does not let it through)",
        ],
    );
}

#[test]
fn all_of_a_tool_is_granted_where_policy_allows_that_and_without_what_it_denies() {
    let agent = json!({"permissions": {"allow": ["depot.*", "depot.\"stock: now\""]}});
    let quoted = "tool.call:depot.\"stock: now\"";
    check(
        agent.clone(),
        &[json!({"allow": ["tool.call:*"], "deny": ["depot.files.*", "mail.*"]})],
        &[json!({"ask": ["depot.\"stock: now\""]})],
        &[
            "tool.call:depot.*: allow (ClusterAgentPolicy/c allow tool.call:*), \
             deny tool.call:depot.files.* (ClusterAgentPolicy/c deny depot.files.*), \
             ask tool.call:depot.\"stock: now\" (AgentPolicy/n ask depot.\"stock: now\")",
            &format!(
                "{quoted}: ask (ClusterAgentPolicy/c allow tool.call:*; AgentPolicy/n ask depot.\"stock: now\")"
            ),
        ],
    );
    // What is allowed by name is not allowed as a whole.
    check(
        agent.clone(),
        &[json!({"allow": ["depot.\"stock: now\"", "depot.read"]})],
        &[],
        &[
            "tool.call:depot.*: not granted (ClusterAgentPolicy/c does not grant it)",
            &format!("{quoted}: allow (ClusterAgentPolicy/c allow depot.\"stock: now\")"),
        ],
    );
    check(
        agent.clone(),
        &[json!({"allow": ["*"], "deny": ["depot.*"]})],
        &[],
        &[
            "tool.call:depot.*: denied (ClusterAgentPolicy/c deny depot.*)",
            &format!("{quoted}: denied (ClusterAgentPolicy/c deny depot.*)"),
        ],
    );
    check(
        agent,
        &[json!({"allow": ["*"]})],
        &[json!({"allow": ["depot.read"]})],
        &[
            "tool.call:depot.*: not granted (AgentPolicy/n does not let it through)",
            &format!("{quoted}: not granted (AgentPolicy/n does not let it through)"),
        ],
    );
}

#[test]
fn anybody_can_make_a_right_a_question() {
    let check_ask = |agent: Value, cluster: Value, namespaced: &[Value], rule: &str| {
        check(
            agent,
            &[cluster],
            namespaced,
            &[&format!("tool.call:mail.send: ask ({rule})")],
        );
    };
    let allow = json!({"permissions": {"allow": ["mail.send"]}});
    let ask = json!({"permissions": {"ask": ["mail.send"]}});
    check_ask(
        ask,
        json!({"allow": ["mail.*"]}),
        &[],
        "ClusterAgentPolicy/c allow mail.*",
    );
    check_ask(
        allow.clone(),
        json!({"ask": ["mail.*"]}),
        &[],
        "ClusterAgentPolicy/c ask mail.*",
    );
    check_ask(
        allow,
        json!({"allow": ["mail.*"]}),
        &[json!({"ask": ["mail.send"]})],
        "ClusterAgentPolicy/c allow mail.*; AgentPolicy/n ask mail.send",
    );
}

#[test]
fn models_are_granted_by_name_endpoint_or_all() {
    let agent = json!({"model": {"use": "local/qwen3", "fallback": ["far/gpt"]}});
    check(
        agent.clone(),
        &[json!({"models": ["local/*"]})],
        &[],
        &[
            "model local/qwen3: allow (ClusterAgentPolicy/c models local/*)",
            "model far/gpt: not granted (ClusterAgentPolicy/c does not grant it)",
        ],
    );
    check(
        agent.clone(),
        &[json!({"models": ["*"]})],
        &[json!({"models": ["local"]})],
        &[
            "model local/qwen3: allow (ClusterAgentPolicy/c models *)",
            "model far/gpt: not granted (AgentPolicy/n does not let it through)",
        ],
    );
    check(
        agent,
        &[json!({"models": ["*"], "deny": ["model.chat:far"]})],
        &[],
        &[
            "model local/qwen3: allow (ClusterAgentPolicy/c models *)",
            "model far/gpt: denied (ClusterAgentPolicy/c deny model.chat:far)",
        ],
    );
    let agent = json!({"model": {"use": "near/qwen3", "embedding": "near/nomic"}});
    check(
        agent,
        &[json!({"models": ["near"], "deny": ["model.embed"]})],
        &[],
        &[
            "model near/qwen3: allow (ClusterAgentPolicy/c models near)",
            "vectors of near/nomic: denied (ClusterAgentPolicy/c deny model.embed)",
        ],
    );
}

#[test]
fn mounts_are_granted_with_their_volume_and_at_most_the_mode_that_is_granted() {
    let files = |mode: &str| json!({"permissions": {"files": [{"mount": "notes", "mode": mode}]}});
    check(
        files("read"),
        &[
            json!({"mounts": [{"mount": "*", "mode": "read"}, {"mount": "notes", "mode": "read", "volume": "disk"}]}),
        ],
        &[],
        &["mount notes: read disk (ClusterAgentPolicy/c mounts notes)"],
    );
    check(
        files("readWrite"),
        &[json!({"mounts": [{"mount": "notes"}]})],
        &[],
        &["mount notes: read notes (ClusterAgentPolicy/c mounts notes)"],
    );
    check(
        files("readWrite"),
        &[json!({"mounts": [{"mount": "notes", "mode": "readWrite"}]})],
        &[json!({"deny": ["fs.write:notes"]})],
        &[
            "mount notes: read notes (ClusterAgentPolicy/c mounts notes; a policy takes writing away)",
        ],
    );
    check(
        files("read"),
        &[json!({"mounts": [{"mount": "*"}]})],
        &[json!({"allow": ["memory.*"]})],
        &["mount notes: not granted (AgentPolicy/n does not let it through)"],
    );
    check(
        files("read"),
        &[json!({"mounts": [{"mount": "*"}], "deny": ["fs.*"]})],
        &[],
        &["mount notes: denied (ClusterAgentPolicy/c deny fs.*)"],
    );
}

#[test]
fn the_smallest_bound_holds_and_layers_add_up() {
    let agent = spec(json!({
        "limits": {"tokensPerHour": 50000, "memoryMiB": 512, "outputMiB": 9}, "replicas": 3,
        "sandbox": {"require": ["seccomp"]},
    }));
    let bounds = quotas(
        &agent,
        &applied(
            &[
                json!({"quotas": {"tokensPerHour": 90000, "callsPerMinute": 60, "memoryMiB": 128, "outputMiB": 10, "tenantTokensPerHour": 9},
                     "sandbox": {"require": ["landlock", "seccomp"]}, "signers": ["release", "machine"]}),
            ],
            &[json!({"quotas": {"callsPerMinute": 30, "replicas": 2}, "signers": ["machine"]})],
        ),
    );
    assert_eq!(bounds.quotas.tokens_per_hour, 50_000);
    assert_eq!(bounds.quotas.calls_per_minute, 30);
    assert_eq!(
        bounds.quotas.concurrent_calls,
        aion_api::defaults::CONCURRENT_CALLS
    );
    assert_eq!(bounds.quotas.tenant_tokens_per_hour, Some(9));
    assert_eq!(bounds.limits.memory_mib, 128);
    assert_eq!(bounds.limits.output_mib, 9);
    assert_eq!(bounds.limits.tmp_mib, None);
    assert_eq!(bounds.replicas, 2);
    assert_eq!(
        bounds.layers.iter().map(|l| l.as_str()).collect::<Vec<_>>(),
        ["landlock", "seccomp"]
    );
    assert_eq!(bounds.signers.as_deref(), Some(&["machine".to_owned()][..]));
}

/// What becomes of the wish for `lane`.
fn lane(lane: &str, cluster: &[Value], namespaced: &[Value]) -> String {
    let agent = spec(json!({"instructions": "x", "lane": lane}));
    let decided = decide(&requests(&agent, &[]), &applied(cluster, namespaced));
    let wish = decided
        .iter()
        .find(|it| matches!(it.request.wanted, Wanted::Lane(_)))
        .unwrap();
    assert_eq!(wish.request.field, "spec.lane");
    let said = wish.rules.join("; ");
    match wish.verdict {
        Verdict::Granted(GrantEffect::Allow) => said,
        Verdict::NotGranted => format!("no: {said}"),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_lane_that_goes_before_everybody_is_granted_by_a_policy_that_names_it() {
    let silent = json!({"allow": ["*"]});
    let naming = json!({"lanes": ["realtime", "batch"]});
    assert_eq!(
        lane("realtime", &[], &[]),
        "no: no ClusterAgentPolicy selects this agent"
    );
    assert_eq!(
        lane("realtime", std::slice::from_ref(&silent), &[]),
        "no: ClusterAgentPolicy/c does not grant it"
    );
    assert_eq!(
        lane("realtime", &[silent.clone(), naming.clone()], &[]),
        "ClusterAgentPolicy/c lanes realtime"
    );
    for lower in ["interactive", "batch", "background"] {
        assert_eq!(
            lane(lower, &[], &[]),
            format!("every agent may wait in {lower}")
        );
        assert_eq!(
            lane(lower, std::slice::from_ref(&silent), &[]),
            "ClusterAgentPolicy/c names no lanes"
        );
    }
    assert_eq!(
        lane("interactive", &[naming], &[]),
        "no: ClusterAgentPolicy/c does not grant it"
    );
}

#[test]
fn a_namespace_narrows_lanes_and_never_widens_them() {
    let at_night = json!({"lanes": ["batch", "realtime"]});
    let narrowed = |wish: &str| lane(wish, &[json!({})], std::slice::from_ref(&at_night));
    assert_eq!(
        narrowed("interactive"),
        "no: AgentPolicy/n does not let it through"
    );
    assert_eq!(narrowed("batch"), "ClusterAgentPolicy/c names no lanes");
    assert_eq!(
        narrowed("realtime"),
        "no: ClusterAgentPolicy/c does not grant it"
    );
}

#[test]
fn a_process_agent_alone_has_a_tmp() {
    let tmp = |agent: Value| quotas(&spec(agent), &applied(&[], &[])).limits.tmp_mib;
    let bundle = json!({"name": "a", "digest": "sha256:0"});
    let process = json!({"runtime": "process", "bundle": bundle});
    assert_eq!(tmp(process), Some(aion_api::defaults::TMP_MIB));
    let limited =
        |limits: Value| tmp(json!({"runtime": "process", "bundle": bundle, "limits": limits}));
    assert_eq!(
        limited(json!({"tmpMiB": 900, "memoryMiB": 1024})),
        Some(900)
    );
    assert_eq!(tmp(json!({"runtime": "wasm", "bundle": bundle})), None);
    // It is memory: never so much that a full one ends the agent.
    assert_eq!(limited(json!({"memoryMiB": 48})), Some(24));
    let policy = json!({"quotas": {"memoryMiB": 100}});
    let agent = json!({
        "runtime": "process", "bundle": bundle, "limits": {"tmpMiB": 900, "memoryMiB": 1024}
    });
    let lowered = quotas(&spec(agent), &applied(&[policy], &[])).limits;
    assert_eq!((lowered.memory_mib, lowered.tmp_mib), (100, Some(50)));
}

#[test]
fn a_process_agent_alone_has_processes() {
    let pids = |agent: Value| quotas(&spec(agent), &applied(&[], &[])).limits.pids;
    let bundle = json!({"name": "a", "digest": "sha256:0"});
    let process = json!({"runtime": "process", "bundle": bundle});
    assert_eq!(pids(process), Some(aion_api::defaults::PIDS));
    let more = json!({"runtime": "process", "bundle": bundle, "limits": {"pids": 512}});
    assert_eq!(pids(more), Some(512));
    assert_eq!(pids(json!({"runtime": "wasm", "bundle": bundle})), None);
}
