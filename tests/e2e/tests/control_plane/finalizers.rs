//! The operator's finalizers, where somebody else wrote them, too, as a restored backup does.

use aion_e2e::cluster::BOUND;
use aion_e2e::story::{Story, story};
use aion_testkit::until;
use serde_json::{Value, json};

/// Waits for the operator's finalizer, and applies the object with it under another name.
fn own_too(story: &Story, kind: &str, name: &str, finalizer: &str) {
    let mut object = until(&format!("{finalizer} on {name}"), BOUND, || {
        let object = story.get(kind, name)?;
        match object["metadata"]["finalizers"].as_array() {
            Some(all) if all.iter().any(|it| it == finalizer) => Ok(object),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    object["metadata"] = json!({
        "name": name, "namespace": object["metadata"]["namespace"],
        "finalizers": [finalizer, "example.com/audit"],
    });
    object["status"] = Value::Null;
    story.cluster.apply(&object.to_string()).unwrap();
}

#[test]
fn a_finalizer_that_somebody_else_owns_too_is_taken_away_and_theirs_stays() {
    let Some(story) = story("owned") else { return };
    story.node("node-owned");
    story.apply(
        "Agent",
        "a",
        json!({"instructions": "x", "nodeSelector": {"test/node": "none"}}),
    );
    story.apply("MemoryPool", "p", json!({}));
    for (kind, name, finalizer) in [
        ("agent", "a", "aion.dev/instances"),
        ("memorypool", "p", "aion.dev/erase"),
        ("kernelnode", "node-owned", "aion.dev/forget"),
    ] {
        own_too(&story, kind, name, finalizer);
        story.delete(kind, name);
        until(&format!("{finalizer} to be taken away"), BOUND, || {
            let object = story.get(kind, name)?;
            match &object["metadata"]["finalizers"] {
                Value::Array(left) if left == &["example.com/audit"] => Ok(()),
                other => Err(format!("{other}")),
            }
        })
        .unwrap();
        let free = r#"{"metadata":{"finalizers":null}}"#;
        let place = ["-n", story.namespace, "patch", kind, name];
        let patch = [&place[..], &["--type=merge", "-p", free]].concat();
        story.cluster.kubectl(&patch).unwrap();
        story.gone(kind, name);
    }
}
