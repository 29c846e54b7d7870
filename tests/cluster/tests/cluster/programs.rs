//! An agent that is a program in an image, within the pods of a cluster.

use std::{fs, process::Command};

use aion_cluster_tests::{HOME, agents::condition, installed, root};
use aion_testkit::{Interpreter, or_skip};
use serde_json::json;

#[test]
fn a_program_of_an_image_is_confined_in_its_pod_and_answers() {
    let Some(it) = installed() else { return };
    let place = it.cluster.folder().join("interpreter");
    let Some(base) = or_skip(Interpreter::Python.image(&place)) else {
        return;
    };
    let sample = it.cluster.folder().join("sample");
    let copied = Command::new("cp")
        .args(["-rT"])
        .arg(root().join("agents/notebook/python"))
        .arg(&sample)
        .status();
    assert!(copied.unwrap().success());
    let recipe = sample.join("bundle.yaml");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, format!("{text}base: {base}\n")).unwrap();
    let (digest, trust) = it.bundle("notebook-python", &sample);

    let agent = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": "notebook", "namespace": HOME},
        "spec": {
            "runtime": "process", "bundle": {"name": "notebook-python", "digest": digest},
            "memory": {"pool": "notes"},
            "permissions": {"files": [{"mount": "output", "mode": "readWrite"}]},
        },
    });
    let pool = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool",
        "metadata": {"name": "notes", "namespace": HOME}, "spec": {},
    });
    for object in [&trust, &pool, &agent] {
        it.cluster.apply(&object.to_string()).unwrap();
    }
    it.until_ready("notebook");
    it.until_answered(
        "notebook",
        "Buy oil for the lamp",
        "Noted: Buy oil for the lamp",
    );
    it.until("the sandbox read back", || {
        let instances = it.get(&["-n", HOME, "agentinstances"])?;
        let instance = &instances["items"][0];
        let layers = instance["status"]["layers"].as_array().cloned();
        let layers = layers.unwrap_or_default();
        let root = layers.iter().find(|it| it["layer"] == "mount-namespace");
        let root = root.map(|it| it["detail"].as_str().unwrap_or_default().to_owned());
        let enforced = condition(instance, "SandboxEnforced").starts_with("True");
        match root {
            Some(root) if enforced && root.contains("/proc has its own processes") => Ok(()),
            _ => Err(format!("{:#}", instance["status"])),
        }
    });
    it.kubectl(&[
        "-n",
        HOME,
        "delete",
        "agent/notebook",
        "memorypool/notes",
        "--timeout=120s",
    ]);
    it.kubectl(&["delete", "trustpolicy/notebook-python"]);
}
