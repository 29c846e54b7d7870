//! Who may write the status of a device: with real tokens, against a real API server.

use aion_e2e::story::Story;
use serde_json::{Value, json};

const HOME: &str = "bound-devices";

fn patch(story: &Story, who: &std::path::Path, status: &Value) -> Result<String, String> {
    let patch = json!({"status": status}).to_string();
    let args = [
        "-n",
        HOME,
        "patch",
        "device",
        "lamp",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ];
    let patched = story.cluster.kubectl_as(who, &args);
    patched.map_err(|error| error.to_string())
}

fn refused(result: Result<String, String>, words: &str) {
    let error = result.expect_err("it was accepted");
    assert!(
        error.contains(words),
        "refused, but not with {words:?}:\n{error}"
    );
}

fn condition(type_: &str, status: &str) -> Value {
    json!({"type": type_, "status": status, "reason": "Told", "message": "so",
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

#[test]
fn a_device_is_bound_by_the_operator_and_its_node_alone_says_how_it_stands() {
    let Some(story) = Story::bare(HOME) else {
        return;
    };
    story.apply(
        "Device",
        "lamp",
        json!({"model": "lamp", "mqtt": {"broker": "b"}}),
    );
    let token = ["-n", "aion-system", "create", "token", "aion-operator"];
    let token = story.cluster.kubectl(&token).unwrap();
    let operator = story
        .cluster
        .kubeconfig_for_token("binding-operator", token.trim())
        .unwrap();
    let [a, b] = ["node-a", "node-b"].map(|node| story.login_of_node(node));
    let admin = story.cluster.admin();
    let said = json!({"conditions": [condition("Accepted", "True"), condition("Ready", "True")]});
    refused(
        patch(&story, &admin, &said),
        "written by the operator and the node that has it",
    );
    refused(
        patch(&story, &a, &said),
        "this is the node agent of node node-a",
    );
    refused(
        patch(&story, &a, &json!({"nodeName": "node-a"})),
        "this is the node agent of node node-a",
    );

    let bound = json!({"nodeName": "node-a", "binding": "Serve", "conditions": [condition("Accepted", "True")]});
    patch(&story, &operator, &bound).unwrap();
    patch(&story, &a, &said).unwrap();
    refused(
        patch(&story, &b, &said),
        "this is the node agent of node node-b",
    );
    let judged = json!({"conditions": [condition("Accepted", "False")]});
    refused(patch(&story, &a, &judged), "said by the operator");
    let gone = json!({"nodeName": null, "binding": null});
    for other in [
        &gone,
        &json!({"nodeName": "node-b"}),
        &json!({"binding": null}),
    ] {
        refused(patch(&story, &a, other), "said by the operator");
    }
    patch(&story, &operator, &json!({"binding": "Release"})).unwrap();
    refused(
        patch(&story, &a, &json!({"binding": "Serve"})),
        "said by the operator",
    );
    patch(&story, &a, &gone).unwrap();
    refused(
        patch(&story, &a, &said),
        "this is the node agent of node node-a",
    );
}
