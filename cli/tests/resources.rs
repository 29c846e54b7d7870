//! `apply`, `get`, `describe`, `delete`, `why`, `mount` and `explain` against a stand-in of the daemon, and without one.

#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;

use admin::{Answer, Node, command, ran};
use serde_json::{Value, json};

fn agent(name: &str, ready: &str) -> Value {
    json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"description": "Helps", "runtime": "declarative", "lane": "interactive"},
        "status": {"summary": "1/1", "conditions": [{"type": "Ready", "status": ready, "reason": "Idle"}]},
    })
}

#[test]
fn agents_are_listed_with_the_columns_of_their_definition() {
    let node = Node::start();
    let list = json!({"items": [agent("librarian", "True"), agent("jarvis", "False")]});
    node.on(
        "GET /api/v1/resources/agents?namespace=default",
        Answer::json(&list),
    )
    .on("GET /api/v1/resources/agents", Answer::json(&list));
    let short = node.aionctl(&["get", "agents"]);
    assert_eq!(
        short.out,
        "NAME        READY   REASON   INSTANCES   AGE\n\
         librarian   True    Idle     1/1\n\
         jarvis      False   Idle     1/1\n"
    );
    let wide = node.aionctl(&["get", "ag", "-o", "wide", "-A"]);
    assert!(wide.out.starts_with("NAMESPACE   NAME"), "{wide:?}");
    assert!(wide.out.contains("LANE"), "{wide:?}");
    let whole = node.aionctl(&["get", "agents", "-o", "json"]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!(whole["items"][1]["metadata"]["name"], "jarvis");
    let yaml = node.aionctl(&["get", "agents", "-o", "yaml"]);
    assert!(yaml.out.contains("name: jarvis"), "{yaml:?}");
}

#[test]
fn an_empty_list_is_said_on_standard_error() {
    let node = Node::start();
    node.on(
        "GET /api/v1/resources/tools?namespace=office",
        Answer::json(&json!({"items": []})),
    );
    let ran = node.aionctl(&["-n", "office", "get", "tools"]);
    assert_eq!((ran.out.as_str(), ran.status), ("", 0));
    assert_eq!(
        ran.err,
        "note: there are no tools in the namespace office\n"
    );
}

#[test]
fn cluster_wide_kinds_are_asked_for_without_a_namespace() {
    let node = Node::start();
    let policy = json!({"metadata": {"name": "mine"}, "spec": {}});
    node.on(
        "GET /api/v1/resources/trustpolicies/-/mine",
        Answer::json(&policy),
    )
    .on(
        "DELETE /api/v1/resources/trustpolicies/-/mine",
        Answer::json(&json!({})),
    );
    assert!(
        node.aionctl(&["describe", "trust/mine"])
            .out
            .starts_with("TrustPolicy mine\n")
    );
    assert_eq!(
        node.aionctl(&["delete", "trustpolicy", "mine"]).out,
        "trustpolicy/mine deleted\n"
    );
}

#[test]
fn manifests_are_sent_whole_and_what_changed_is_told() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: a}\nspec: {}\n";
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let applied = json!({"applied": [
        {"kind": "MemoryPool", "namespace": "default", "name": "a", "change": "created"},
        {"kind": "MemoryPool", "namespace": "default", "name": "p", "change": "unchanged"},
    ]});
    node.on("POST /api/v1/apply", Answer::json(&applied));
    let ran = node.aionctl_in(folder.path(), &["apply", "-f", "a.yaml", "--dry-run"]);
    assert_eq!(
        ran.out,
        "memorypool/a created (dry run)\nmemorypool/p unchanged (dry run)\n"
    );
    assert_eq!(
        node.body_of("POST /api/v1/apply"),
        json!({"manifests": [{"file": "a.yaml", "text": text}], "dryRun": true})
    );
}

#[test]
fn a_fault_in_a_manifest_is_shown_in_its_line() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.yaml"),
        "kind: Agent\nspec:\n  lane: fast\n",
    )
    .unwrap();
    let rejected = json!({"applied": [], "rejected": [{
        "file": "a.yaml", "line": 3, "resource": "Agent/a", "field": "spec.lane",
        "message": "`fast` is not a lane", "remedy": "write interactive",
    }]});
    node.on("POST /api/v1/apply", Answer::json(&rejected));
    let ran = node.aionctl_in(folder.path(), &["apply", "-f", "a.yaml"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("3 │   lane: fast\n  │         ╌╌╌╌\n"),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("1 fault in the manifests: nothing was changed"),
        "{}",
        ran.err
    );
}

#[test]
fn apply_waits_until_an_agent_is_ready() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), AGENT).unwrap();
    let applied = json!({"applied": [{"kind": "Agent", "namespace": "default", "name": "a", "change": "created"}]});
    node.on("POST /api/v1/apply", Answer::json(&applied))
        .on(
            "GET /api/v1/resources/agents/default/a",
            Answer::json(&agent("a", "False")),
        )
        .on(
            "GET /api/v1/resources/agents/default/a",
            Answer::json(&agent("a", "True")),
        );
    let ran = node.aionctl_in(folder.path(), &["apply", "-f", "a.yaml", "--wait", "60"]);
    assert_eq!(
        (ran.out.as_str(), ran.status),
        ("agent/a created\nagent/a ready\n", 0),
        "{ran:?}"
    );
}

/// A machine of its own that has no pool, no policy and no mount.
fn stand_alone(node: &Node) {
    let none = Answer::json(&json!({"items": []}));
    for kind in ["agentpolicies", "memorypools", "modelendpoints", "tools"] {
        let route = format!("GET /api/v1/resources/{kind}?namespace=default");
        node.on(&route, none.clone());
    }
    for kind in ["clusteragentpolicies", "trustpolicies"] {
        node.on(&format!("GET /api/v1/resources/{kind}"), none.clone());
    }
    let status = json!({
        "version": "0", "node": "n", "mode": "standalone", "startedAtMs": 0, "offline": false, "agents": 0,
        "agentsReady": 0, "turnsWaiting": 0, "turnsRunning": 0, "layers": [], "launcher": "ready", "home": "/",
    });
    node.on("GET /api/v1/status", Answer::json(&status))
        .on("GET /api/v1/mounts", Answer::json(&json!({})));
}

/// A manifest of an agent with a mount and a tool.
const AGENT: &str = "# mine\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec:\n  \
    instructions: Reads.\n  tools: [{name: calendar}]\n  permissions: {files: [{mount: notes, mode: read}]}\n";

#[test]
fn what_an_applied_agent_lacks_is_a_warning_with_its_file_and_line() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), AGENT).unwrap();
    let applied = json!({"applied": [{"kind": "Agent", "namespace": "default", "name": "a", "change": "created"}]});
    node.on("POST /api/v1/apply", Answer::json(&applied));
    let unlooked = node.aionctl_in(folder.path(), &["apply", "-f", "a.yaml"]);
    assert_eq!(unlooked.status, 0, "{unlooked:?}");
    assert!(
        unlooked
            .err
            .contains("whether the agents can run was not checked"),
        "{unlooked:?}"
    );

    stand_alone(&node);
    let ran = node.aionctl_in(folder.path(), &["apply", "-f", "a.yaml"]);
    assert_eq!((ran.out.as_str(), ran.status), ("agent/a created\n", 0));
    let warnings: Vec<_> = ran.err.lines().collect();
    for missing in ["calendar", "notes"] {
        let told = warnings.iter().any(|line| {
            line.starts_with("warning: a.yaml:2:1: Agent a: ") && line.contains(missing)
        });
        assert!(told, "{missing}: {}", ran.err);
    }
}

#[test]
fn the_chain_is_drawn_in_ascii_where_the_locale_has_no_more() {
    let node = Node::start();
    let why = json!({
        "agent": "default/a", "ready": true, "denials": [],
        "links": [{"stage": "signature", "state": "ok", "reason": "LocalKey", "message": "signed here"}],
    });
    node.on(
        "GET /api/v1/namespaces/default/agents/a/why",
        Answer::json(&why),
    );
    assert!(
        node.aionctl(&["why", "a"])
            .out
            .contains("└─ ✓ signature  LocalKey")
    );
    let plain = ran(command(node.home.path())
        .env("LANG", "C")
        .args(["why", "a"]));
    assert!(
        plain.out.contains("`- ok   signature  LocalKey"),
        "{plain:?}"
    );
    assert!(plain.out.is_ascii());
}

#[test]
fn a_mount_is_mapped_by_its_real_path() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("notes")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("notes"), folder.path().join("link")).unwrap();
    node.on("PUT /api/v1/mounts/notes", Answer::json(&json!({})));
    let ran = node.aionctl_in(
        folder.path(),
        &["mount", "add", "notes", "link", "--writable"],
    );
    let real = folder.path().canonicalize().unwrap().join("notes");
    assert_eq!(
        ran.out,
        format!("notes is {} (read and write)\n", real.display())
    );
    assert_eq!(
        node.body_of("PUT /api/v1/mounts/notes"),
        json!({"path": real.to_str().unwrap(), "writable": true})
    );
    let missing = node.aionctl_in(folder.path(), &["mount", "add", "notes", "nowhere"]);
    assert_eq!(missing.status, 1);
    assert!(missing.err.contains("nowhere"), "{missing:?}");
    let was = json!({"path": "/home/me/notes", "writable": true});
    node.on("DELETE /api/v1/mounts/notes", Answer::json(&was));
    let removed = node.aionctl(&["mount", "remove", "notes"]);
    assert_eq!(removed.out, "notes is no longer /home/me/notes\n");
}

#[test]
fn a_variable_that_says_neither_yes_nor_no_is_not_guessed_at() {
    let home = tempfile::tempdir().unwrap();
    let pull = |value: &str| {
        let bundle = ["bundle", "pull", "registry.example/a:1"];
        ran(command(home.path()).env("OFFLINE_MODE", value).args(bundle))
    };
    let offline = pull("1");
    assert_eq!(offline.status, 5, "{offline:?}");
    let refused = pull("yes");
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(
        refused
            .err
            .contains("OFFLINE_MODE: \"yes\" is neither on nor off"),
        "{refused:?}"
    );
}

#[test]
fn without_a_node_it_is_said_how_to_start_one() {
    let home = tempfile::tempdir().unwrap();
    let ran = ran(command(home.path()).args(["get", "agents"]));
    assert_eq!(ran.status, 3);
    assert_eq!(
        ran.err,
        format!(
            "error: the node does not answer: it is not running\n   at: {}/run/admin.sock\n   do: start it: aionctl local start\n",
            home.path().display()
        )
    );
}

#[test]
fn a_manifest_is_explained_without_a_node() {
    let home = tempfile::tempdir().unwrap();
    let agents = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../agents/librarian/agent.yaml"
    );
    let trust = home.path().join("trust.yaml");
    std::fs::write(
        &trust,
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: t}\nspec: {inline: allow}\n",
    )
    .unwrap();
    let ran = ran(command(home.path()).args(["explain", agents]).arg(&trust));
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    assert!(
        ran.out.contains("✓ read files of the mount docs"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("ClusterAgentPolicy/standalone"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("no node was asked"), "{}", ran.err);
}

#[test]
fn an_agent_that_asks_another_is_explained_with_those_of_the_node() {
    let node = Node::start();
    stand_alone(&node);
    let folder = tempfile::tempdir().unwrap();
    let chief = "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: chief}\nspec:\n  \
        instructions: Ask.\n  tools: [{agent: librarian}]\n";
    std::fs::write(folder.path().join("chief.yaml"), chief).unwrap();
    let route = "GET /api/v1/resources/agents?namespace=default";
    let none = Answer::json(&json!({"items": []}));
    let missing = "there is no Agent librarian";
    node.on(route, none);
    let ran = node.aionctl_in(folder.path(), &["explain", "chief.yaml"]);
    assert!(ran.out.contains(missing), "{ran:?}");
    let there = Node::start();
    stand_alone(&there);
    let mut librarian = agent("librarian", "True");
    librarian.as_object_mut().unwrap().remove("status");
    there.on(route, Answer::json(&json!({"items": [librarian]})));
    let ran = there.aionctl_in(folder.path(), &["explain", "chief.yaml"]);
    assert!(ran.out.starts_with("Agent chief"), "{ran:?}");
    assert!(!ran.out.contains(missing), "{ran:?}");
}

#[test]
fn broken_yaml_is_shown_with_its_line_before_anything_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.yaml");
    std::fs::write(
        &path,
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec:\n  instructions: hi\n  lane: fast\n",
    )
    .unwrap();
    let ran = ran(command(home.path()).arg("explain").arg(&path));
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("a.yaml:6"), "{}", ran.err);
    assert!(
        ran.err.contains("6 │   lane: fast\n  │         ╌╌╌╌"),
        "{}",
        ran.err
    );
}
