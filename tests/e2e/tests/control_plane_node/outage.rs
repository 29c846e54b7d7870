//! An API server that goes away: what runs goes on, and what is to be said is said later.

use std::fs;

use aion_e2e::cluster::{BOUND, furnish, namespace, policies};
use aion_e2e::node_agent::NodeAgent;
use aion_testkit::{ControlPlane, or_skip, until};
use serde_json::{Value, json};

use crate::{QUESTION, documents, instance, kubectl};

#[test]
fn an_api_server_that_goes_away_holds_up_nothing_and_loses_no_status() {
    let Some(mut cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    furnish(&cluster).unwrap();
    policies(&cluster).unwrap();
    namespace(&cluster, "outage").unwrap();
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
