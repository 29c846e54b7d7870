//! An agent that is applied with kubectl, asked with aionctl, and confined in its pod.

use std::time::Instant;

use aion_cluster_tests::{HOME, SYSTEM, agents::condition, installed};

pub(crate) const QUESTION: &str = "When does the lighthouse keeper polish the lamp?";

#[test]
fn the_charts_are_installed_and_all_their_pods_are_ready() {
    let Some(it) = installed() else { return };
    it.until_rolled_out();
    let pods = it.get(&["-n", SYSTEM, "pods"]).unwrap();
    let pods = pods["items"].as_array().unwrap().clone();
    assert_eq!(pods.len(), 4, "{}", it.pods());
    for pod in pods {
        assert!(
            condition(&pod, "Ready").starts_with("True"),
            "{}",
            it.pods()
        );
    }
    it.helm(&["test", "aion", "--namespace", SYSTEM]);
    // Nothing of it stays, its rights least of all.
    for left in [
        "namespace/aion-system-helm-test",
        "trustpolicy/aion-system-helm-test",
        "clusteragentpolicy/aion-system-helm-test",
    ] {
        let found = it.get(&[left]).unwrap_err();
        assert!(found.contains("NotFound"), "{found}");
    }
    for left in [
        "pod/aion-system-helm-test",
        "serviceaccount/aion-system-helm-test",
    ] {
        let found = it.get(&["-n", SYSTEM, left]).unwrap_err();
        assert!(found.contains("NotFound"), "{found}");
    }
}

#[test]
fn a_shipped_agent_is_applied_asked_and_confined_in_its_pod() {
    let Some(it) = installed() else { return };
    it.apply_shipped("librarian");
    let applied = Instant::now();
    it.until_ready("librarian");
    eprintln!(
        "ready {} ms after kubectl applied it",
        applied.elapsed().as_millis()
    );
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.until("the sandbox read back", || {
        let instances = it.get(&["-n", HOME, "agentinstances"])?;
        let instance = &instances["items"][0];
        match condition(instance, "SandboxEnforced").starts_with("True") {
            true => Ok(()),
            false => Err(format!("{:#}", instance["status"])),
        }
    });
    it.delete_shipped("librarian");
}
