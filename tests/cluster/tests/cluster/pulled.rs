//! An agent whose bundle is in a registry that wants to know who asks.

use std::{fs, net::SocketAddrV4};

use aion_cluster_tests::{HOME, agents::condition, installed, root};
use aion_testkit::{Cluster, Registry, RegistryKind, or_skip};
use serde_json::json;

const SECRET: &str = "regcred";

#[test]
fn an_agent_behind_a_password_says_what_it_lacks_and_is_ready_once_its_pull_secret_is_applied() {
    let Some(it) = installed() else { return };
    let Some(registry) = or_skip(Registry::start_in(RegistryKind::Password, &it.cluster)) else {
        return;
    };
    let address: SocketAddrV4 = registry.address().parse().unwrap();
    it.cluster.show(address).unwrap();
    let folder = it.cluster.folder().join("guarded");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("agent.yaml"), "instructions: Be brief.\n").unwrap();
    let recipe = "name: guarded\nversion: 0.1.0\nruntime: declarative\nentry: agent.yaml\n";
    fs::write(folder.join("bundle.yaml"), recipe).unwrap();
    let (digest, trust) = it.pushed("guarded", &folder, &registry);

    // Node agents may read this one Secret, which is not there yet.
    let role = root().join("policies/rbac/secrets-sample.yaml.txt");
    let role = fs::read_to_string(role).unwrap();
    let role = role.replace("NAME-OF-THE-SECRET", SECRET);
    let file = it.cluster.folder().join("may-read.yaml");
    fs::write(&file, role).unwrap();
    it.kubectl(&["-n", HOME, "apply", "-f", &file.to_string_lossy()]);
    it.cluster.apply(&trust.to_string()).unwrap();
    let agent = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": "guarded", "namespace": HOME},
        "spec": {
            "bundle": {"name": "guarded", "digest": digest}, "pullSecrets": [SECRET],
            "withoutModel": "refuse",
        },
    });
    it.cluster.apply(&agent.to_string()).unwrap();
    it.until("the pull secret to be missed by name", || {
        let found = it.get(&["-n", HOME, "agent", "guarded"])?;
        let verified = condition(&found, "Verified");
        let is_missed = verified.starts_with("False PullSecretUnusable: ");
        match is_missed && verified.contains("secret regcred/.dockerconfigjson does not exist") {
            true => Ok(()),
            false => Err(format!("{:#}", found["status"])),
        }
    });
    let account = registry.credentials().unwrap();
    it.kubectl(&[
        "-n",
        HOME,
        "create",
        "secret",
        "docker-registry",
        SECRET,
        &format!("--docker-server={}", Cluster::SHOWN),
        &format!("--docker-username={}", account.user),
        &format!("--docker-password={}", account.password),
    ]);
    it.until_ready("guarded");
    let found = it.get(&["-n", HOME, "agent", "guarded"]).unwrap();
    let verified = condition(&found, "Verified");
    assert!(verified.starts_with("True Signed: "), "{verified}");
    assert_eq!(found["metadata"]["generation"], 1, "the agent was touched");

    it.kubectl(&[
        "-n",
        HOME,
        "delete",
        "agent/guarded",
        &format!("secret/{SECRET}"),
        "role/aion-secrets",
        "rolebinding/aion-secrets",
        "--timeout=120s",
    ]);
    it.kubectl(&["delete", "trustpolicy", "guarded"]);
}
