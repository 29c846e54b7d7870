//! containerd on a node: Debian's, with its state in the node's own folders.

use std::{fs, path::Path, time::Duration};

use super::{images::Image, machine::Machine, network};
use crate::{Process, StartError};

pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

/// Programs that it is made of, and the package of Debian that has them.
pub(super) const WANTED: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
];

/// Debian's folder of CNI plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// Holds each pod's namespaces.
pub(super) const PAUSE: &str = "aion.test/pause:1";

const BOUND: Duration = Duration::from_secs(120);

/// Says whether the plugins are here.
pub(super) fn plugins() -> Result<(), StartError> {
    match Path::new(PLUGINS).join("bridge").is_file() {
        true => Ok(()),
        false => Err(StartError::Missing {
            component: "containernetworking-plugins",
            why: format!("{PLUGINS}/bridge does not exist; Debian's package of that name has it"),
        }),
    }
}

/// Starts it and waits until it answers.
pub(super) fn start(machine: &Machine, folder: &Path, number: u8) -> Result<Process, StartError> {
    let plugins = folder.join("cni");
    fs::create_dir_all(&plugins).map_err(StartError::io("making a folder for CNI"))?;
    fs::write(
        plugins.join("cluster.conflist"),
        network::cni(number).to_string(),
    )
    .map_err(StartError::io("writing the configuration of CNI"))?;
    let config = folder.join("containerd.toml");
    fs::write(&config, configuration(&plugins))
        .map_err(StartError::io("writing containerd's configuration"))?;
    let mut command = machine.entrance().command("containerd");
    command.arg("--config").arg(&config);
    let mut process = Process::spawn(&command, &folder.join("containerd.log"))?;
    process.until_ready(BOUND, |_| {
        ctr(machine, &["version"]).map_err(|error| error.to_string())
    })?;
    Ok(process)
}

/// Gives the node an image.
pub(super) fn import(machine: &Machine, folder: &Path, image: &Image) -> Result<(), StartError> {
    let archive = folder.join("image.tar");
    image.write(&archive)?;
    import_archive(machine, &archive)
}

/// Gives the node the images of an archive, of an OCI layout or as `docker save` writes it.
pub(super) fn import_archive(machine: &Machine, archive: &Path) -> Result<(), StartError> {
    ctr(machine, &["images", "import", &archive.to_string_lossy()]).map(drop)
}

fn ctr(machine: &Machine, args: &[&str]) -> Result<String, StartError> {
    let here = ["--address", SOCKET, "--namespace", "k8s.io"];
    machine.run("ctr", &[&here, args].concat())
}

fn configuration(plugins: &Path) -> String {
    let plugins = plugins.display();
    // Without CAP_SYS_RESOURCE no process may be given a lower score than its parent's.
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{plugins}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
"#
    )
}
