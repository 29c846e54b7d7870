//! A machine standing alone: the real launcher and daemon in a folder of their own, and aionctl to talk to them.

use std::path::{Path, PathBuf};
use std::process::Command;

use aion_testkit::{Process, until};
use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::BOUND;

/// A running node; gone when dropped.
pub struct Standalone {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    daemon: Part,
    launcher: Part,
    aionctl: PathBuf,
    home: PathBuf,
    folder: TempDir,
}

/// A program of the node, and how it is started.
struct Part {
    process: Option<Process>,
    command: Command,
    log: PathBuf,
}

impl Part {
    fn new(command: Command, log: PathBuf) -> Self {
        Self {
            process: None,
            command,
            log,
        }
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.process = Some(Process::spawn(&self.command, &self.log)?);
        Ok(())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::SIGKILL)
    }

    fn end(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(signal);
            process.wait(BOUND)?;
        }
        Ok(())
    }

    fn must_run(&mut self) -> Result<(), String> {
        match self.process.as_mut().and_then(Process::exit_code) {
            Some(code) => Err(format!("it ended with {code}\n{}", self.tail())),
            None => Ok(()),
        }
    }

    fn tail(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }
}

/// The parent of a process (`/proc/PID/stat`, field 4).
fn confined(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line == "NoNewPrivs:\t1")
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
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
        let mut daemon = Command::new(crate::program("aion-node")?);
        daemon.arg("--home").arg(&home).args(["--node-name", name]);
        daemon.envs(environment.iter().copied());
        let mut node = Self {
            daemon: Part::new(daemon, log("node.log")),
            launcher: Part::new(launcher, log("launcher.log")),
            aionctl: crate::program("aionctl")?,
            home,
            folder,
        };
        node.launcher.start()?;
        node.daemon.start()?;
        node.until_it_has_layers()?;
        Ok(node)
    }

    fn until_it_has_layers(&mut self) -> anyhow::Result<()> {
        until("the node to know its layers", BOUND, || {
            self.daemon.must_run()?;
            let nodes = list(&self.aionctl, &self.home, "nodes").map_err(|e| e.to_string())?;
            match nodes.first() {
                Some(node) if !node["status"]["layers"][0].is_null() => Ok(()),
                _ => Err(format!(
                    "{nodes:?}\n{}\n{}",
                    self.daemon.tail(),
                    self.launcher.tail()
                )),
            }
        })?;
        Ok(())
    }

    /// Ends the daemon by `kill -9`, and starts it again.
    ///
    /// # Errors
    /// As [`Standalone::start`].
    pub fn restart_daemon(&mut self) -> anyhow::Result<()> {
        self.while_down(|_| Ok(()))
    }

    /// The same, and does something with its home meanwhile.
    ///
    /// # Errors
    /// As [`Standalone::start`], and what that gives.
    pub fn while_down(
        &mut self,
        meanwhile: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.daemon.kill()?;
        meanwhile(&self.home)?;
        self.daemon.start()?;
        self.until_it_has_layers()
    }

    /// Replaces the node agent as a pod is replaced: the daemon ends and then the launcher, which is asked to, and with it
    /// the workers. The daemon ends by `kill -9`, which gives turns no time to end before.
    ///
    /// # Errors
    /// As [`Standalone::start`].
    pub fn replace(&mut self) -> anyhow::Result<()> {
        self.daemon.kill()?;
        self.launcher.end(Signal::SIGTERM)?;
        self.launcher.start()?;
        self.daemon.start()?;
        self.until_it_has_layers()
    }

    /// Ends the launcher by `kill -9`, and starts it again.
    ///
    /// # Errors
    /// As [`Standalone::start`].
    pub fn restart_launcher(&mut self) -> anyhow::Result<()> {
        self.launcher.kill()?;
        self.launcher.start()?;
        self.until_it_has_layers()
    }

    /// Does something while no program of the node runs, as where the machine sleeps: not the daemon, the launcher nor a
    /// worker.
    ///
    /// # Errors
    /// What it gives.
    pub fn asleep<T>(&self, meanwhile: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let parts = [&self.daemon, &self.launcher];
        let parts = parts.into_iter().filter_map(|it| it.process.as_ref());
        let all: Vec<u32> = parts.map(Process::pid).chain(self.workers()).collect();
        let signal = |signal| {
            for pid in &all {
                // One that has ended meanwhile is asleep enough.
                let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
            }
        };
        signal(Signal::SIGSTOP);
        let done = meanwhile();
        signal(Signal::SIGCONT);
        done
    }

    /// The workers that run: what the launcher has started and what is confined. The one that it made ahead is
    /// not yet.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        let Some(launcher) = self.launcher.process.as_ref().map(Process::pid) else {
            return Vec::new();
        };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|it| it.file_name().to_str()?.parse().ok())
            .filter(|pid| parent(*pid) == Some(launcher) && confined(*pid))
            .collect()
    }

    /// Runs `aionctl` and gives what it printed.
    ///
    /// # Errors
    /// What it said, when it did not end with success.
    pub fn aionctl(&self, args: &[&str]) -> anyhow::Result<String> {
        run(&self.aionctl, &self.home, args)
    }

    /// `aionctl`, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        command(&self.aionctl, &self.home, args)
    }

    /// As [`Standalone::aionctl`], to be run somewhere else.
    pub fn asking(
        &self,
        args: &[&str],
    ) -> impl FnOnce() -> anyhow::Result<String> + Send + 'static + use<> {
        let (aionctl, home) = (self.aionctl.clone(), self.home.clone());
        let args: Vec<String> = args.iter().map(|it| (*it).to_owned()).collect();
        move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            run(&aionctl, &home, &args)
        }
    }

    /// Applies the policies that a set-up of one machine has.
    ///
    /// # Errors
    /// As [`Standalone::aionctl`].
    pub fn with_policies(self) -> anyhow::Result<Self> {
        let policies = crate::cluster::root().join("policies/standalone.yaml");
        self.aionctl(&["apply", "-f", &policies.to_string_lossy()])?;
        Ok(self)
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

fn command(aionctl: &Path, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(aionctl);
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .env_remove("AION_HOME");
    command
}

fn run(aionctl: &Path, home: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = command(aionctl, home, args)
        .output()
        .context("starting aionctl")?;
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
