//! A node that is lost: what was there is let go, and nothing of anybody else with it.

use std::process::{Command, Stdio};

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

/// Runs aionctl as the admin, without a terminal: exit status, and what it wrote.
fn aionctl(story: &Story, args: &[&str]) -> (i32, String) {
    let output = Command::new(aion_e2e::program("aionctl").unwrap())
        .env_clear()
        .arg("--kubeconfig")
        .arg(story.cluster.admin())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn a_node_that_is_forgotten_gives_up_its_agents_and_its_pools_say_what_is_lost() {
    let Some(story) = story("forgotten") else {
        return;
    };
    let anywhere = json!({"labels": {"test/zone": "forgotten"}});
    let first = story.node_with("node-forgotten-1", anywhere.clone());
    story.apply("MemoryPool", "p", json!({}));
    let spec = json!({
        "instructions": "x", "memory": {"pool": "p"}, "nodeSelector": {"test/zone": "forgotten"},
    });
    story.apply("Agent", "a", spec);
    let [old] = story.instances(&first, 1).try_into().unwrap();
    first.ready(&old).unwrap();
    let message = story.condition("memorypool", "p", "Ready", "True Bound");
    assert_eq!(message, "on node node-forgotten-1");
    let second = story.node_with("node-forgotten-2", anywhere);
    // Gone: what is to be done is said, and nothing is given up by itself.
    let kubectl = |args: &[&str]| story.cluster.kubectl(args).unwrap();
    kubectl(&["delete", "node", "node-forgotten-1"]);
    let words = "aionctl --cluster node forget node-forgotten-1";
    let message = story.condition("agent", "a", "Ready", "False NoNodeFits");
    assert!(message.contains(words), "{message}");
    let message = story.condition("memorypool", "p", "Ready", "False NodeGone");
    assert!(message.contains(words), "{message}");

    let forget = ["node", "forget", "node-forgotten-1"];
    let (status, text) = aionctl(&story, &["delete", "node", "node-forgotten-1"]);
    assert!(status == 2 && text.contains(words), "{status}: {text}");
    let (status, text) = aionctl(&story, &forget);
    assert!(status == 2 && text.contains("--yes"), "{status}: {text}");
    assert!(text.contains("1 pool: forgotten/p"), "{text}");
    let (status, text) = aionctl(&story, &[&forget[..], &["--yes"]].concat());
    assert_eq!(status, 0, "{text}");

    let [new] = story.instances(&second, 1).try_into().unwrap();
    let known_by = |it: &Value| it["spec"]["memory"]["poolUid"].clone();
    assert_ne!(known_by(&old), known_by(&new), "it would be the old memory");
    let message = story.condition("memorypool", "p", "Ready", "True Bound");
    assert!(message.starts_with("on node node-forgotten-2"), "{message}");
    assert!(
        message.contains("was lost with node node-forgotten-1"),
        "{message}"
    );
    let status = story.get("memorypool", "p").unwrap()["status"].take();
    assert_eq!(status["timesLost"], 1, "{status:#}");
    assert_eq!(status["losses"][0]["node"], "node-forgotten-1");
    story.gone("kernelnode", "node-forgotten-1");
    assert!(story.event("MemoryLost").contains("node-forgotten-1"));
}

#[test]
fn a_silent_node_is_forgotten_with_the_instances_that_it_cannot_drain() {
    let Some(story) = story("silent") else { return };
    let node = story.node("node-silent");
    story.apply("Agent", "a", on("node-silent", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    node.heartbeat(1).unwrap();
    // Its Node is there, and so it might come back: nothing is given up.
    until("words on what to do", BOUND, || {
        let node = story.get("kernelnode", "node-silent")?;
        let conditions = node["status"]["conditions"].to_string();
        match conditions.contains("aionctl --cluster node forget") {
            true => Ok(()),
            false => Err(conditions),
        }
    })
    .unwrap();
    story.instances(&node, 1);
    let (status, text) = aionctl(&story, &["node", "forget", "node-silent", "--yes"]);
    assert!(
        status == 0 && text.contains("1 agent: silent/a"),
        "{status}: {text}"
    );
    story.gone("kernelnode", "node-silent");
    story.gone(
        "agentinstance",
        instance["metadata"]["name"].as_str().unwrap(),
    );
    story.condition("agent", "a", "Ready", "False NoNodeFits");
}

#[test]
fn a_node_is_forgotten_though_an_agent_on_it_cannot_be_resolved() {
    let Some(story) = story("unresolved") else {
        return;
    };
    let node = story.node("node-unresolved");
    story.apply("Agent", "a", on("node-unresolved", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    let missing = json!({"tools": [{"name": "missing"}]});
    story.apply("Agent", "a", on("node-unresolved", missing));
    story.condition("agent", "a", "ResolvedRefs", "False NotFound");
    // Its Node is gone, and might come back: what is there stays.
    let kubectl = |args: &[&str]| story.cluster.kubectl(args).unwrap();
    kubectl(&["delete", "node", "node-unresolved"]);
    story.condition("kernelnode", "node-unresolved", "Ready", "False NodeGone");
    story.instances(&node, 1);

    let (status, text) = aionctl(&story, &["node", "forget", "node-unresolved", "--yes"]);
    assert_eq!(status, 0, "{text}");
    story.gone("kernelnode", "node-unresolved");
    let name = instance["metadata"]["name"].as_str().unwrap();
    story.gone("agentinstance", name);
}
