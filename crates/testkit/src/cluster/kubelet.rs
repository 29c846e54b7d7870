//! The kubelet of a node, and the proxy that makes Services reachable from it.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{containerd, machine::Machine, network};
use crate::{Component, Process, StartError};

/// Starts it; it registers the node and looks after its pods from then on.
pub(super) fn start(
    machine: &Machine,
    folder: &Path,
    name: &str,
    number: u8,
    kubeconfig: &Path,
) -> Result<Process, StartError> {
    let config = write(folder, "kubelet.json", &configuration())?;
    let mut command = machine.entrance().command(Component::Kubelet.find()?);
    command
        .arg("--config")
        .arg(config)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--root-dir=/var/lib/kubelet")
        .arg(format!("--hostname-override={name}"))
        // Every other address is loopback's, which it does not take.
        .arg(format!("--node-ip={}", network::node(number)));
    Process::spawn(&command, &folder.join("kubelet.log"))
}

/// Starts the proxy.
pub(super) fn start_proxy(
    machine: &Machine,
    folder: &Path,
    name: &str,
    kubeconfig: &Path,
) -> Result<Process, StartError> {
    let config = write(
        folder,
        "kube-proxy.json",
        &json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": name,
            "clientConnection": {"kubeconfig": kubeconfig},
            // The table of connections belongs to the host: its size is left alone.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }),
    )?;
    let mut command = machine.entrance().command(Component::KubeProxy.find()?);
    command.arg("--config").arg(config);
    Process::spawn(&command, &folder.join("kube-proxy.log"))
}

fn configuration() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", containerd::SOCKET),
        // Nobody reaches it but the cluster itself.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        // Pods are counted, and nothing of the machine is held back or judged full.
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%",
            "nodefs.inodesFree": "0%", "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
    })
}

fn write(folder: &Path, name: &str, value: &Value) -> Result<std::path::PathBuf, StartError> {
    let path = folder.join(name);
    fs::write(&path, value.to_string()).map_err(StartError::io(format!("writing {name}")))?;
    Ok(path)
}
