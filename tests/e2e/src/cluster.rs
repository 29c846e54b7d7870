//! A control plane with everything of ours that a cluster is given: definitions, roles, admission.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use aion_testkit::{ControlPlane, StartError, until};
use anyhow::Context;

/// How long anything is waited for: a machine that is busy compiling needs minutes.
pub const BOUND: Duration = Duration::from_secs(180);

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The control plane that the tests of this program share, with the definitions, roles and admission
/// policies in place; `None`, noted as skipped, where the components are not on this machine.
///
/// # Errors
/// When something of ours is not accepted.
pub fn cluster() -> anyhow::Result<Option<&'static ControlPlane>> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let Some(cluster) = ControlPlane::shared() else {
        return Ok(None);
    };
    READY
        .get_or_init(|| furnish(cluster).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)?;
    Ok(Some(cluster))
}

/// Gives `cluster` definitions, roles and admission policies.
///
/// # Errors
/// When something of ours is not accepted.
pub fn furnish(cluster: &ControlPlane) -> anyhow::Result<()> {
    let root = root();
    apply_folder(cluster, &root.join("crds"))?;
    cluster.kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=120s",
        "crd",
        "--all",
    ])?;
    // The namespace goes before what is in it.
    let namespace = root.join("policies/rbac/namespace.yaml");
    cluster.kubectl(&["apply", "-f", &namespace.to_string_lossy()])?;
    apply_folder(cluster, &root.join("policies/rbac"))?;
    apply_folder(cluster, &root.join("policies/admission"))?;
    // A policy is in force a moment after it is accepted: until then an admin gets away with this.
    until("the admission policies to be in force", BOUND, || {
        let refused = cluster.kubectl(&["create", "--dry-run=server", "-f", &probe()?]);
        match refused {
            Err(StartError::Command { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Err("an AgentInstance was accepted from the admin".to_owned()),
        }
    })?;
    Ok(())
}

/// Applies the shipped policies.
///
/// # Errors
/// When the API server refuses.
pub fn policies(cluster: &ControlPlane) -> Result<(), StartError> {
    let policies = root().join("policies/cluster.yaml");
    cluster.kubectl(&["apply", "-f", &policies.to_string_lossy()])?;
    Ok(())
}

/// Makes a namespace that may have inline agents.
///
/// # Errors
/// When the API server refuses.
pub fn namespace(cluster: &ControlPlane, name: &str) -> Result<(), StartError> {
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"aion.dev/inline-agents": "allowed"}},
    });
    cluster.apply(&namespace.to_string())?;
    Ok(())
}

fn probe() -> Result<String, String> {
    let path = root().join("tests/e2e/manifests/instance.yaml");
    path.is_file()
        .then(|| path.to_string_lossy().into_owned())
        .ok_or_else(|| format!("{} is missing", path.display()))
}

/// Applies every YAML file of `folder`, and fails on a warning: the API server warns of what it does not
/// understand.
///
/// # Errors
/// What kubectl says.
pub fn apply_folder(cluster: &ControlPlane, folder: &Path) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    for file in files {
        let file = file.to_string_lossy().into_owned();
        cluster
            .kubectl(&[
                "apply",
                "--server-side",
                "--force-conflicts",
                "--warnings-as-errors",
                "-f",
                &file,
            ])
            .with_context(|| format!("applying {file}"))?;
    }
    Ok(())
}
