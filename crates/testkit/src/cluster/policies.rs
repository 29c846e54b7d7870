//! NetworkPolicies in force on a node, by the firewall of kube-router and nothing else of it.
//!
//! Kubernetes' own program for this, kube-network-policies, has nftables queue packets for it, which many kernels are
//! built without (`CONFIG_NFT_QUEUE`); this one makes rules and sets for iptables.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::machine::Machine;
use crate::{Component, Process, StartError, component};

/// Who it logs in as.
pub(super) const USER: &str = "system:kube-router";

/// Says whether this machine can have it.
pub(super) fn possible() -> Result<(), StartError> {
    Component::KubeRouter.find()?;
    component::programs(&[("iptables", "iptables"), ("ipset", "ipset")])?;
    // A kernel may have no sets; these go with the namespace.
    component::works(
        "ipset",
        Command::new("unshare").args(["--net", "ipset", "create", "aion", "hash:ip"]),
    )
}

/// What it may do: it looks, and writes nothing.
pub(super) fn role() -> Value {
    let kind = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": USER}});
    let (mut role, mut binding) = (kind("ClusterRole"), kind("ClusterRoleBinding"));
    let looks = json!(["get", "list", "watch"]);
    role["rules"] = json!([
        {"apiGroups": [""], "resources": ["namespaces", "pods", "services", "nodes", "endpoints"], "verbs": looks},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": looks},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": looks},
    ]);
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER});
    binding["subjects"] =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}]);
    json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]})
}

/// Starts it on a node that the API server knows.
pub(super) fn start(
    machine: &Machine,
    folder: &Path,
    name: &str,
    kubeconfig: &Path,
) -> Result<Process, StartError> {
    let mut command = machine.entrance().command(Component::KubeRouter.find()?);
    command
        .args(["--run-firewall=true", "--run-router=false"])
        .args(["--run-service-proxy=false", "--health-port=0"])
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(format!("--hostname-override={name}"))
        .arg("--kubeconfig")
        .arg(kubeconfig);
    Process::spawn(&command, &folder.join("kube-router.log"))
}
