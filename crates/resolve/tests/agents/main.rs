//! Agents from manifests to instances and conditions: one boundary, many cases.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod asked;
mod external;
mod profile;
mod rollout;
mod steps;

use std::collections::BTreeMap;

use aion_api::condition::{self, reason};
use aion_api::program::Runtime;
use aion_api::{AgentInstance, AgentInstanceStatus, Backend, InstancePhase, NodeCapacity};
use aion_resolve::{
    Key, NodeState, NodeView, Object, Resolved, Setting, Universe, parse_manifests, resolve_agent,
    resolve_all,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

const ALLOW: &str = "
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {name: all}
spec: {allow: ['*'], models: ['*'], mounts: [{mount: '*', mode: readWrite}]}
---
apiVersion: aion.dev/v1alpha1
kind: TrustPolicy
metadata: {name: all}
spec: {inline: allow}
";

fn now() -> Time {
    Time(Timestamp::from_second(1_800_000_000).unwrap())
}

fn universe(texts: &[&str]) -> Universe {
    let mut universe = Universe::default();
    let node = NodeView {
        name: "here".into(),
        capacity: NodeCapacity {
            instances: 100,
            memory_mib: 4096,
            cpu_millis: 4000,
        },
        runtimes: vec![Runtime::Declarative, Runtime::Wasm],
        volumes: vec!["notes".into()],
        ..NodeView::default()
    };
    universe.nodes.insert(node.name.clone(), node);
    for text in texts {
        for manifest in parse_manifests(text, "test.yaml").unwrap_or_else(|p| panic!("{p:?}")) {
            assert!(universe.insert(manifest.object, "home"), "twice");
        }
    }
    universe
}

fn agent(spec: &str) -> String {
    format!("apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: a}}\nspec: {{{spec}}}\n")
}

fn resolved(universe: &Universe) -> Resolved {
    resolve_agent(universe, &Key::new("home", "a")).unwrap()
}

/// The conditions that are not as in an agent that waits for its first instance, one a line.
fn conditions(universe: &Universe) -> Vec<String> {
    let usual = [
        ("Accepted", "True"),
        ("ResolvedRefs", "True"),
        ("Verified", "True"),
        ("SandboxEnforced", "Unknown"),
        ("Ready", "False"),
        ("Progressing", "True"),
        ("Degraded", "False"),
        ("FieldsInEffect", "True"),
        ("Reconciling", "True"),
        ("Stalled", "False"),
    ];
    let key = Key::new("home", "a");
    let instances: Vec<AgentInstance> = universe
        .instances
        .values()
        .map(|it| AgentInstance::clone(it))
        .collect();
    let status = resolved(universe).status(&universe.agents[&key], &instances, &now());
    let types: Vec<&str> = status.conditions.iter().map(|c| &*c.type_).collect();
    assert_eq!(
        types,
        usual.map(|(type_, _)| type_),
        "all conditions are there from the first write"
    );
    status
        .conditions
        .iter()
        .filter(|c| !usual.contains(&(&*c.type_, &*c.status)) || c.reason == reason::PARTLY_GRANTED)
        .filter(|c| !["Progressing", "Reconciling"].contains(&&*c.type_))
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect()
}

fn check(texts: &[&str], expect: &[&str]) {
    assert_eq!(conditions(&universe(texts)), expect);
}

#[test]
fn an_agent_becomes_an_instance_with_nothing_left_to_choose() {
    let pool = "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: p}\nspec: {retention: {days: 30}, tiers: {long: {}}}\n";
    let endpoint = "apiVersion: aion.dev/v1alpha1\nkind: ModelEndpoint\nmetadata: {name: local}\nspec: {baseUrl: 'http://127.0.0.1:1/v1', models: [{name: e, purpose: embedding}, {name: qwen3, contextTokens: 8192}]}\n";
    let tool = "apiVersion: aion.dev/v1alpha1\nkind: Tool\nmetadata: {name: calendar}\nspec: {mcp: {http: {url: 'http://127.0.0.1:2/mcp'}}}\n";
    let agent = agent(
        "instructions: Be brief., model: {use: local, embedding: local/e}, memory: {pool: p}, tools: [{name: calendar}], knowledge: [notes],
         permissions: {allow: [calendar.read, memory.forget], files: [{mount: notes}]}, limits: {maxSteps: 3}, lane: batch",
    );
    let universe = universe(&[ALLOW, pool, endpoint, tool, &agent]);
    assert_eq!(conditions(&universe), [] as [&str; 0]);
    let plan = resolved(&universe).plan;
    let [instance] = plan.create.as_slice() else {
        panic!("{plan:?}")
    };
    let spec = &instance.spec;
    assert_eq!(
        (spec.tenant.as_str(), spec.node_name.as_str()),
        ("home", "here")
    );
    assert_eq!(
        spec.inline.as_ref().unwrap().instructions.as_deref(),
        Some("Be brief.")
    );
    let model = &spec.model.as_ref().unwrap().endpoints[0];
    assert_eq!(
        (
            model.endpoint.as_str(),
            model.model.as_str(),
            model.context_tokens
        ),
        ("local", "qwen3", Some(8192))
    );
    let embedding = &spec.model.as_ref().unwrap().embedding;
    assert_eq!(embedding.as_ref().unwrap().model, "e");
    let memory = spec.memory.as_ref().unwrap();
    assert_eq!(memory.retention_days, Some(30));
    let tiers = memory.tiers.as_ref().unwrap();
    let long = tiers.long.as_ref().map(|it| it.backend);
    assert_eq!((&tiers.short, long), (&None, Some(Backend::Embedded)));
    assert_eq!(spec.limits.max_steps, 3);
    let grants: Vec<&str> = spec
        .grants
        .iter()
        .map(|grant| grant.capability.as_str())
        .collect();
    assert_eq!(
        grants,
        [
            "agent.checkpoint",
            "agent.message",
            "fs.list:notes",
            "fs.read:notes",
            "memory.forget:p",
            "memory.recall:p",
            "memory.remember:p",
            "model.chat:local",
            "model.embed:local",
            "sys.null",
            "tool.call:calendar.read",
            "tool.list",
        ]
    );
    assert!(aion_policy::lower(instance).is_ok());
    assert!(instance.metadata.name.as_ref().unwrap().starts_with("a-0-"));
    assert_eq!(
        resolved(&universe).plan,
        plan,
        "equal inputs give equal results"
    );
}

#[test]
fn a_change_that_matters_makes_another_revision_and_a_description_does_not() {
    let revision = |spec: &str| {
        resolved(&universe(&[ALLOW, &agent(spec)]))
            .revision
            .unwrap()
    };
    let base = revision("instructions: x");
    assert_eq!(
        base,
        revision("instructions: x, description: new, try: [What], replicas: 3")
    );
    assert_ne!(base, revision("instructions: changed"));
    assert_ne!(base, revision("instructions: x, limits: {turnSeconds: 1}"));
    assert_ne!(base, revision("instructions: x, lane: batch"));
}

#[test]
fn references_that_are_not_there_are_named_with_what_to_do() {
    check(
        &[ALLOW, &agent("instructions: x, model: {use: local}")],
        &[
            "ResolvedRefs=False NotFound: spec.model.use: there is no ModelEndpoint local in namespace home: apply one, or name another",
            "Stalled=True NotFound: spec.model.use: there is no ModelEndpoint local in namespace home: apply one, or name another",
        ],
    );
    check(
        &[
            ALLOW,
            &agent("instructions: x, tools: [{mcp: home}], memory: {pool: p}"),
        ],
        &[
            "ResolvedRefs=False NotFound: spec.tools[0].mcp: there is no Tool home in namespace home: apply one, or name another; spec.memory.pool: there is no MemoryPool p in namespace home: apply one, or name another",
            "Stalled=True NotFound: spec.tools[0].mcp: there is no Tool home in namespace home: apply one, or name another; spec.memory.pool: there is no MemoryPool p in namespace home: apply one, or name another",
        ],
    );
    check(
        &[
            ALLOW,
            &agent("instructions: x, permissions: {files: [{mount: elsewhere}]}"),
        ],
        &[
            "ResolvedRefs=False MountNotMapped: spec.permissions.files[elsewhere]: the mount elsewhere is not mapped to a folder on this machine: aionctl mount add elsewhere FOLDER",
            "Stalled=True MountNotMapped: spec.permissions.files[elsewhere]: the mount elsewhere is not mapped to a folder on this machine: aionctl mount add elsewhere FOLDER",
        ],
    );
}

#[test]
fn an_agent_that_quotes_does_without_a_model() {
    let pool = "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: p}\nspec: {}\n";
    check(
        &[
            ALLOW,
            pool,
            &agent("instructions: x, model: {use: local}, memory: {pool: p}, withoutModel: quote"),
        ],
        &[
            "Accepted=True PartlyGranted: spec.model.use: there is no ModelEndpoint local in namespace home: apply one, or name another; until then it quotes passages, as withoutModel: quote says",
        ],
    );
}

#[test]
fn what_it_cannot_do_without_and_is_not_granted_keeps_it_out() {
    let none = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: t}\nspec: {inline: allow}\n";
    let why = "spec.permissions.files[0]: the mount notes is not granted: no ClusterAgentPolicy selects this agent";
    check(
        &[
            none,
            &agent(
                "instructions: x, permissions: {allow: [calendar.read], files: [{mount: notes}]}",
            ),
        ],
        &[
            &format!("Accepted=False NotGranted: {why}"),
            &format!("Stalled=True NotGranted: {why}"),
        ],
    );
    check(
        &[
            none,
            &agent("instructions: x, permissions: {allow: [calendar.read]}"),
        ],
        &[
            "Accepted=True PartlyGranted: spec.permissions.allow[0]: tool.call:calendar.read is not granted: no ClusterAgentPolicy selects this agent",
        ],
    );
}

#[test]
fn rights_that_are_none_are_refused_with_what_to_write() {
    const SYSCALLS: &str = "there are memory.remember, memory.recall, memory.forget, tool.call, agent.message, \
        agent.checkpoint, agent.ask, device.read, device.write, device.command, sys.null, and TOOL.OPERATION";
    let check_right = |right: &str, expect: &str| {
        let universe = universe(&[
            ALLOW,
            &agent(&format!(
                "instructions: x, permissions: {{allow: ['{right}']}}"
            )),
        ]);
        let problems: Vec<String> = resolved(&universe)
            .judged
            .problems
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(problems, [format!("spec.permissions.allow[0]: {expect}")]);
    };
    check_right(
        "fs.read:notes",
        "fs.read:notes: files are asked for under permissions.files",
    );
    check_right("model.chat", "model.chat: a model is asked for under model");
    check_right(
        "device.open:door",
        &format!("device.open:door is not a syscall: {SYSCALLS}"),
    );
    check_right(
        "memory.forget",
        "memory.forget is about a memory pool the agent does not use: set memory.pool, or remove it",
    );
    check_right(
        "tool.call",
        "tool.call names no operation: write TOOL.OPERATION",
    );
    check_right(
        "agent.spawn",
        &format!("agent.spawn is not a syscall: {SYSCALLS}"),
    );
}

#[test]
fn nothing_is_trusted_without_a_trust_policy() {
    let policy =
        "apiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {name: p}\nspec: {}\n";
    let no_policy = "no TrustPolicy speaks for this namespace, so nothing is trusted: apply one";
    check(
        &[policy, &agent("instructions: x")],
        &[
            &format!("Verified=False NoTrustPolicy: {no_policy}"),
            &format!("Stalled=True NoTrustPolicy: {no_policy}"),
        ],
    );
    let strict =
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: strict}\nspec: {}\n";
    let inline = "written in the Agent itself and signed by nobody: say inline: allow in TrustPolicy strict, or use a signed bundle";
    check(
        &[policy, strict, &agent("instructions: x")],
        &[
            &format!("Verified=False InlineNotAllowed: {inline}"),
            &format!("Stalled=True InlineNotAllowed: {inline}"),
        ],
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    let bundle = format!(
        "no key and no identity of TrustPolicy strict may vouch for bundle b with digest {digest}: add who signed it, or its digest to the machine's key"
    );
    check(
        &[
            policy,
            strict,
            &agent(&format!(
                "runtime: wasm, bundle: {{name: b, digest: '{digest}'}}"
            )),
        ],
        &[
            &format!("Verified=False UntrustedKey: {bundle}"),
            &format!("Stalled=True UntrustedKey: {bundle}"),
        ],
    );
}

#[test]
fn what_is_wanted_of_devices_has_an_effect_alone_and_in_a_cluster() {
    let mut universe = universe(&[
        ALLOW,
        &agent(
            "instructions: x, permissions: {allow: ['device.read:door']}, triggers: [{cron: '0 7 * * *'}, {device: door}]",
        ),
    ]);
    for setting in [Setting::Standalone, Setting::Cluster] {
        universe.setting = setting;
        assert_eq!(conditions(&universe), [] as [&str; 0]);
    }
}

#[test]
fn a_cluster_starts_no_programs_of_users() {
    let tool = "apiVersion: aion.dev/v1alpha1\nkind: Tool\nmetadata: {name: t}\nspec: {mcp: {stdio: {command: /bin/tool}}}\n";
    let mut universe = universe(&[ALLOW, tool, &agent("instructions: x, tools: [{name: t}]")]);
    assert_eq!(conditions(&universe), [] as [&str; 0]);
    universe.setting = Setting::Cluster;
    assert!(
        conditions(&universe)[0]
            .starts_with("ResolvedRefs=False WrongKind: spec.tools[0].name: Tool t is a program")
    );
}

/// Makes what the plan says, as a node that answers `ready` for every instance would leave it.
#[test]
fn agents_of_one_pool_are_placed_where_the_first_of_them_is() {
    let pool = "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: p}\nspec: {}\n";
    let named = |name: &str| {
        agent("instructions: x, memory: {pool: p}").replace("name: a", &format!("name: {name}"))
    };
    let mut universe = universe(&[ALLOW, pool, &named("a"), &named("b"), &named("c")]);
    let other = NodeView {
        name: "other".into(),
        ..universe.nodes["here"].clone()
    };
    universe.nodes.insert("other".into(), other);
    let all = resolve_all(&mut universe).unwrap();
    let nodes: Vec<&str> = all
        .iter()
        .map(|(_, r)| r.plan.create[0].spec.node_name.as_str())
        .collect();
    assert_eq!(nodes, ["here", "here", "here"]);
    let bound = universe.pools[&Key::new("home", "p")]
        .status
        .as_ref()
        .unwrap()
        .node_name
        .clone();
    assert_eq!(bound.as_deref(), Some("here"));
}

#[test]
fn an_object_without_a_namespace_gets_the_one_that_is_given() {
    let universe = universe(&[ALLOW, &agent("instructions: x")]);
    assert_eq!(universe.agents.keys().next(), Some(&Key::new("home", "a")));
    let labels: BTreeMap<String, String> = universe.namespace_labels("home");
    assert_eq!(labels["kubernetes.io/metadata.name"], "home");
    let again = Object::Agent(Box::new(universe.agents[&Key::new("home", "a")].clone()));
    let mut universe = universe;
    assert!(
        !universe.insert(again, "home"),
        "a second object of that name is not taken"
    );
}

#[test]
fn a_lane_that_no_policy_grants_is_refused_by_name() {
    let realtime = agent("instructions: x, lane: realtime");
    let why =
        "spec.lane: the lane realtime is not granted: ClusterAgentPolicy/all does not grant it";
    check(
        &[ALLOW, &realtime],
        &[
            &format!("Accepted=False NotGranted: {why}"),
            &format!("Stalled=True NotGranted: {why}"),
        ],
    );
    let granted = ALLOW.replace("models: ['*']", "models: ['*'], lanes: [realtime]");
    let granted = universe(&[&granted, &realtime]);
    assert_eq!(conditions(&granted), [""; 0]);
    let created = &resolved(&granted).plan.create;
    assert_eq!(created[0].spec.lane, aion_api::program::Lane::Realtime);
}
