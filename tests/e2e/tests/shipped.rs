//! The shipped agents in a cluster, with kubectl alone: applied, waited for, listed, described, explained and
//! erased; and what must not be done there is not done.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use aion_e2e::cluster::{BOUND, root};
use aion_e2e::standalone::sign;
use aion_e2e::story::Story;
use aion_testkit::until;
use serde_json::{Value, json};

const SHIPPED: [&str; 3] = ["librarian", "analyst", "jarvis"];
/// The longest that `kubectl wait` waits.
const PATIENCE: &str = "--timeout=180s";

/// The files of the shipped agents, each with its `-f`.
fn files() -> Vec<String> {
    SHIPPED
        .iter()
        .flat_map(|name| {
            let file = root().join("agents").join(name).join("agent.yaml");
            ["-f".to_owned(), file.to_string_lossy().into_owned()]
        })
        .collect()
}

/// The digest that the analyst's file names.
fn digest() -> String {
    let text = std::fs::read_to_string(root().join("agents/analyst/agent.yaml")).unwrap();
    let at = text.find("sha256:").unwrap();
    text[at..at + 71].to_owned()
}

/// A story of somebody with kubectl and a namespace.
struct Home(Story);

impl Home {
    /// What an admin prepares: policies, and a namespace that may have inline agents.
    fn prepare(namespace: &'static str) -> Option<Self> {
        Story::with_policies(namespace).map(Self)
    }

    fn kubectl(&self, args: &[&str]) -> String {
        self.attempt(args).unwrap()
    }

    fn attempt(&self, args: &[&str]) -> Result<String, String> {
        let all = [&["-n", self.0.namespace], args].concat();
        self.0
            .cluster
            .kubectl(&all)
            .map_err(|error| error.to_string())
    }

    fn json(&self, args: &[&str]) -> Value {
        let all = [args, &["-o", "json"]].concat();
        serde_json::from_str(&self.kubectl(&all)).unwrap()
    }
}

/// Trusts keys for the bundles of its namespace.
fn trust(home: &Home, keys: Value) {
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": home.0.namespace}});
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": home.0.namespace},
        "spec": {"namespaceSelector": own, "keys": keys},
    });
    home.0.apply_everywhere(&trust.to_string());
}

/// Applies the shipped agents and waits until they can be asked.
fn apply(home: &Home, log: impl Fn() -> String) {
    let files = files();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let applied = home.kubectl(&[&["apply"], &files[..]].concat());
    for name in SHIPPED {
        let created = format!("agent.aion.dev/{name} created");
        assert!(applied.contains(&created), "{applied}");
    }
    home.attempt(&["wait", "--for=condition=Ready", "agent", "--all", PATIENCE])
        .unwrap_or_else(|error| {
            let agents = home.kubectl(&["get", "agents", "-o", "yaml"]);
            panic!("{error}\n{agents}\n{}", log())
        });
}

/// Deletes them, which waits until their node has drained and erased everything.
fn delete(home: &Home) {
    let files = files();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    home.kubectl(&[&["delete", PATIENCE], &files[..]].concat());
    let left = home.kubectl(&["get", "agents,memorypools,agentinstances", "-o", "name"]);
    assert_eq!(left, "");
}

#[test]
fn the_shipped_agents_are_applied_become_ready_tell_their_story_and_are_erased() {
    let Some(home) = Home::prepare("people") else {
        return;
    };
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    trust(&home, json!([{"name": "release", "publicKey": key}]));
    let operator = home.0.operator("shipped");
    let node = home.0.working_node("node-a", &["docs"], &[digest()]);
    apply(&home, || {
        format!("{}\n{}", node.log(), operator.process.tail())
    });
    it_reads_well(&home, "node-a");
    nobody_steps_around_the_operator(&home);
    an_unsigned_bundle_stays_out(&home);

    home.kubectl(&["delete", "agent", "stranger", PATIENCE]);
    delete(&home);
    let pools = ["people/analyses", "people/library", "people/personal"];
    assert_eq!(node.erased(), BTreeSet::from(pools.map(str::to_owned)));
}

#[test]
fn on_a_real_node_agent_it_is_the_same() {
    let Some(home) = Home::prepare("real") else {
        return;
    };
    let docs = tempfile::tempdir().unwrap();
    std::fs::write(
        docs.path().join("mounts.md"),
        "# Mounts\n\nA mount is a name.\n",
    )
    .unwrap();
    let node = home.0.node_agent("node-real", docs.path());
    let (digest, key) = sign(node.home(), &root().join("agents/analyst"), node.home()).unwrap();
    let keys =
        json!([{"name": "machine", "purpose": "machine", "publicKey": key, "digests": [digest]}]);
    trust(&home, keys);
    let operator = home.0.operator("shipped-real");
    apply(&home, || {
        format!("{}\n{}", node.tail(), operator.process.tail())
    });
    it_reads_well(&home, "node-real");
    delete(&home);
}

/// `get`, `describe` and `explain` tell what there is to know.
fn it_reads_well(home: &Home, node: &str) {
    let wide = home.kubectl(&["get", "agents", "-o", "wide"]);
    for (name, words) in [
        (
            "librarian",
            [
                "True",
                "InstancesReady",
                "1/1",
                "interactive",
                "declarative",
                node,
            ],
        ),
        (
            "analyst",
            ["True", "InstancesReady", "1/1", "batch", "wasm", node],
        ),
        (
            "jarvis",
            [
                "True",
                "InstancesReady",
                "1/1",
                "interactive",
                "local",
                node,
            ],
        ),
    ] {
        let line = wide.lines().find(|line| line.starts_with(name)).unwrap();
        for word in words {
            assert!(
                line.split_whitespace().any(|it| it == word),
                "no {word} in\n{wide}"
            );
        }
    }
    // Events are written after the status, so they may come a moment later.
    until("describe to tell the story", BOUND, || {
        let told = home.attempt(&["describe", "agent", "librarian"])?;
        let words = [
            "Answers from your documents",
            "everything it refers to is there",
            "1 of 1 instances can be asked",
            "InstanceCreated",
            "InstancesReady",
            "written in the Agent itself, which TrustPolicy",
            "memory.recall:library",
        ];
        match words.iter().find(|words| !told.contains(**words)) {
            Some(missing) => Err(format!("no {missing:?} in\n{told}")),
            None => Ok(()),
        }
    })
    .unwrap();
    let explained = home.kubectl(&["explain", "agent.spec"]);
    assert!(
        explained.contains("Policy decides what it gets"),
        "{explained}"
    );
    let instances = home.kubectl(&["get", "agentinstances", "-o", "wide"]);
    assert_eq!(
        instances.lines().filter(|line| line.contains(node)).count(),
        3,
        "{instances}"
    );
}

fn nobody_steps_around_the_operator(home: &Home) {
    let bind = [
        "create",
        "rolebinding",
        "edit",
        "--clusterrole=admin",
        "--user=alice",
    ];
    home.kubectl(&bind);
    let alice = home.0.cluster.user("alice");
    let list = home.json(&["get", "agentinstances"]);
    let instance = list["items"][0].clone();
    let name = instance["metadata"]["name"].as_str().unwrap();
    let refused = |who: &std::path::Path, args: &[&str], words: &str| {
        let all = [&["-n", home.0.namespace], args].concat();
        let said = home.0.cluster.kubectl_as(who, &all);
        let said = said.expect_err("it was accepted").to_string();
        assert!(said.contains(words), "not {words:?}: {said}");
    };
    let patch = [
        "patch",
        "agentinstance",
        name,
        "--type=merge",
        "-p",
        r#"{"spec":{"lane":"realtime"}}"#,
    ];
    refused(&alice, &patch, "cannot patch resource");
    let admin = home.0.cluster.admin();
    refused(
        &admin,
        &["delete", "agentinstance", name],
        "change the Agent instead",
    );
    // Another node's agent, with a real token of its own.
    let other = home.0.node_with("node-b", json!({"volumes": []}));
    let said = other.ready(&instance).unwrap_err().to_string();
    let words =
        "written by the node agent of node node-a, and this is the node agent of node node-b";
    assert!(said.contains(words), "{said}");
}

fn an_unsigned_bundle_stays_out(home: &Home) {
    let stranger = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "stranger", "namespace": home.0.namespace},
        "spec": {
            "runtime": "wasm", "bundle": {"name": "stranger", "digest": format!("sha256:{}", "5".repeat(64))},
            "permissions": {"files": [{"mount": "docs"}]},
        },
    });
    home.0.cluster.apply(&stranger.to_string()).unwrap();
    let unsigned = "jsonpath={.status.conditions[?(@.type==\"Verified\")].reason}=Unsigned";
    home.kubectl(&[
        "wait",
        &format!("--for={unsigned}"),
        "agent/stranger",
        PATIENCE,
    ]);
    until("describe to say why", BOUND, || {
        let told = home.attempt(&["describe", "agent", "stranger"])?;
        let why = "bundle stranger carries no signature: sign it with a trusted key";
        let event = told
            .lines()
            .any(|line| line.contains("Warning") && line.contains("Unsigned"));
        match told.contains(why) && event {
            true => Ok(()),
            false => Err(told),
        }
    })
    .unwrap();
    let line = home.kubectl(&["get", "agent", "stranger"]);
    assert!(
        line.contains("False") && line.contains("InstanceFailed"),
        "{line}"
    );
}
