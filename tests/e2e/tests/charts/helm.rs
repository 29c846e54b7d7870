//! Helm, run on the charts of this repository. What may not enter: what a chart has to hold.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aion_e2e::cluster::root;
use aion_testkit::{Component, or_skip};

/// The Kubernetes that is rendered for; helm knows none by itself.
const KUBERNETES: &str = "1.36";

/// Where helm is; `None`, noted as skipped, where it is not.
pub(crate) fn helm() -> Option<PathBuf> {
    or_skip(Component::Helm.find())
}

/// The folder of a chart.
pub(crate) fn chart(name: &str) -> PathBuf {
    root().join("charts").join(name)
}

/// What `helm template` says of a chart in the namespace of AION-OS.
pub(crate) fn template(helm: &Path, name: &str, more: &[&str]) -> Output {
    run(helm, name, "aion-system", more)
}

/// As [`template`], in a namespace.
pub(crate) fn run(helm: &Path, name: &str, namespace: &str, more: &[&str]) -> Output {
    command(helm, name, namespace, more).output().unwrap()
}

/// `helm template` of a chart in a namespace, to be run.
pub(crate) fn command(helm: &Path, name: &str, namespace: &str, more: &[&str]) -> Command {
    let mut command = Command::new(helm);
    command
        .args(["template", "aion"])
        .arg(chart(name))
        .args(["--kube-version", KUBERNETES, "--namespace", namespace])
        .args(more);
    command
}

/// What was rendered, or a panic with what helm says.
pub(crate) fn rendered(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
