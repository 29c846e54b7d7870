//! A node that root starts: daemon and gateway are users of their own, and what worked with a daemon of root's works.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use aion_e2e::cluster::root;
use aion_e2e::local::{Local, answers, said, user_of};
use nix::unistd::geteuid;
use serde_json::json;

fn of_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        aion_testkit::skip("root", "only root can start a daemon as another user");
    }
    root
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Root's node, with the policies of a set-up of one machine.
fn started() -> anyhow::Result<Local> {
    let local = Local::install(None)?;
    local.aionctl(&["local", "start", "--service", "aionctl"])?;
    let policies = root().join("policies/standalone.yaml");
    let trust = local.path("trust.yaml");
    fs::write(
        &trust,
        json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"},
            "spec": {"inline": "allow"},
        })
        .to_string(),
    )?;
    local.aionctl(&[
        "apply",
        "-f",
        &policies.to_string_lossy(),
        "-f",
        &trust.to_string_lossy(),
    ])?;
    Ok(local)
}

#[test]
fn the_daemon_is_nobody_else_and_its_agents_answer() -> anyhow::Result<()> {
    if !of_root() {
        return Ok(());
    }
    let local = started()?;
    let user = user_of(local.running("aion-node")?)?;
    assert_ne!(user, 0);
    assert_eq!(user_of(local.running("aion-launcher")?)?, 0);
    for (path, owner) in [
        ("run/admin.sock", user),
        ("launcher/launcher.sock", user),
        ("launcher/workers", 0),
        ("service/aion-node.pid", 0),
        ("service/aion-node.log", 0),
        ("state/journal", user),
    ] {
        let about = fs::symlink_metadata(local.home().join(path))?;
        assert_eq!(about.uid(), owner, "{path}");
    }
    let docs = local.path("docs");
    fs::create_dir(&docs)?;
    mode(&docs, 0o755);
    fs::write(
        docs.join("door.md"),
        "# The door\n\nThe door of the lighthouse is blue.\n",
    )?;
    local.aionctl(&["mount", "add", "docs", &docs.to_string_lossy()])?;
    let librarian = root().join("agents/librarian");
    local.aionctl(&["apply", "--wait", "60", "-f", &librarian.to_string_lossy()])?;
    for again in [false, true] {
        if again {
            let before = local.kill("aion-node")?;
            local.back("aion-node", before)?;
        }
        let answer = local.aionctl(&["ask", "librarian", "What colour is the door?"])?;
        assert!(answer.contains("blue"), "{answer}");
    }
    let status = local.status()?;
    let layers = status["node"]["layers"].as_array().unwrap();
    assert!(
        layers.iter().any(|layer| layer["enforced"] == true),
        "{status:#}"
    );
    Ok(())
}

#[test]
fn the_gateway_is_a_third_user_that_asks_agents_and_reaches_nothing_else() -> anyhow::Result<()> {
    if !of_root() {
        return Ok(());
    }
    let local = started()?;
    let (node, gateway) = (
        user_of(local.running("aion-node")?)?,
        user_of(local.running("aion-gateway")?)?,
    );
    assert!(gateway != 0 && gateway != node, "{gateway} {node}");
    let status = local.status()?;
    let url = status["gateway"]["url"].as_str().unwrap();
    assert!(answers(&local, url)?, "{}", local.logs());
    for (path, owner, mode) in [
        ("gateway", 0, 0o750),
        ("gateway/token", 0, 0o640),
        ("gateway/run", gateway, 0o700),
        ("gateway/run/serving.json", gateway, 0o600),
        ("gateway/run/card.key", gateway, 0o600),
        ("asking/node.sock", node, 0o660),
        ("asking", node, 0o2710),
        ("service/aion-gateway.log", 0, 0o600),
    ] {
        let about = fs::symlink_metadata(local.home().join(path))?;
        assert_eq!(
            (about.uid(), about.mode() & 0o7777),
            (owner, mode),
            "{path}"
        );
    }
    let group = fs::metadata(local.home().join("asking"))?.gid();
    assert_ne!(group, 0);
    // As that user: the daemon's folders are closed, and its socket only asks.
    let as_gateway = |path: &str, what: &str| {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={gateway}"), format!("--regid={group}")]);
        command.args(["--clear-groups", "curl", "--silent", "--max-time", "20"]);
        command.arg("--unix-socket").arg(local.home().join(path));
        command.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        let output = command.arg(format!("http://localhost/{what}")).output();
        output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
    };
    for (what, answer) in [
        ("api/v1/resources/agents", "200"),
        ("api/v1/resources/trustpolicies", "403"),
        ("api/v1/mounts", "403"),
        ("metrics", "404"),
        ("healthz", "404"),
        ("readyz", "404"),
    ] {
        assert_eq!(as_gateway("asking/node.sock", what)?, answer, "{what}");
    }
    assert_eq!(
        as_gateway("run/admin.sock", "api/v1/resources/agents")?,
        "000"
    );
    let before = local.kill("aion-gateway")?;
    local.back("aion-gateway", before)?;
    Ok(())
}

#[test]
fn a_folder_that_is_roots_alone_is_not_mapped_and_what_to_do_is_said() -> anyhow::Result<()> {
    if !of_root() {
        return Ok(());
    }
    let local = started()?;
    let notes = local.path("private/notes");
    fs::create_dir_all(&notes)?;
    mode(&local.path("private"), 0o700);
    let refused = local.try_aionctl(&["mount", "add", "notes", &notes.to_string_lossy()])?;
    let told = said(&refused);
    assert_eq!(refused.status.code(), Some(5), "{told}");
    assert!(
        told.contains("may not read") && told.contains("setfacl"),
        "{told}"
    );
    mode(&local.path("private"), 0o711);
    local.aionctl(&["mount", "add", "notes", &notes.to_string_lossy()])?;
    let writable = local.try_aionctl(&[
        "mount",
        "add",
        "notes",
        &notes.to_string_lossy(),
        "--writable",
    ])?;
    assert!(said(&writable).contains("may not write to"), "{writable:?}");
    Ok(())
}

#[test]
fn a_set_up_whose_daemon_was_roots_is_divided_at_the_next_start() -> anyhow::Result<()> {
    if !of_root() {
        return Ok(());
    }
    let local = Local::install(None)?;
    // As an earlier version left it: all of it root's, and nobody else's to enter.
    for folder in [
        "config",
        "run/launcher/workers",
        "state",
        "manifests",
        "logs",
    ] {
        fs::create_dir_all(local.home().join(folder))?;
    }
    fs::write(local.home().join("config/node.secret"), [7; 32])?;
    mode(&local.home().join("config/node.secret"), 0o600);
    let docs = local.path("docs");
    fs::create_dir(&docs)?;
    let mounts = json!({"docs": {"path": docs, "writable": false}});
    fs::write(local.home().join("config/mounts.json"), mounts.to_string())?;
    mode(&local.home(), 0o700);
    let told = local.aionctl(&["local", "start", "--service", "aionctl"])?;
    assert!(told.contains("whom the daemon runs as"), "{told}");
    assert!(local.aionctl(&["mount", "list"])?.contains("docs"));
    assert_eq!(fs::read(local.home().join("config/node.secret"))?, [7; 32]);
    local.aionctl(&["local", "stop"])?;
    let told = local.aionctl(&["local", "start", "--service", "aionctl"])?;
    assert!(!told.contains("whom the daemon runs as"), "{told}");
    Ok(())
}

#[test]
fn root_does_not_touch_the_node_of_another_user() -> anyhow::Result<()> {
    if !of_root() {
        return Ok(());
    }
    let theirs = Local::install(Some(61_990))?;
    theirs.aionctl(&["local", "start", "--service", "aionctl"])?;
    let node = theirs.running("aion-node")?;
    let as_root = Local::install(None)?;
    let home = theirs.home();
    let refused = as_root.try_aionctl(&["local", "stop", "--home", &home.to_string_lossy()])?;
    assert!(
        said(&refused).contains("as the user whose it is"),
        "{refused:?}"
    );
    assert_eq!(theirs.running("aion-node")?, node);
    Ok(())
}
