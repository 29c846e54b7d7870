//! The node agent in a cluster: the real daemon, launcher and worker on one side, a real API server on the
//! other, the operator between them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use aion_e2e::cluster::{BOUND, cluster, furnish, root};
use aion_e2e::node_agent::NodeAgent;
use aion_e2e::operator::Operator;
use aion_testkit::{ControlPlane, ControlPlaneOptions, StartError, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

const FACT: &str = "The lighthouse keeper polishes the brass lamp every Thursday.";
const QUESTION: &str = r#"{"input": "When does the lighthouse keeper polish the lamp?"}"#;

fn documents() -> TempDir {
    let docs = tempfile::tempdir().unwrap();
    fs::write(
        docs.path().join("lighthouse.md"),
        format!("# The lighthouse\n\n{FACT}\n"),
    )
    .unwrap();
    docs
}

fn prepare(cluster: &ControlPlane, namespace: &str) {
    let policies = root().join("policies/cluster.yaml");
    kubectl(cluster, &["apply", "-f", &policies.to_string_lossy()]);
    kubectl(cluster, &["create", "namespace", namespace]);
    kubectl(
        cluster,
        &[
            "label",
            "namespace",
            namespace,
            "aion.dev/inline-agents=allowed",
        ],
    );
}

fn kubectl(cluster: &ControlPlane, args: &[&str]) -> String {
    cluster.kubectl(args).unwrap()
}

fn get(cluster: &ControlPlane, args: &[&str]) -> Result<Value, String> {
    let text = cluster.kubectl(&[&["get", "-o", "json"], args].concat());
    serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|e| e.to_string())
}

fn condition(object: &Value, type_: &str) -> String {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|it| it["type"] == type_);
    found.map_or("none".to_owned(), |it| {
        let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", text("status"), text("reason"), text("message"))
    })
}

/// A service account of `namespace` and its token.
fn account(cluster: &ControlPlane, namespace: &str, name: &str) -> String {
    kubectl(
        cluster,
        &["-n", namespace, "create", "serviceaccount", name],
    );
    let token = kubectl(cluster, &["-n", namespace, "create", "token", name]);
    token.trim().to_owned()
}

#[test]
fn an_agent_of_a_cluster_is_asked_on_its_node_by_those_who_may() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    prepare(cluster, "asked");
    let docs = documents();
    let mut node = NodeAgent::start(cluster, "node-real", docs.path(), false).unwrap();
    let _operator = Operator::start(cluster, "operator-of-a-real-node").unwrap();
    until("the KernelNode to be ready", BOUND, || {
        let found = get(cluster, &["kernelnode", "node-real"])?;
        let status = &found["status"];
        let told = status["volumes"] == json!(["docs"])
            && status["layers"].as_array().is_some_and(|it| !it.is_empty())
            && status["api"]["url"] == format!("http://127.0.0.1:{}", node.port);
        match condition(&found, "Ready").starts_with("True") && told {
            true => Ok(()),
            false => Err(format!("{found:#}\n{}", node.tail())),
        }
    })
    .unwrap();

    let librarian = root().join("agents/librarian/agent.yaml");
    kubectl(
        cluster,
        &["-n", "asked", "apply", "-f", &librarian.to_string_lossy()],
    );
    until_ready(cluster, "asked", &node);

    // Who may.
    let asker = account(cluster, "asked", "asker");
    let stranger = account(cluster, "asked", "stranger");
    kubectl(
        cluster,
        &[
            "-n",
            "asked",
            "create",
            "rolebinding",
            "ask",
            "--clusterrole=aion-invoke",
            "--serviceaccount=asked:asker",
        ],
    );
    const TURNS: &str = "POST /api/v1/namespaces/asked/agents/librarian/turns";
    let answered = until("the right to be in force", BOUND, || {
        match node.request(TURNS, Some(&asker), Some(QUESTION)) {
            Ok((200, body)) => Ok(body),
            other => Err(format!("{other:?}\n{}", node.tail())),
        }
    })
    .unwrap();
    assert!(answered.contains("every Thursday"), "{answered}");
    let refused = |line: &str, token: Option<&str>| {
        let (status, body) = node.request(line, token, Some(QUESTION)).unwrap();
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert!(!problem["remedy"].as_str().unwrap().is_empty(), "{body}");
        status
    };
    assert_eq!(refused(TURNS, None), 401);
    assert_eq!(refused(TURNS, Some("nobody.knows.it")), 401);
    assert_eq!(refused(TURNS, Some(&stranger)), 403);
    assert_eq!(
        refused(
            "POST /api/v1/namespaces/default/agents/librarian/turns",
            Some(&asker)
        ),
        403,
        "a right holds in its namespace"
    );
    // A turn is somebody's conversation.
    let turn = turn_of(&answered);
    let record = format!("GET /api/v1/turns/{turn}");
    assert_eq!(node.request(&record, Some(&asker), None).unwrap().0, 200);
    assert_eq!(refused(&record, Some(&stranger)), 403);
    assert_eq!(refused("GET /api/v1/turns/999999", Some(&asker)), 404);
    let logs = "GET /api/v1/namespaces/asked/agents/librarian/logs";
    assert_eq!(node.request(logs, Some(&asker), None).unwrap().0, 200);
    assert_eq!(refused(logs, Some(&stranger)), 403);
    // Resources are the API server's: not even an admin finds them here.
    let boss = account(cluster, "asked", "boss");
    kubectl(
        cluster,
        &[
            "create",
            "clusterrolebinding",
            "boss",
            "--clusterrole=cluster-admin",
            "--serviceaccount=asked:boss",
        ],
    );
    until("the admin to be one", BOUND, || {
        match node.request("GET /api/v1/status", Some(&boss), None) {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    for line in [
        "GET /api/v1/resources/agents",
        "POST /api/v1/apply",
        "PUT /api/v1/mounts/etc",
    ] {
        assert_eq!(refused(line, Some(&boss)), 404, "{line}");
    }

    // Another node's word on this instance is not taken.
    let other = cluster
        .token_bound_to_node("node-other", "aion-system", "aion-node")
        .unwrap();
    let other = cluster.kubeconfig_for_token("node-other", &other).unwrap();
    let instance = instance(cluster, "asked").unwrap();
    let name = instance["metadata"]["name"].as_str().unwrap();
    let patch = r#"{"status": {"phase": "Failed"}}"#;
    let patched = cluster.kubectl_as(
        &other,
        &[
            "-n",
            "asked",
            "patch",
            "agentinstance",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        ],
    );
    match patched {
        Err(StartError::Command { .. }) => {
            let text = patched.unwrap_err().to_string();
            assert!(text.contains("node-real"), "{text}");
        }
        other => panic!("{other:?}"),
    }

    // A daemon that was killed comes back to what it had.
    node.daemon.signal(Signal::SIGKILL);
    node.daemon.wait(BOUND).unwrap();
    node.start_again().unwrap();
    until("the agent to be asked again", BOUND, || {
        match node.request(TURNS, Some(&asker), Some(QUESTION)) {
            Ok((200, body)) if body.contains("every Thursday") => Ok(()),
            other => Err(format!("{other:?}\n{}", node.tail())),
        }
    })
    .unwrap();

    // Deleting lets go of the instance, then erases.
    let memory = node.home().join("state/memory");
    assert!(holds(&memory, "Thursday"), "nothing was remembered");
    kubectl(cluster, &["-n", "asked", "delete", "agent", "librarian"]);
    kubectl(cluster, &["-n", "asked", "delete", "memorypool", "library"]);
    assert!(instance_count(cluster, "asked") == 0);
    assert!(!holds(&memory, "Thursday"), "something is left");
    let (status, _) = node.request(TURNS, Some(&asker), Some(QUESTION)).unwrap();
    assert_eq!(status, 404);
}

/// Runs aionctl with `kubeconfig`: exit status, standard output, standard error.
fn aionctl(kubeconfig: &Path, args: &[&str]) -> (i32, String, String) {
    let home = kubeconfig.parent().unwrap();
    let output = Command::new(aion_e2e::program("aionctl").unwrap())
        .env_clear()
        .env("HOME", home)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn aionctl_speaks_to_a_cluster_as_to_one_machine() {
    let started = ControlPlane::with(&ControlPlaneOptions {
        controller_manager: true,
        users: vec![("alice".to_owned(), Vec::new())],
    });
    let cluster = match started {
        Ok(cluster) => cluster,
        Err(StartError::Missing { component, why }) => {
            aion_testkit::skip(component, &why);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    furnish(&cluster).unwrap();
    prepare(&cluster, "people");
    let docs = documents();
    let node = NodeAgent::start(&cluster, "node-tls", docs.path(), true).unwrap();
    let _operator = Operator::start(&cluster, "operator-of-people").unwrap();
    let admin = cluster.admin();
    let here = |args: &[&str]| aionctl(&admin, &[&["-n", "people"], args].concat());
    let good = |args: &[&str]| {
        let (status, out, err) = here(args);
        assert_eq!(status, 0, "{args:?}\n{out}\n{err}\n{}", node.tail());
        out
    };

    let librarian = root().join("agents/librarian/agent.yaml");
    let librarian = librarian.to_string_lossy();
    let tried = good(&["apply", "-f", &librarian, "--dry-run"]);
    assert!(
        tried.contains("agent/librarian created (dry run)"),
        "{tried}"
    );
    let (status, _, err) = here(&["get", "agent", "librarian"]);
    assert_eq!(status, 4, "a dry run wrote something: {err}");
    let applied = good(&["apply", "-f", &librarian, "--wait", "170"]);
    assert!(applied.contains("agent/librarian created"), "{applied}");
    assert!(applied.contains("memorypool/library created"), "{applied}");
    let again = good(&["apply", "-f", &librarian]);
    assert!(again.contains("agent/librarian unchanged"), "{again}");

    let listed = good(&["get", "agents"]);
    assert!(
        listed.contains("librarian") && listed.contains("True"),
        "{listed}"
    );
    let nodes = good(&["get", "nodes", "-o", "json"]);
    assert!(nodes.contains("BEGIN CERTIFICATE"), "{nodes}");
    let told = good(&["describe", "agent", "librarian"]);
    assert!(told.contains("node-tls"), "{told}");
    let explained = good(&["explain", &librarian]);
    assert!(
        explained.contains("ClusterAgentPolicy/default mounts docs"),
        "{explained}"
    );

    // The question crosses the network to the node, under TLS.
    let question = "When does the lighthouse keeper polish the lamp?";
    let answer = good(&["ask", "librarian", question]);
    assert!(answer.contains("every Thursday"), "{answer}");
    let why = good(&["why", "librarian", "-o", "json"]);
    let why: Value = serde_json::from_str(&why).unwrap();
    assert_eq!(why["ready"], true, "{why:#}");
    let stages: Vec<_> = why["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["stage"].clone())
        .collect();
    for stage in [
        "accepted",
        "references",
        "signature",
        "policy",
        "placement",
        "sandbox",
    ] {
        assert!(stages.contains(&json!(stage)), "{stage} in {stages:?}");
    }
    good(&["logs", "librarian"]);

    // Somebody without rights, then with the right to ask and no other, then as a service account.
    let alice = cluster.user("alice");
    let ask = ["-n", "people", "ask", "librarian", question];
    let (status, _, err) = aionctl(&alice, &ask);
    assert_eq!(status, 5, "{err}");
    kubectl(
        &cluster,
        &[
            "-n",
            "people",
            "create",
            "rolebinding",
            "ask",
            "--clusterrole=aion-invoke",
            "--user=alice",
        ],
    );
    let asked = until("alice to be let ask", BOUND, || {
        match aionctl(&alice, &ask) {
            (0, out, _) => Ok(out),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert!(asked.contains("every Thursday"), "{asked}");
    let (status, _, err) = aionctl(&alice, &["-n", "people", "apply", "-f", &librarian]);
    assert_eq!(status, 5, "{err}");
    kubectl(
        &cluster,
        &["-n", "people", "create", "serviceaccount", "robot"],
    );
    let (status, _, err) = here(&["--service-account", "robot", "ask", "librarian", question]);
    assert_eq!(status, 5, "{err}");
    assert!(
        err.contains("robot") && err.contains("rolebinding"),
        "{err}"
    );

    // What is of one machine says so.
    let (status, _, err) = here(&["mount", "list"]);
    assert_eq!(status, 2, "{err}");
    let broken = docs.path().join("broken.yaml");
    fs::write(
        &broken,
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec:\n  lane: fast\n",
    )
    .unwrap();
    let (status, _, err) = here(&["apply", "-f", &broken.to_string_lossy()]);
    assert!(
        status == 2 && err.contains("broken.yaml:5"),
        "{status} {err}"
    );
    good(&["delete", "agent", "librarian"]);
    good(&["delete", "pool", "library"]);
}

#[test]
fn an_api_server_that_goes_away_holds_up_nothing_and_loses_no_status() {
    let mut cluster = match ControlPlane::start() {
        Ok(cluster) => cluster,
        Err(StartError::Missing { component, why }) => {
            aion_testkit::skip(component, &why);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    furnish(&cluster).unwrap();
    prepare(&cluster, "outage");
    let docs = documents();
    let mut node = NodeAgent::start(&cluster, "node-a", docs.path(), false).unwrap();
    let token = kubectl(
        &cluster,
        &["-n", "aion-system", "create", "token", "aion-operator"],
    );
    let operator = cluster
        .kubeconfig_for_token("operator", token.trim())
        .unwrap();
    let file = docs.path().join("instance.json");
    fs::write(&file, placed().to_string()).unwrap();
    let file = file.to_string_lossy();
    cluster
        .kubectl_as(&operator, &["create", "-f", &file])
        .unwrap();
    let phase = |cluster: &ControlPlane, wanted: &str, node: &NodeAgent| {
        until(&format!("the phase {wanted}"), BOUND, || {
            let found = instance(cluster, "outage")?;
            match found["status"]["phase"] == wanted {
                true => Ok(()),
                false => Err(format!("{:#}\n{}", found["status"], node.tail())),
            }
        })
        .unwrap();
    };
    phase(&cluster, "Ready", &node);

    cluster.stop_api_server().unwrap();
    // A whole turn without it.
    let turns = "POST /api/v1/namespaces/outage/agents/keeper/turns";
    let (status, answer) = node.request_here(turns, Some(QUESTION)).unwrap();
    assert!(
        status == 200 && answer.contains("every Thursday"),
        "{answer}\n{}",
        node.tail()
    );
    // Nobody can say who is asking, and that is said.
    let (status, body) = node
        .request(turns, Some("some.token"), Some(QUESTION))
        .unwrap();
    assert_eq!(status, 502, "{body}");
    // Something to say that nobody hears.
    node.stop_launcher().unwrap();
    until("the node to notice", BOUND, || {
        match node.request_here("GET /readyz", None) {
            Ok((503, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    cluster.start_api_server().unwrap();
    phase(&cluster, "Pending", &node);
    node.start_launcher().unwrap();
    phase(&cluster, "Ready", &node);

    // Released once the node has let go of it, with the finalizer of nobody else.
    cluster
        .kubectl_as(
            &operator,
            &[
                "-n",
                "outage",
                "delete",
                "agentinstance",
                "keeper-0",
                "--timeout=120s",
            ],
        )
        .unwrap();
    let (status, _) = node.request_here(turns, Some(QUESTION)).unwrap();
    assert_eq!(status, 404);
}

fn until_ready(cluster: &ControlPlane, namespace: &str, node: &NodeAgent) {
    until("the agent to be ready", BOUND, || {
        let agent = get(cluster, &["-n", namespace, "agent", "librarian"])?;
        match condition(&agent, "Ready").starts_with("True") {
            true => Ok(()),
            false => Err(format!(
                "{:#}\n{:#}\n{}",
                agent["status"],
                instance(cluster, namespace).unwrap_or_default()["status"],
                node.tail()
            )),
        }
    })
    .unwrap();
}

fn instance(cluster: &ControlPlane, namespace: &str) -> Result<Value, String> {
    let mut all = get(cluster, &["-n", namespace, "agentinstances"])?;
    match all["items"].get_mut(0) {
        Some(one) => Ok(one.take()),
        None => Err("there is no instance".to_owned()),
    }
}

fn instance_count(cluster: &ControlPlane, namespace: &str) -> usize {
    let all = get(cluster, &["-n", namespace, "agentinstances"]).unwrap();
    all["items"].as_array().map_or(0, Vec::len)
}

/// The number of the turn whose events these are.
fn turn_of(events: &str) -> u64 {
    let mut lines = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let found = lines.find_map(|line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event["turn"]
            .as_u64()
            .or_else(|| event["queued"]["turn"].as_u64())
    });
    found.unwrap_or_else(|| panic!("no turn in {events}"))
}

/// Whether any file beneath `folder` has `text` in it.
fn holds(folder: &Path, text: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| match path.is_dir() {
            true => holds(&path, text),
            false => fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|it| it == text.as_bytes())),
        })
}

/// An instance as the operator would make it.
fn placed() -> Value {
    json!({
        "apiVersion": "aion.dev/v1alpha1",
        "kind": "AgentInstance",
        "metadata": {"name": "keeper-0", "namespace": "outage", "finalizers": ["aion.dev/drain"]},
        "spec": {
            "agent": {"name": "keeper", "uid": "0190163d-8694-739b-aea5-966c26f8ad91"},
            "tenant": "outage",
            "nodeName": "node-a",
            "revision": "0".repeat(64),
            "inline": {"instructions": "Be brief."},
            "memory": {"pool": "notes", "poolUid": "0190163d-8694-739b-aea5-966c26f8ad92"},
            "knowledge": ["docs"],
            "mounts": [{"name": "docs", "volume": "docs", "mode": "read"}],
            "grants": [
                {"capability": "memory.remember"}, {"capability": "memory.recall"},
                {"capability": "memory.forget"}, {"capability": "agent.message"},
                {"capability": "agent.checkpoint"}, {"capability": "fs.read:docs"},
                {"capability": "fs.list:docs"},
            ],
            "quotas": {"tokensPerHour": 1000, "callsPerMinute": 1000, "concurrentCalls": 4},
            "limits": {
                "maxSteps": 4, "turnSeconds": 120, "memoryMiB": 256, "cpuMillis": 1000,
                "withoutModel": "quote",
            },
        },
    })
}
