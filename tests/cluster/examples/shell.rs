//! A shell in a cluster on this machine that AION-OS is not installed in yet, to try by hand what its users type. The
//! cluster goes with the shell.

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use aion_cluster_tests::{Installed, images, root};
use aion_testkit::{Component, architecture};

const WELCOME: &str = "
Two nodes, the images of this version on both, and nothing installed. kubectl, helm and aionctl are on the PATH.
charts/README.md says how to install it. The cluster ends with this shell.
";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    eprintln!("starting a cluster");
    let it = Installed::prepared()?;
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut path: Vec<PathBuf> = vec![images().join(format!("bin-{}", architecture()))];
    for component in [Component::Kubectl, Component::Helm] {
        path.extend(component.find()?.parent().map(PathBuf::from));
    }
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = it.cluster.command(shell);
    command
        .env("PATH", env::join_paths(path)?)
        .env("AION_HOME", it.cluster.folder().join("aionctl"))
        .current_dir(root());
    eprintln!("{WELCOME}");
    if !it.enforces_network_policies() {
        eprintln!("NetworkPolicies are objects there, and not in force.");
    }
    let status = command.status()?;
    Ok(ExitCode::from(
        status.code().map_or(1, |code| code.clamp(0, 255) as u8),
    ))
}
