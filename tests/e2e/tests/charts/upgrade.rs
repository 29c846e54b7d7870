//! An upgrade from the charts as they were before they changed last, on an API server that agents were applied to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aion_e2e::cluster::{BOUND, namespace, root};
use aion_e2e::node::Node;
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_testkit::{ControlPlane, ControlPlaneOptions, or_skip, skip, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::helm;

const SYSTEM: &str = "aion-system";

/// What the charts and what is applied to them were made of.
const PARTS: [&str; 4] = ["charts", "crds", "policies", "agents"];

/// Runs git in the repository; `None` where it says no.
fn git(args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(args)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// The repository before the commit that changed charts, definitions or policies last; `None`, noted as skipped, where the
/// history does not go back to it.
fn before() -> Option<TempDir> {
    let mut last = vec!["rev-list", "-1", "HEAD", "--"];
    last.extend(&PARTS[..3]);
    let parent = git(&last).map(|commit| format!("{}^", String::from_utf8_lossy(&commit).trim()));
    let archive = parent
        .as_ref()
        .and_then(|parent| git(&[&["archive", parent.as_str()], &PARTS[..]].concat()));
    let Some(archive) = archive else {
        skip(
            "git history",
            "the commit before the charts changed last is not in this clone",
        );
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.tar");
    fs::write(&file, archive).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(&file)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(unpacked.unwrap().success());
    Some(folder)
}

/// A control plane with releases.
struct Releases {
    cluster: ControlPlane,
    helm: PathBuf,
    folder: TempDir,
}

impl Releases {
    /// Runs helm on the charts of `tree`, with nothing of the user's.
    fn helm(&self, tree: &Path, args: &[&str]) {
        let mut command = Command::new(&self.helm);
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(folder, self.folder.path().join("helm"));
        }
        command
            .env("KUBECONFIG", self.cluster.admin())
            .current_dir(tree);
        let output = command
            .args(args)
            .args(["--namespace", SYSTEM])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {args:?}: {said}");
    }

    fn kubectl(&self, args: &[&str]) -> String {
        self.cluster.kubectl(args).unwrap()
    }

    /// The layers that a node agent of the installed release may have.
    fn layers(&self) -> Value {
        let layers = "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.layers.items.enum}";
        let layers = self.kubectl(&["get", "crd", "kernelnodes.aion.dev", "-o", layers]);
        serde_json::from_str(&layers).unwrap()
    }

    /// The uid of everything of `kinds`.
    fn uids(&self, kinds: &str) -> BTreeMap<String, String> {
        let columns = r#"jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\t"}{.metadata.uid}{"\n"}{end}"#;
        let lines = self.kubectl(&["get", kinds, "-A", "-o", columns]);
        let pairs = lines.lines().filter_map(|line| line.split_once('\t'));
        pairs
            .map(|(name, uid)| (name.to_owned(), uid.to_owned()))
            .collect()
    }

    /// Waits for the librarian, whose instance is on the node that is played.
    fn until_ready(&self, operator: &Operator, node: &Node) {
        until("the librarian to be ready", BOUND, || {
            let path =
                "jsonpath={.status.summary} {.status.observedGeneration} {.metadata.generation}";
            let get = ["-n", "people", "get", "agent", "librarian", "-o", path];
            match self.cluster.kubectl(&get) {
                Ok(told) if told == "1/1 1 1" => Ok(()),
                other => Err(format!(
                    "{other:?}\n{}\n{}",
                    node.log(),
                    operator.process.tail()
                )),
            }
        })
        .unwrap();
    }
}

#[test]
fn an_upgrade_from_the_charts_before_loses_nothing() {
    let Some(helm) = helm::helm() else { return };
    let Some(before) = before() else { return };
    let options = ControlPlaneOptions {
        controller_manager: true,
        ..ControlPlaneOptions::default()
    };
    let Some(cluster) = or_skip(ControlPlane::with(&options)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let it = Releases {
        cluster,
        helm,
        folder,
    };
    let (old, new) = (before.path(), root());
    it.kubectl(&["create", "namespace", SYSTEM]);
    it.helm(old, &["install", "aion-crds", "charts/aion-crds"]);
    it.helm(old, &["install", "aion", "charts/aion"]);
    let policies = old.join("policies/cluster.yaml");
    it.kubectl(&["apply", "-f", &policies.to_string_lossy()]);
    namespace(&it.cluster, "people").unwrap();
    for agent in ["librarian", "jarvis", "analyst"] {
        let manifest = old.join(format!("agents/{agent}/agent.yaml"));
        it.kubectl(&["-n", "people", "apply", "-f", &manifest.to_string_lossy()]);
    }
    let status = json!({"layers": it.layers()});
    let double = NodeDouble::register_with(&it.cluster, "node-a", status).unwrap();
    let node = Node::start(&double, &[]);
    let operator = Operator::start(&it.cluster, "before").unwrap();
    it.until_ready(&operator, &node);
    drop(operator);
    let (definitions, objects) = (it.uids("crd"), it.uids("aion"));
    assert!(objects.len() >= 8, "{objects:?}");

    it.helm(&new, &["upgrade", "aion-crds", "charts/aion-crds"]);
    it.helm(
        &new,
        &[
            "upgrade",
            "aion",
            "charts/aion",
            "--reset-then-reuse-values",
        ],
    );
    let there = it.uids("crd");
    for (name, uid) in definitions {
        assert_eq!(there.get(&name), Some(&uid), "{name} was deleted");
    }
    let operator = Operator::start(&it.cluster, "after").unwrap();
    it.until_ready(&operator, &node);
    let there = it.uids("aion");
    for (name, uid) in objects {
        assert_eq!(there.get(&name), Some(&uid), "{name} is lost");
    }
    everything_is_readable(&it);
}

/// Each version that anything is stored in is served, and everything is read in each version that is served.
fn everything_is_readable(it: &Releases) {
    let list: Value = serde_json::from_str(&it.kubectl(&["get", "crd", "-o", "json"])).unwrap();
    let mut read = 0;
    for definition in list["items"].as_array().unwrap() {
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let served: Vec<&Value> = versions
            .iter()
            .filter(|it| it["served"] == true)
            .map(|it| &it["name"])
            .collect();
        for stored in definition["status"]["storedVersions"].as_array().unwrap() {
            assert!(
                served.contains(&stored),
                "{plural} {stored} is stored and not served"
            );
        }
        for version in served {
            let resource = format!("{plural}.{}.aion.dev", version.as_str().unwrap());
            let names = it.kubectl(&["get", &resource, "-A", "-o", "name"]);
            read += names.lines().count();
        }
    }
    assert!(read >= 8, "{read} objects were read");
}
