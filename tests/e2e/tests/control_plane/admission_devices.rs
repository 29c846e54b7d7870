//! Who may write the status of a device: with real tokens, against a real API server.

use std::path::Path;

use aion_e2e::story::Story;
use serde_json::{Value, json};

const HOME: &str = "bound-devices";

/// All that a status is to be: its node with what that is to do, and conditions with what they are.
type Status<'a> = (Option<(&'a str, &'a str)>, &'a [(&'a str, &'a str)]);

fn write(story: &Story, who: &Path, status: Status<'_>) -> Result<String, String> {
    let (bound, conditions) = status;
    let conditions = conditions.iter().map(|(type_, status)| {
        json!({"type": type_, "status": status, "reason": "Told", "message": "so",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    });
    let mut status = json!({"conditions": conditions.collect::<Vec<Value>>()});
    if let Some((node, binding)) = bound {
        status["nodeName"] = node.into();
        status["binding"] = binding.into();
    }
    let object = json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "lamp", "namespace": HOME}, "status": status});
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    let path = file.path().to_string_lossy();
    // By one manager: what is left out is taken away.
    let args = [
        "apply",
        "--server-side",
        "--field-manager=story",
        "--force-conflicts",
        "--subresource=status",
        "-f",
        &path,
    ];
    let written = story.cluster.kubectl_as(who, &args);
    written.map_err(|error| error.to_string())
}

fn refused(result: Result<String, String>, words: &str) {
    let error = result.expect_err("it was accepted");
    assert!(
        error.contains(words),
        "refused, but not with {words:?}:\n{error}"
    );
}

#[test]
fn a_device_is_bound_by_the_operator_and_its_node_alone_says_how_it_stands() {
    let Some(story) = Story::bare(HOME) else {
        return;
    };
    let spec = json!({"model": "lamp", "mqtt": {"broker": "b"}});
    story.apply("Device", "lamp", spec);
    let token = ["-n", "aion-system", "create", "token", "aion-operator"];
    let token = story.cluster.kubectl(&token).unwrap();
    let operator = story
        .cluster
        .kubeconfig_for_token("binding-operator", token.trim());
    let operator = operator.unwrap();
    let [a, b] = ["node-a", "node-b"].map(|node| story.login_of_node(node));
    let admin = story.cluster.admin();
    let (serves, releases) = (Some(("node-a", "Serve")), Some(("node-a", "Release")));
    let accepted = [("Accepted", "True")];
    let ready = [("Accepted", "True"), ("Ready", "True")];
    const NOT_ITS: &str = "this is the node agent of node";
    const OPERATORS: &str = "said by the operator";

    refused(
        write(&story, &admin, (None, &ready)),
        "written by the operator and the node that has it",
    );
    refused(write(&story, &a, (None, &ready)), NOT_ITS);
    refused(write(&story, &a, (serves, &ready)), NOT_ITS);
    write(&story, &operator, (serves, &accepted)).unwrap();
    write(&story, &a, (serves, &ready)).unwrap();
    refused(write(&story, &b, (serves, &accepted)), NOT_ITS);
    refused(
        write(&story, &admin, (serves, &accepted)),
        "written by the operator",
    );
    let judged = [("Accepted", "False"), ("Ready", "True")];
    refused(write(&story, &a, (serves, &judged)), OPERATORS);
    // It serves, so it neither lets go nor hands on.
    for other in [None, Some(("node-b", "Serve")), releases] {
        refused(write(&story, &a, (other, &ready)), OPERATORS);
    }
    write(&story, &operator, (releases, &ready)).unwrap();
    refused(write(&story, &a, (serves, &ready)), OPERATORS);
    write(&story, &a, (None, &ready)).unwrap();
    refused(write(&story, &a, (None, &accepted)), NOT_ITS);
}
