//! The stories themselves: none of them leaves anything to the next.

use aion_e2e::story::{on, story};
use serde_json::json;

#[test]
fn what_a_story_leaves_behind_is_named_at_its_end() {
    let Some(story) = story("untidy") else { return };
    let node = story.node("node-untidy");
    // Held by finalizers that nobody takes off, and gone all the same.
    story.apply("MemoryPool", "p", json!({}));
    story.apply(
        "Agent",
        "a",
        on("node-untidy", json!({"memory": {"pool": "p"}})),
    );
    story.instances(&node, 1);
    let kubectl = |args: &[&str]| story.cluster.kubectl(args).unwrap();
    kubectl(&[
        "create",
        "clusterrole",
        "crumb",
        "--verb=get",
        "--resource=pods",
    ]);
    let told = story.end().unwrap_err();
    assert_eq!(
        told,
        "left behind: ClusterRole crumb; taken away or changed: "
    );
    kubectl(&["delete", "clusterrole", "crumb"]);
    story.end().unwrap();
    let left = kubectl(&[
        "get",
        "agents,agentinstances,memorypools,kernelnodes",
        "-A",
        "-o",
        "name",
    ]);
    assert_eq!(left, "");
}
