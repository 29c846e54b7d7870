//! Who may write what: with real tokens, against a real API server.

use std::path::{Path, PathBuf};

use aion_e2e::cluster::root;
use aion_e2e::story::Story;
use aion_testkit::StartError;
use serde_json::{Value, json};

const SYSTEM: &str = "aion-system";

/// The identities of this story.
struct Cast {
    operator: PathBuf,
    node_a: PathBuf,
    node_b: PathBuf,
    story: Story,
}

fn cast(test: &'static str) -> Option<Cast> {
    let story = Story::bare(test)?;
    let token = story
        .cluster
        .kubectl(&["-n", SYSTEM, "create", "token", "aion-operator"])
        .unwrap();
    let operator = story
        .cluster
        .kubeconfig_for_token(&format!("{test}-operator"), token.trim())
        .unwrap();
    Some(Cast {
        operator,
        node_a: story.login_of_node("node-a"),
        node_b: story.login_of_node("node-b"),
        story,
    })
}

impl Cast {
    fn run(&self, who: &Path, args: &[&str]) -> Result<String, String> {
        self.story
            .cluster
            .kubectl_as(who, args)
            .map_err(|error| match error {
                StartError::Command { .. } => error.to_string(),
                other => panic!("{other}"),
            })
    }

    fn apply(&self, who: &Path, object: &Value, more: &[&str]) -> Result<String, String> {
        let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
        std::fs::write(file.path(), object.to_string()).unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let manager = [
            "apply",
            "--server-side",
            "--field-manager=story",
            "--force-conflicts",
            "-f",
            &path,
        ];
        self.run(who, &[&manager[..], more].concat())
    }
}

fn instance(namespace: &str, name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "AgentInstance",
        "metadata": {"name": name, "namespace": namespace, "finalizers": ["aion.dev/drain"]},
        "spec": {
            "agent": {"name": "a", "uid": "u"}, "tenant": namespace, "nodeName": node, "revision": "0".repeat(64),
            "inline": {"instructions": "x"},
            "quotas": {"tokensPerHour": 1, "callsPerMinute": 1, "concurrentCalls": 1},
            "limits": {"maxSteps": 1, "turnSeconds": 1, "memoryMiB": 64, "cpuMillis": 100},
        },
    })
}

fn status(namespace: &str, name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "AgentInstance", "metadata": {"name": name, "namespace": namespace},
        "status": {"phase": phase},
    })
}

fn refused(result: Result<String, String>, words: &str) {
    let error = result.expect_err("it was accepted");
    assert!(
        error.contains(words),
        "refused, but not with {words:?}:\n{error}"
    );
}

#[test]
fn a_user_cannot_write_an_agent_instance() {
    let Some(cast) = cast("forger") else { return };
    let forged = instance("forger", "forged", "node-a");
    let admin = cast.story.cluster.admin();
    refused(cast.apply(&admin, &forged, &[]), "change the Agent instead");
    // Who may edit everything in a namespace has no right to it either.
    cast.story
        .cluster
        .kubectl(&[
            "-n",
            "forger",
            "create",
            "rolebinding",
            "edit",
            "--clusterrole=admin",
            "--user=alice",
        ])
        .unwrap();
    refused(
        cast.apply(&cast.story.cluster.user("alice"), &forged, &[]),
        "cannot patch resource",
    );

    cast.apply(&cast.operator, &forged, &[]).unwrap();
    refused(
        cast.run(
            &admin,
            &["-n", "forger", "label", "agentinstance", "forged", "x=y"],
        ),
        "change the Agent instead",
    );
    refused(
        cast.run(
            &admin,
            &["-n", "forger", "delete", "agentinstance", "forged"],
        ),
        "change the Agent instead",
    );
    refused(
        cast.apply(
            &admin,
            &status("forger", "forged", "Ready"),
            &["--subresource=status"],
        ),
        "node agent of node node-a",
    );
    refused(
        cast.apply(
            &cast.operator,
            &status("forger", "forged", "Ready"),
            &["--subresource=status"],
        ),
        "agentinstances/status",
    );
}

#[test]
fn an_instance_is_immutable_but_for_the_policy_revision() {
    let Some(cast) = cast("immutable") else {
        return;
    };
    let mut object = instance("immutable", "i", "node-a");
    cast.apply(&cast.operator, &object, &[]).unwrap();
    object["spec"]["policyRevision"] = "1".repeat(64).into();
    cast.apply(&cast.operator, &object, &[]).unwrap();
    for (field, value) in [
        ("nodeName", json!("node-b")),
        ("lane", json!("batch")),
        ("knowledge", json!(["docs"])),
    ] {
        let mut changed = object.clone();
        changed["spec"][field] = value;
        refused(
            cast.apply(&cast.operator, &changed, &[]),
            "immutable but for policyRevision",
        );
    }
}

#[test]
fn node_a_cannot_write_node_bs_status() {
    let Some(cast) = cast("nodes") else { return };
    for node in ["node-a", "node-b"] {
        cast.apply(
            &cast.operator,
            &instance("nodes", &format!("on-{node}"), node),
            &[],
        )
        .unwrap();
    }
    let write = |who: &Path, name: &str| {
        cast.apply(
            who,
            &status("nodes", name, "Ready"),
            &["--subresource=status"],
        )
    };
    write(&cast.node_a, "on-node-a").unwrap();
    write(&cast.node_b, "on-node-b").unwrap();
    refused(
        write(&cast.node_a, "on-node-b"),
        "written by the node agent of node node-b, and this is the node agent of node node-a",
    );
    // A token of the same service account that is bound to no node says nothing for any node.
    let token = cast
        .story
        .cluster
        .kubectl(&["-n", SYSTEM, "create", "token", "aion-node"])
        .unwrap();
    let nowhere = cast
        .story
        .cluster
        .kubeconfig_for_token("nodes-nowhere", token.trim())
        .unwrap();
    refused(
        write(&nowhere, "on-node-a"),
        "written by the node agent of node node-a",
    );

    // The finalizer: its own, and nothing besides.
    let drained = |who: &Path, name: &str, patch: &str| {
        cast.run(
            who,
            &[
                "-n",
                "nodes",
                "patch",
                "agentinstance",
                name,
                "--type=merge",
                "-p",
                patch,
            ],
        )
    };
    let free = r#"{"metadata":{"finalizers":null}}"#;
    refused(
        drained(&cast.node_a, "on-node-b", free),
        "instances of node node-a",
    );
    refused(
        drained(
            &cast.node_a,
            "on-node-a",
            &format!(r#"{{"spec":{{"policyRevision":"{}"}}}}"#, "2".repeat(64)),
        ),
        "instances of node node-a",
    );
    refused(
        drained(
            &cast.node_a,
            "on-node-a",
            r#"{"metadata":{"labels":{"x":"y"}}}"#,
        ),
        "instances of node node-a",
    );
    refused(
        drained(
            &cast.node_a,
            "on-node-a",
            r#"{"metadata":{"finalizers":["aion.dev/drain","x/y"]}}"#,
        ),
        "instances of node node-a",
    );
    let audited = r#"{"metadata":{"finalizers":["aion.dev/drain","example.com/audit"]}}"#;
    drained(&cast.operator, "on-node-a", audited).unwrap();
    refused(
        drained(&cast.node_a, "on-node-a", free),
        "may only take its finalizer away",
    );
    let own = r#"{"metadata":{"finalizers":["example.com/audit"]}}"#;
    drained(&cast.node_a, "on-node-a", own).unwrap();
    drained(&cast.operator, "on-node-a", free).unwrap();
}

#[test]
fn a_node_agent_speaks_for_its_own_node_only() {
    let Some(cast) = cast("kernelnodes") else {
        return;
    };
    let node = |name: &str| {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "KernelNode", "metadata": {"name": name}, "spec": {},
        })
    };
    let capacity = |name: &str| {
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "KernelNode", "metadata": {"name": name},
            "status": {"capacity": {"instances": 5, "memoryMiB": 100, "cpuMillis": 100}},
        })
    };
    // What it may not change it may not begin with.
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": "node-a", "uid": "gone"});
    for (part, field, value, words) in [
        (
            "metadata",
            "finalizers",
            json!(["example.com/stay"]),
            "when its KernelNode may go",
        ),
        (
            "metadata",
            "ownerReferences",
            json!([owner]),
            "when its KernelNode may go",
        ),
        (
            "spec",
            "scheduling",
            json!("pause"),
            "people say whether instances are placed there",
        ),
    ] {
        let mut more = node("node-a");
        more[part][field] = value;
        refused(cast.apply(&cast.node_a, &more, &[]), words);
    }
    cast.apply(&cast.node_a, &node("node-a"), &[]).unwrap();
    let mut owned = node("node-a");
    owned["metadata"]["ownerReferences"] = json!([owner]);
    refused(
        cast.apply(&cast.node_a, &owned, &[]),
        "when its KernelNode may go",
    );
    refused(
        cast.apply(&cast.node_a, &node("node-b"), &[]),
        "may not write the KernelNode node-b",
    );
    cast.apply(&cast.node_b, &node("node-b"), &[]).unwrap();
    cast.apply(&cast.node_a, &capacity("node-a"), &["--subresource=status"])
        .unwrap();
    refused(
        cast.apply(&cast.node_a, &capacity("node-b"), &["--subresource=status"]),
        "may not write the KernelNode node-b",
    );
    let admin = cast.story.cluster.admin();
    refused(
        cast.apply(&admin, &capacity("node-b"), &["--subresource=status"]),
        "written by its node agent and the operator",
    );
    let patch = |who: &Path, patch: &str| {
        let args = ["patch", "kernelnode", "node-a", "--type=merge", "-p", patch];
        cast.run(who, &args)
    };
    let pause = r#"{"spec":{"scheduling":"pause"}}"#;
    for who in [&cast.node_a, &cast.operator] {
        let words = "people say whether instances are placed there";
        refused(patch(who, pause), words);
    }
    patch(&admin, pause).unwrap();
    let held = r#"{"metadata":{"finalizers":["aion.dev/forget"]}}"#;
    patch(&cast.operator, held).unwrap();
    refused(
        patch(&cast.node_a, r#"{"metadata":{"finalizers":null}}"#),
        "when its KernelNode may go",
    );

    let lease = |name: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": SYSTEM},
            "spec": {"holderIdentity": "x", "leaseDurationSeconds": 40},
        })
    };
    cast.apply(&cast.node_a, &lease("aion-node.node-a"), &[])
        .unwrap();
    refused(
        cast.apply(&cast.node_a, &lease("aion-node.node-b"), &[]),
        "Lease of its own node only",
    );
    refused(
        cast.apply(&cast.node_a, &lease("aion-operator"), &[]),
        "Lease of its own node only",
    );
    cast.apply(&cast.operator, &lease("aion-node.node-a"), &[])
        .expect_err("a node's Lease is the node's");
}

#[test]
fn a_node_says_what_it_erased_itself_and_nothing_else() {
    let Some(cast) = cast("pools") else { return };
    let pool = |part: &str, value: Value| {
        let mut object = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool", "metadata": {"name": "p", "namespace": "pools"},
        });
        object[part] = value;
        object
    };
    let admin = cast.story.cluster.admin();
    cast.apply(&admin, &pool("spec", json!({})), &[]).unwrap();
    let write = |who: &Path, value: Value| {
        cast.apply(
            who,
            &pool("status", value),
            &["--subresource=status", "--force-conflicts"],
        )
    };
    write(&cast.operator, json!({"nodeName": "node-a"})).unwrap();
    let erased =
        |node: &str| json!({"nodeName": "node-a", "erasures": [{"node": node, "state": "Erased"}]});
    write(&cast.node_a, erased("node-a")).unwrap();
    refused(
        write(
            &cast.node_b,
            json!({"nodeName": "node-a", "erasures": [{"node": "node-a", "state": "NotErased"}]}),
        ),
        "own entry of status.erasures only",
    );
    refused(
        write(&cast.node_b, json!({"nodeName": "node-b"})),
        "own entry of status.erasures only",
    );
    refused(
        write(
            &cast.operator,
            json!({"nodeName": "node-a", "erasures": [{"node": "node-a", "state": "NotErased"}]}),
        ),
        "said by that node",
    );
    refused(
        write(&admin, json!({"nodeName": "node-b"})),
        "written by the operator and the node that holds it",
    );
}

#[test]
fn the_shipped_policies_are_accepted() {
    let Some(cast) = cast("shipped") else { return };
    let admin = cast.story.cluster.admin();
    for file in ["standalone.yaml", "cluster.yaml"] {
        let path = root().join("policies").join(file);
        let path = path.to_string_lossy();
        cast.run(
            &admin,
            &[
                "apply",
                "--dry-run=server",
                "--warnings-as-errors",
                "-f",
                &path,
            ],
        )
        .unwrap();
    }
}
