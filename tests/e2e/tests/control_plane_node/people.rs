//! `aionctl` speaks to a cluster as to one machine, for those whom its roles let.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use aion_e2e::cluster::{BOUND, furnish, namespace, policies, root};
use aion_e2e::node_agent::NodeAgent;
use aion_e2e::operator::Operator;
use aion_testkit::{ControlPlane, ControlPlaneOptions, or_skip, until};
use serde_json::{Value, json};

use crate::{documents, kubectl};

/// Runs aionctl with `kubeconfig`: exit status, standard output, standard error.
fn aionctl(kubeconfig: &Path, args: &[&str]) -> (i32, String, String) {
    let home = kubeconfig.parent().unwrap();
    let output = Command::new(aion_e2e::program("aionctl").unwrap())
        .env_clear()
        .env("HOME", home)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn aionctl_speaks_to_a_cluster_as_to_one_machine() {
    let started = ControlPlane::with(&ControlPlaneOptions {
        controller_manager: true,
        users: vec![("alice".to_owned(), Vec::new())],
    });
    let Some(cluster) = or_skip(started) else {
        return;
    };
    furnish(&cluster).unwrap();
    policies(&cluster).unwrap();
    namespace(&cluster, "people").unwrap();
    let docs = documents();
    fs::write(docs.path().join("odd.md"), b"\x01\x02\x03\x04").unwrap();
    let node = NodeAgent::start(&cluster, "node-tls", docs.path(), true).unwrap();
    let _operator = Operator::start(&cluster, "operator-of-people").unwrap();
    let admin = cluster.admin();
    let here = |args: &[&str]| aionctl(&admin, &[&["-n", "people"], args].concat());
    let good = |args: &[&str]| {
        let (status, out, err) = here(args);
        assert_eq!(status, 0, "{args:?}\n{out}\n{err}\n{}", node.tail());
        out
    };

    let librarian = root().join("agents/librarian/agent.yaml");
    let librarian = librarian.to_string_lossy();
    let tried = good(&["apply", "-f", &librarian, "--dry-run"]);
    assert!(
        tried.contains("agent/librarian created (dry run)"),
        "{tried}"
    );
    let (status, _, err) = here(&["get", "agent", "librarian"]);
    assert_eq!(status, 4, "a dry run wrote something: {err}");
    let applied = good(&["apply", "-f", &librarian, "--wait", "170"]);
    assert!(applied.contains("agent/librarian created"), "{applied}");
    assert!(applied.contains("memorypool/library created"), "{applied}");
    let again = good(&["apply", "-f", &librarian]);
    assert!(again.contains("agent/librarian unchanged"), "{again}");

    let listed = good(&["get", "agents"]);
    assert!(
        listed.contains("librarian") && listed.contains("True"),
        "{listed}"
    );
    let nodes = good(&["get", "nodes", "-o", "json"]);
    assert!(nodes.contains("BEGIN CERTIFICATE"), "{nodes}");
    let told = good(&["describe", "agent", "librarian"]);
    assert!(told.contains("node-tls"), "{told}");
    let explained = good(&["explain", &librarian]);
    assert!(
        explained.contains("ClusterAgentPolicy/default mounts docs"),
        "{explained}"
    );

    // Nobody's own token goes to a node: there is no service account yet to ask as, and that is said.
    let question = "When does the lighthouse keeper polish the lamp?";
    let (status, _, err) = here(&["ask", "librarian", question]);
    assert_eq!(status, 4, "{err}");
    assert!(err.contains("create serviceaccount aion-invoke"), "{err}");
    let why = good(&["why", "librarian", "-o", "json"]);
    assert!(why.contains("create serviceaccount aion-invoke"), "{why}");
    for made in [
        &["create", "serviceaccount", "aion-invoke"][..],
        &[
            "create",
            "rolebinding",
            "aion-invoke",
            "--clusterrole=aion-invoke",
            "--serviceaccount=people:aion-invoke",
        ],
    ] {
        kubectl(&cluster, &[&["-n", "people"], made].concat());
    }
    // The question crosses the network to the node, under TLS.
    let (status, answer, told) = here(&["ask", "librarian", question]);
    assert_eq!(status, 0, "{answer}\n{told}\n{}", node.tail());
    assert!(answer.contains("every Thursday"), "{answer}");
    // What was left out is heard at once, and later by whoever looks.
    let notice = "left out of docs: 1 (not a text): odd.md";
    assert!(told.contains(notice), "{told}");
    for looked in [
        &["describe", "agent", "librarian"][..],
        &["logs", "librarian"],
        &["why", "librarian", "-o", "json"],
    ] {
        let shown = good(looked);
        assert!(shown.contains(notice), "{looked:?}\n{shown}");
    }
    let why = good(&["why", "librarian", "-o", "json"]);
    let why: Value = serde_json::from_str(&why).unwrap();
    assert_eq!(why["ready"], true, "{why:#}");
    let stages: Vec<_> = why["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["stage"].clone())
        .collect();
    for stage in [
        "accepted",
        "references",
        "signature",
        "policy",
        "placement",
        "sandbox",
    ] {
        assert!(stages.contains(&json!(stage)), "{stage} in {stages:?}");
    }

    // Somebody without rights, then with the right to ask and no other, then as a service account.
    let alice = cluster.user("alice");
    let ask = ["-n", "people", "ask", "librarian", question];
    let (status, _, err) = aionctl(&alice, &ask);
    assert_eq!(status, 5, "{err}");
    kubectl(
        &cluster,
        &[
            "-n",
            "people",
            "create",
            "rolebinding",
            "ask",
            "--clusterrole=aion-ask",
            "--user=alice",
        ],
    );
    let asked = until("alice to be let ask", BOUND, || {
        match aionctl(&alice, &ask) {
            (0, out, _) => Ok(out),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert!(asked.contains("every Thursday"), "{asked}");
    let (status, _, err) = aionctl(&alice, &["-n", "people", "apply", "-f", &librarian]);
    assert_eq!(status, 5, "{err}");
    kubectl(
        &cluster,
        &["-n", "people", "create", "serviceaccount", "robot"],
    );
    let (status, _, err) = here(&["--service-account", "robot", "ask", "librarian", question]);
    assert_eq!(status, 5, "{err}");
    assert!(
        err.contains("robot") && err.contains("rolebinding"),
        "{err}"
    );

    // What is of one machine says so.
    let (status, _, err) = here(&["mount", "list"]);
    assert_eq!(status, 2, "{err}");
    let broken = docs.path().join("broken.yaml");
    fs::write(
        &broken,
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec:\n  lane: fast\n",
    )
    .unwrap();
    let (status, _, err) = here(&["apply", "-f", &broken.to_string_lossy()]);
    assert!(
        status == 2 && err.contains("broken.yaml:5"),
        "{status} {err}"
    );
    good(&["delete", "agent", "librarian"]);
    good(&["delete", "pool", "library"]);
}
