//! What is wrong is said where a person looks: as a condition, with the field and what to do about it.

use aion_e2e::cluster::BOUND;
use aion_e2e::story::{on, story};
use aion_testkit::until;
use serde_json::json;

fn holds(message: &str, words: &[&str]) {
    for words in words {
        assert!(message.contains(words), "no {words:?} in: {message}");
    }
}

#[test]
fn which_node_cannot_take_it_is_said_with_the_reason_of_each() {
    let Some(story) = story("fits") else { return };
    let (_first, _second) = (story.node("node-fits-a"), story.node("node-fits-b"));
    story.apply("Agent", "moon", on("the-moon", json!({})));
    let message = story.condition("agent", "moon", "Ready", "False NoNodeFits");
    holds(
        &message,
        &[
            "node-fits-a: does not have the label test/node=the-moon of nodeSelector",
            "node-fits-b: does not have the label test/node=the-moon of nodeSelector",
        ],
    );
    story.apply(
        "Agent",
        "large",
        on("node-fits-a", json!({"limits": {"memoryMiB": 65536}})),
    );
    let message = story.condition("agent", "large", "Stalled", "True NoNodeFits");
    holds(
        &message,
        &[
            "node-fits-a: has 8192 MiB for instances, and one needs 65536",
            "node-fits-b: does not have the label",
        ],
    );
    holds(&story.event("NoNodeFits"), &["node-fits-a: has 8192 MiB"]);
}

#[test]
fn rights_that_contradict_each_other_or_are_none_name_their_field() {
    let Some(story) = story("rights") else { return };
    story.apply(
        "Agent",
        "torn",
        json!({"instructions": "x", "memory": {"pool": "p"}, "permissions": {
            "allow": ["memory.forget", "fs.read"], "ask": ["memory.forget"],
        }}),
    );
    let message = story.condition("agent", "torn", "Accepted", "False Invalid");
    holds(
        &message,
        &[
            "spec.permissions.allow[1]: fs.read: files are asked for under permissions.files",
            "spec.permissions.ask[0]: memory.forget is under both allow and ask: remove one of them",
        ],
    );
    story.condition("agent", "torn", "Ready", "False Invalid");
    story.condition("agent", "torn", "Stalled", "True Invalid");
}

#[test]
fn what_a_policy_takes_away_is_named_with_the_policy() {
    let Some(story) = story("policies") else {
        return;
    };
    let node = story.node("node-policies");
    story.apply("MemoryPool", "p", json!({}));
    story.apply("AgentPolicy", "strict", json!({"allow": ["agent.*"]}));
    story.apply(
        "Agent",
        "a",
        on("node-policies", json!({"memory": {"pool": "p"}})),
    );
    let message = story.condition("agent", "a", "Accepted", "False NotGranted");
    holds(
        &message,
        &[
            "spec.memory: memory.recall:p is not granted",
            "AgentPolicy/strict",
        ],
    );
    // It is taken back, and nothing else is to be done.
    story.delete("agentpolicy", "strict");
    story.condition("agent", "a", "Accepted", "True Accepted");
    story.instances(&node, 1);
}

#[test]
fn a_volume_that_no_node_has_and_a_secret_that_is_missing_are_references_too() {
    let Some(story) = story("absent") else { return };
    let node = story.node("node-absent");
    let policy = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy", "metadata": {"name": "absent"},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "absent"}},
            "mounts": [{"mount": "archive", "mode": "read", "volume": "tape"}],
        },
    });
    story.apply_everywhere(&policy.to_string());
    let reader = json!({"permissions": {"files": [{"mount": "archive"}]}});
    story.apply("Agent", "reader", on("node-absent", reader));
    let message = story.condition("agent", "reader", "ResolvedRefs", "False MountNotMapped");
    holds(
        &message,
        &[
            "spec.permissions.files[archive]: the mount archive is the volume tape, which no node has: map it on a node",
        ],
    );
    // Nobody but the node sees Secrets.
    story.apply("Agent", "caller", on("node-absent", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    let missing = "the key keys/local of ModelEndpoint local is not there: make the Secret keys in this namespace";
    let told = [
        ("Verified", "True", "Inline", "as it should be"),
        ("ResolvedRefs", "False", "NotFound", missing),
        ("Ready", "False", "NotFound", missing),
    ];
    node.report(&instance, "Failed", &told).unwrap();
    let message = story.condition("agent", "caller", "ResolvedRefs", "False NotFound");
    assert_eq!(message, format!("on node node-absent: {missing}"));
    let message = story.condition("agent", "caller", "Ready", "False InstanceFailed");
    holds(
        &message,
        &["on node node-absent: NotFound: the key keys/local"],
    );
}

#[test]
fn a_cordoned_node_takes_no_new_agents_until_it_is_uncordoned() {
    let Some(story) = story("cordon") else { return };
    let node = story.node("node-cordon");
    story.apply("Agent", "first", on("node-cordon", json!({})));
    story.instances(&node, 1);
    // It waits whatever happens, and says when the operator has heard of the cordon.
    let large = json!({"limits": {"memoryMiB": 65536}});
    story.apply("Agent", "large", on("node-cordon", large));
    let said = || story.condition("agent", "large", "Ready", "False NoNodeFits");
    holds(&said(), &["node-cordon: has 8192 MiB for instances"]);
    story.cluster.kubectl(&["cordon", "node-cordon"]).unwrap();
    until("the operator to hear of the cordon", BOUND, || {
        let said = said();
        said.contains("is cordoned").then_some(()).ok_or(said)
    })
    .unwrap();
    story.apply("Agent", "second", on("node-cordon", json!({})));
    let message = story.condition("agent", "second", "Ready", "False NoNodeFits");
    holds(
        &message,
        &["node-cordon: is cordoned and takes no new instances until kubectl uncordon node-cordon"],
    );
    // What is there stays.
    story.instances(&node, 1);
    story.cluster.kubectl(&["uncordon", "node-cordon"]).unwrap();
    story.instances(&node, 2);
}

#[test]
fn an_agent_that_waits_for_room_gets_it_when_another_is_gone() {
    let Some(story) = story("room") else { return };
    let node = story.node_with(
        "node-room",
        json!({"capacity": {"instances": 1, "memoryMiB": 1024, "cpuMillis": 1000}}),
    );
    story.apply("Agent", "first", on("node-room", json!({})));
    story.instances(&node, 1);
    story.apply("Agent", "second", on("node-room", json!({})));
    let message = story.condition("agent", "second", "Ready", "False NoNodeFits");
    holds(&message, &["node-room: is full: it takes 1 instances"]);
    story.delete("agent", "first");
    node.drained(&story.draining(&node)).unwrap();
    story.gone("agent", "first");
    until("the second to get the room", BOUND, || {
        let there = node.instances("room").map_err(|e| e.to_string())?;
        match there.first() {
            Some(instance) if instance["spec"]["agent"]["name"] == "second" => Ok(()),
            _ => Err(format!("{there:?}")),
        }
    })
    .unwrap();
}

#[test]
fn a_node_is_never_given_more_than_it_takes_by_agents_that_come_at_once() {
    let Some(story) = story("crowd") else { return };
    let node = story.node_with(
        "node-crowd",
        json!({"capacity": {"instances": 5, "memoryMiB": 1024, "cpuMillis": 1000}}),
    );
    let crowd: Vec<_> = (0..20)
        .map(|n| story.object("Agent", &format!("a{n}"), on("node-crowd", json!({}))))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": crowd});
    story.cluster.apply(&list.to_string()).unwrap();
    until("15 agents to wait", BOUND, || {
        let list = story.list("agents")?;
        let waits = |agent: &&serde_json::Value| {
            let conditions = agent["status"]["conditions"].as_array();
            conditions.is_some_and(|all| {
                all.iter()
                    .any(|c| c["type"] == "Ready" && c["reason"] == "NoNodeFits")
            })
        };
        match list.iter().filter(waits).count() {
            15 => Ok(()),
            n => Err(format!("{n} wait")),
        }
    })
    .unwrap();
    assert_eq!(story.instances(&node, 5).len(), 5);
}
