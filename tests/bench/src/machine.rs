//! The real node: daemon and launcher as processes in a folder of their own, with what is applied to them.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::programs::{self, Running};

/// How long anything may take here.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A node in a folder of its own, with its launcher.
pub(crate) struct Machine {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    _daemon: Running,
    _launcher: Running,
    home: PathBuf,
    folder: TempDir,
}

impl Machine {
    /// Starts it, and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        let folder = programs::scratch()?;
        let home = folder.path().join("home");
        let run = home.join("run");
        fs::create_dir_all(&run)?;
        let mut launcher = Command::new(programs::path("aion-launcher")?);
        launcher.arg("serve").arg("--socket");
        launcher.arg(run.join("launcher.sock"));
        launcher.arg("--state").arg(run.join("launcher"));
        let mut launcher = Running::start(&mut launcher)?;
        let mut daemon = Command::new(programs::path("aion-node")?);
        let mut daemon = Running::start(daemon.arg("--home").arg(&home))?;
        let until = Instant::now() + BOUND;
        while UnixStream::connect(run.join("admin.sock")).is_err() {
            launcher.runs().context("aion-launcher")?;
            daemon.runs().context("aion-node")?;
            ensure!(Instant::now() < until, "the node does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            _daemon: daemon,
            _launcher: launcher,
            home,
            folder,
        })
    }

    /// Where files for it may lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it takes questions.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("run/admin.sock")
    }

    /// Applies resources, and waits until their agents are ready.
    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        let path = self.folder.path().join("bench.yaml");
        fs::write(&path, manifest)?;
        self.aionctl(&["apply", "--wait", "60", "-f", &path.to_string_lossy()])?;
        Ok(())
    }

    /// What `aionctl` says to it.
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
}
