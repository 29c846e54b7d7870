//! A node that is lost: what was there is let go, and nothing of anybody else with it.

use aion_e2e::cluster::BOUND;
use aion_e2e::story::{Story, on, story};
use aion_testkit::until;
use serde_json::{Value, json};

/// Patches an instance, which only the operator may.
fn patch_as_operator(story: &Story, instance: &str, patch: &str) {
    let token = ["-n", "aion-system", "create", "token", "aion-operator"];
    let token = story.cluster.kubectl(&token).unwrap();
    let operator = story
        .cluster
        .kubeconfig_for_token("patching-operator", token.trim())
        .unwrap();
    let place = ["-n", story.namespace, "patch", "agentinstance", instance];
    let what = ["--type=merge", "-p", patch];
    story
        .cluster
        .kubectl_as(&operator, &[&place[..], &what].concat())
        .unwrap();
}

#[test]
fn an_instance_that_is_let_go_keeps_the_finalizers_of_others() {
    let Some(story) = story("audited") else {
        return;
    };
    let node = story.node("node-audited");
    story.apply("Agent", "a", on("node-audited", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    let name = instance["metadata"]["name"].as_str().unwrap();
    let audited = r#"{"metadata":{"finalizers":["aion.dev/drain","example.com/audit"]}}"#;
    patch_as_operator(&story, name, audited);
    story
        .cluster
        .kubectl(&["delete", "node", "node-audited"])
        .unwrap();
    until("the operator to let go of it", BOUND, || {
        let instance = story.get("agentinstance", name)?;
        match &instance["metadata"]["finalizers"] {
            Value::Array(left) if left == &["example.com/audit"] => Ok(()),
            other => Err(format!("{other}")),
        }
    })
    .unwrap();
    story.event("InstanceLost");
    patch_as_operator(&story, name, r#"{"metadata":{"finalizers":null}}"#);
    story.gone("agentinstance", name);
}
