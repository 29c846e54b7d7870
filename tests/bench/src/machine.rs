//! A node in a folder of its own, with its launcher: the real programs, as a person has them.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aion_sandbox::client::Client;
use aion_sandbox::protocol::Exited;
use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::programs::{self, Running};
use crate::turn;

/// How long anything may take here.
pub(crate) const BOUND: Duration = Duration::from_secs(300);

/// Workers beside those that are asked for: one made ahead, and a compiler.
const SPARE: u32 = 8;

/// See the module.
pub(crate) struct Machine {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    daemon: Option<Running>,
    launcher: Running,
    workers: Option<u32>,
    home: PathBuf,
    folder: TempDir,
}

impl Machine {
    /// A machine whose node is not started yet.
    pub(crate) fn new() -> Result<Self> {
        Self::of(None)
    }

    /// As [`Machine::new`], for so many workers at a time, whatever memory they might ask for.
    pub(crate) fn crowded(workers: u32) -> Result<Self> {
        Self::of(Some(workers))
    }

    fn of(workers: Option<u32>) -> Result<Self> {
        let folder = programs::scratch()?;
        let home = folder.path().join("home");
        let run = home.join("run");
        fs::create_dir_all(&run)?;
        let mut launcher = Command::new(programs::path("aion-launcher")?);
        launcher.arg("serve").arg("--socket");
        launcher.arg(run.join("launcher.sock"));
        launcher.arg("--state").arg(run.join("launcher"));
        if let Some(workers) = workers {
            launcher.args(["--max-workers", &(workers + SPARE).to_string()]);
        }
        Ok(Self {
            daemon: None,
            launcher: Running::start(&mut launcher)?,
            workers,
            home,
            folder,
        })
    }

    /// Starts the node; says how long it took until it answered.
    pub(crate) fn start(&mut self) -> Result<Duration> {
        let mut command = Command::new(programs::path("aion-node")?);
        command.arg("--home").arg(&self.home);
        if let Some(workers) = self.workers {
            command.args(["--workers", &workers.to_string()]);
            command.args(["--agent-memory-mib", "1000000"]);
        }
        let from = Instant::now();
        let socket = self.socket();
        let daemon = self.daemon.insert(Running::start(&mut command)?);
        while UnixStream::connect(&socket).is_err() {
            daemon.runs().context("aion-node")?;
            ensure!(from.elapsed() < BOUND, "the node does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(from.elapsed())
    }

    /// Ends the node, as a person does.
    pub(crate) fn stop(&mut self) {
        self.daemon = None;
    }

    /// The node's process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Running::pid)
    }

    /// The launcher's process.
    pub(crate) fn launcher_pid(&self) -> u32 {
        self.launcher.pid()
    }

    /// Where it keeps its state.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A folder beside its state.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it takes questions.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("run/admin.sock")
    }

    /// The launcher itself, where no node is started.
    pub(crate) async fn launcher(&self) -> Result<(Client, mpsc::Receiver<Exited>)> {
        let (socket, from) = (self.home.join("run/launcher.sock"), Instant::now());
        loop {
            match Client::connect(&socket).await {
                Ok(connected) => return Ok(connected),
                Err(error) if from.elapsed() > BOUND => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Its interface.
    pub(crate) fn node(&self) -> Result<aion_client::Node> {
        turn::node(&self.socket())
    }

    /// Waits until so many agents can be asked, with a look each `pause`.
    pub(crate) fn await_ready(
        &self,
        runtime: &Runtime,
        agents: usize,
        pause: Duration,
    ) -> Result<()> {
        let (node, from) = (self.node()?, Instant::now());
        loop {
            let ready = runtime.block_on(node.status())?.agents_ready;
            if ready as usize >= agents {
                return Ok(());
            }
            ensure!(
                from.elapsed() < BOUND,
                "{ready} of {agents} agents are ready"
            );
            std::thread::sleep(pause);
        }
    }

    pub(crate) fn aionctl(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(programs::path("aionctl")?);
        command.args(args).arg("--home").arg(&self.home);
        let output = command.env_remove("AION_HOME").output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("aionctl {}: {said}", args.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Asks an agent, and waits for the end of the turn, so that no two overlap; says how long that took.
    pub(crate) fn ask(&self, runtime: &Runtime, agent: &str) -> Result<Duration> {
        let from = Instant::now();
        runtime.block_on(turn::ask(&self.socket(), agent))?;
        Ok(from.elapsed())
    }

    /// Applies resources, and waits until their agents are ready.
    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        self.applied(manifest, &["--wait", "60"])
    }

    /// Applies resources, of agents whose program is still to come.
    pub(crate) fn apply_external(&self, manifest: &str) -> Result<()> {
        self.applied(manifest, &[])
    }

    fn applied(&self, manifest: &str, more: &[&str]) -> Result<()> {
        let path = self.folder.path().join("bench.yaml");
        fs::write(&path, manifest)?;
        let path = path.to_string_lossy();
        self.aionctl(&[&["apply", "-f", &path], more].concat())?;
        Ok(())
    }
}
