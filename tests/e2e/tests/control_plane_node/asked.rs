//! An agent of a cluster is asked on its node by those who may, and erased with all it kept.

use std::{fs, path::Path};

use aion_e2e::cluster::{BOUND, root};
use aion_e2e::node_agent::NodeAgent;
use aion_e2e::story::Story;
use aion_testkit::{ControlPlane, StartError, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{QUESTION, documents, get, instance, kubectl};

#[test]
fn an_agent_of_a_cluster_is_asked_on_its_node_by_those_who_may() {
    let Some(story) = Story::with_policies("asked") else {
        return;
    };
    let cluster = story.cluster;
    let docs = documents();
    let mut node = story.node_agent("node-real", docs.path());
    let _operator = story.operator("operator-of-a-real-node");
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
    a_token_that_opens_the_api_server_is_not_taken(cluster, &node, TURNS);
    // A turn is somebody's conversation.
    let turn = turn_of(&answered);
    let record = format!("GET /api/v1/turns/{turn}");
    assert_eq!(node.request(&record, Some(&asker), None).unwrap().0, 200);
    assert_eq!(refused(&record, Some(&stranger)), 403);
    // `%31` is a 1 to the endpoint, and to who guards it.
    let spelled = format!("GET /api/v1/turns/%3{turn}");
    assert_eq!(node.request(&spelled, Some(&asker), None).unwrap().0, 200);
    assert_eq!(refused(&spelled, Some(&stranger)), 403);
    assert_eq!(refused("GET /api/v1/turns/999999", Some(&asker)), 404);
    let logs = "GET /api/v1/namespaces/asked/agents/librarian/logs";
    assert_eq!(node.request(logs, Some(&asker), None).unwrap().0, 200);
    assert_eq!(refused(logs, Some(&stranger)), 403);
    // Resources are the API server's: not even an admin finds them here.
    let boss = account(cluster, "asked", "boss");
    let boss_may = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "boss"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "boss", "namespace": "asked"}],
    });
    story.apply_everywhere(&boss_may.to_string());
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
    let other = story.login_of_node("node-other");
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

    a_node_that_is_forgotten_and_lives_registers_anew(cluster, &node);
    until_ready(cluster, "asked", &node);
    until(
        "the agent to be asked on the new node",
        BOUND,
        || match node.request(TURNS, Some(&asker), Some(QUESTION)) {
            Ok((200, body)) if body.contains("every Thursday") => Ok(()),
            other => Err(format!("{other:?}\n{}", node.tail())),
        },
    )
    .unwrap();

    // Deleting lets go of the instance, then erases: what was lost here with the node that was forgotten, too.
    let memory = node.home().join("state/memory");
    assert!(holds(&memory, "Thursday"), "nothing was remembered");
    kubectl(cluster, &["-n", "asked", "delete", "agent", "librarian"]);
    kubectl(cluster, &["-n", "asked", "delete", "memorypool", "library"]);
    assert!(instance_count(cluster, "asked") == 0);
    assert!(!holds(&memory, "Thursday"), "something is left");
    for place in ["state/turns", "logs/asked"] {
        let files = fs::read_dir(node.home().join(place)).into_iter().flatten();
        let files: Vec<_> = files.flatten().map(|it| it.file_name()).collect();
        let left: Vec<_> = files.iter().filter(|name| *name != "uploads").collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
    let (status, _) = node.request(TURNS, Some(&asker), Some(QUESTION)).unwrap();
    assert_eq!(status, 404);
}

/// Of somebody who may ask, with a token that a node agent could use elsewhere.
fn a_token_that_opens_the_api_server_is_not_taken(
    cluster: &ControlPlane,
    node: &NodeAgent,
    turns: &str,
) {
    let server = "https://kubernetes.default.svc";
    for audiences in [
        &[][..],
        &[server],
        &[server, "aion.dev/node-agent"],
        &["somebody.else"],
    ] {
        let token = token(cluster, "asked", "asker", audiences);
        let (status, body) = node.request(turns, Some(&token), Some(QUESTION)).unwrap();
        assert_eq!(status, 401, "{audiences:?}: {body}");
        assert!(body.contains("--audience=aion.dev/node-agent"), "{body}");
    }
}

/// It comes back within a heartbeat, and the memory that it had is not the pool's.
fn a_node_that_is_forgotten_and_lives_registers_anew(cluster: &ControlPlane, node: &NodeAgent) {
    let uid = |kind: &str, name: &str| {
        let found = get(cluster, &["-n", "asked", kind, name])?;
        Ok::<_, String>(found["metadata"]["uid"].clone())
    };
    let known_by =
        || Ok::<_, String>(instance(cluster, "asked")?["spec"]["memory"]["poolUid"].clone());
    let (before, memory) = (uid("kernelnode", "node-real").unwrap(), known_by().unwrap());
    kubectl(cluster, &["delete", "kernelnode", "node-real"]);
    until("the node to register anew", BOUND, || {
        let now = uid("kernelnode", "node-real")?;
        let pool = get(cluster, &["-n", "asked", "memorypool", "library"])?;
        let status = &pool["status"];
        let moved = status["timesLost"] == 1 && status["nodeName"] == "node-real";
        match now != before && moved && known_by()? != memory {
            true => Ok(()),
            false => Err(format!("{now} {status:#}\n{}", node.tail())),
        }
    })
    .unwrap();
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
pub(crate) fn account(cluster: &ControlPlane, namespace: &str, name: &str) -> String {
    kubectl(
        cluster,
        &["-n", namespace, "create", "serviceaccount", name],
    );
    token(cluster, namespace, name, &["aion.dev/node-agent"])
}

/// A token for `audiences`; without any, for the API server.
pub(crate) fn token(
    cluster: &ControlPlane,
    namespace: &str,
    name: &str,
    audiences: &[&str],
) -> String {
    let audiences: Vec<String> = audiences
        .iter()
        .map(|it| format!("--audience={it}"))
        .collect();
    let mut args = vec!["-n", namespace, "create", "token", name];
    args.extend(audiences.iter().map(String::as_str));
    kubectl(cluster, &args).trim().to_owned()
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
