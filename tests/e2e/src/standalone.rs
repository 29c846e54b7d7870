//! A machine standing alone: the real launcher and daemon in a folder of their own, and aionctl to talk to them.

use std::path::{Path, PathBuf};
use std::process::Command;

use aion_testkit::{Process, until};
use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::BOUND;

/// A running node; gone when dropped.
pub struct Standalone {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    _daemon: Process,
    _launcher: Process,
    aionctl: PathBuf,
    home: PathBuf,
    folder: TempDir,
}

impl Standalone {
    /// Starts launcher and daemon as node `name`, and waits until the node knows its layers.
    ///
    /// # Errors
    /// When a program is not built, or does not become ready.
    pub fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_with(name, &[])
    }

    /// As [`Standalone::start`], the daemon with these variables in its environment.
    ///
    /// # Errors
    /// As [`Standalone::start`].
    pub fn start_with(name: &str, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        // A socket's path is at most 108 bytes long.
        let folder = tempfile::Builder::new()
            .prefix("aion-")
            .tempdir_in("/tmp")?;
        let home = folder.path().join("home");
        let run = home.join("run");
        std::fs::create_dir_all(&run)?;
        std::fs::create_dir_all(home.join("logs"))?;
        let socket = run.join("launcher.sock");
        let mut launcher = Command::new(crate::program("aion-launcher")?);
        launcher.arg("serve").arg("--socket").arg(&socket);
        launcher.arg("--state").arg(run.join("launcher"));
        let log = |name: &str| home.join("logs").join(name);
        let launcher = Process::spawn(&launcher, &log("launcher.log"))?;
        let mut daemon = Command::new(crate::program("aion-node")?);
        daemon.arg("--home").arg(&home).args(["--node-name", name]);
        daemon.envs(environment.iter().copied());
        let mut daemon = Process::spawn(&daemon, &log("node.log"))?;
        let aionctl = crate::program("aionctl")?;
        until("the node to know its layers", BOUND, || {
            if let Some(code) = daemon.exit_code() {
                return Err(format!("it ended with {code}\n{}", daemon.tail()));
            }
            let nodes = list(&aionctl, &home, "nodes").map_err(|e| e.to_string())?;
            match nodes.first() {
                Some(node) if !node["status"]["layers"][0].is_null() => Ok(()),
                _ => Err(format!("{nodes:?}\n{}\n{}", daemon.tail(), launcher.tail())),
            }
        })?;
        Ok(Self {
            _daemon: daemon,
            _launcher: launcher,
            aionctl,
            home,
            folder,
        })
    }

    /// Runs `aionctl` and gives what it printed.
    ///
    /// # Errors
    /// What it said, when it did not end with success.
    pub fn aionctl(&self, args: &[&str]) -> anyhow::Result<String> {
        run(&self.aionctl, &self.home, args)
    }

    /// Whole objects of a kind.
    ///
    /// # Errors
    /// As [`Standalone::aionctl`].
    pub fn list(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        list(&self.aionctl, &self.home, kind)
    }

    /// The folder of the node's state.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What the daemon wrote.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.home.join("logs/node.log")).context("the daemon's log")
    }

    /// A file or folder beside the node's own state, gone with it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As [`sign`], into this node's own store.
    ///
    /// # Errors
    /// As [`sign`].
    pub fn sign(&self, folder: &Path) -> anyhow::Result<(String, String)> {
        sign(&self.home, folder, self.folder.path())
    }
}

/// Builds the bundle in `folder` into the layout of the node whose state is in `home`, signs it with a key of
/// this machine, kept in `keys`, and gives its digest and the public key.
///
/// # Errors
/// What aionctl says.
pub fn sign(home: &Path, folder: &Path, keys: &Path) -> anyhow::Result<(String, String)> {
    let aionctl = crate::program("aionctl")?;
    let aionctl = |args: &[&str]| run(&aionctl, home, args);
    let (secret, public) = (keys.join("machine.key"), keys.join("machine.pub"));
    if !secret.is_file() {
        let key = keys.join("machine");
        aionctl(&["bundle", "keygen", "--no-password", &key.to_string_lossy()])?;
    }
    let digest = aionctl(&["bundle", "build", &folder.to_string_lossy(), "--quiet"])?;
    let digest = digest.trim().to_owned();
    aionctl(&[
        "bundle",
        "sign",
        &digest,
        "--key",
        &secret.to_string_lossy(),
    ])?;
    let public = std::fs::read_to_string(&public).context("reading the public key")?;
    Ok((digest, public))
}

fn list(aionctl: &Path, home: &Path, kind: &str) -> anyhow::Result<Vec<Value>> {
    let text = run(aionctl, home, &["get", kind, "-A", "-o", "json"])?;
    let list: Value = serde_json::from_str(&text).context("aionctl get -o json")?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn run(aionctl: &Path, home: &Path, args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(aionctl);
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .env_remove("AION_HOME");
    let output = command.output().context("starting aionctl")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!(
            "aionctl {} failed ({}): {}{}",
            args.join(" "),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    Ok(text(&output.stdout))
}
