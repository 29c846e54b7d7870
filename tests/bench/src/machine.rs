//! A node in a folder of its own, with its launcher: the real programs, as a person has them.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aion_abi::admin::{TurnEvent, TurnRequest};
use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::programs::{self, Running};
use crate::turn;

/// How long anything may take here.
pub(crate) const BOUND: Duration = Duration::from_secs(300);

/// See the module.
pub(crate) struct Machine {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    daemon: Option<Running>,
    _launcher: Running,
    home: PathBuf,
    folder: TempDir,
}

/// One question, by its caller's clock.
pub(crate) struct Asked {
    /// From the turn's being taken to its answer.
    pub(crate) first_word: Duration,
    /// From the question to the end of the turn.
    pub(crate) whole: Duration,
}

impl Machine {
    /// A machine whose node is not started yet.
    pub(crate) fn new() -> Result<Self> {
        let folder = programs::scratch()?;
        let home = folder.path().join("home");
        let run = home.join("run");
        fs::create_dir_all(&run)?;
        let mut launcher = Command::new(programs::path("aion-launcher")?);
        launcher.arg("serve").arg("--socket");
        launcher.arg(run.join("launcher.sock"));
        launcher.arg("--state").arg(run.join("launcher"));
        Ok(Self {
            daemon: None,
            _launcher: Running::start(&mut launcher)?,
            home,
            folder,
        })
    }

    /// Starts the node; says how long it took until it answered.
    pub(crate) fn start(&mut self) -> Result<Duration> {
        let mut command = Command::new(programs::path("aion-node")?);
        command.arg("--home").arg(&self.home);
        let from = Instant::now();
        let daemon = self.daemon.insert(Running::start(&mut command)?);
        while UnixStream::connect(self.home.join("run/admin.sock")).is_err() {
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

    /// Where it keeps its state.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A folder beside its state.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its interface.
    pub(crate) fn node(&self) -> Result<aion_client::Node> {
        turn::node(&self.home.join("run/admin.sock"))
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

    /// Asks an agent, and waits for the end of the turn, so that no two overlap.
    pub(crate) fn ask(&self, runtime: &Runtime, agent: &str) -> Result<Asked> {
        let node = self.node()?;
        let request = TurnRequest {
            input: "anything?".to_owned(),
            ..TurnRequest::default()
        };
        let from = Instant::now();
        let turn = async {
            let mut events = node.start_turn("default", agent, &request).await?;
            let (mut taken, mut answered) = (None, None);
            while let Some(event) = events.next().await? {
                let now = Some(Instant::now());
                match event {
                    TurnEvent::Queued { .. } => taken = taken.or(now),
                    TurnEvent::Final { .. } => answered = answered.or(now),
                    TurnEvent::Ended(outcome) if answered.is_none() => {
                        bail!("agent {agent} did not answer: {outcome:?}");
                    }
                    _ => {}
                }
            }
            let (taken, answered) = taken.zip(answered).context("the stream broke off")?;
            Ok(Asked {
                first_word: answered - taken,
                whole: from.elapsed(),
            })
        };
        runtime.block_on(async { timeout(BOUND, turn).await? })
    }
}

/// In milliseconds.
pub(crate) fn median_ms(delays: &mut [Duration]) -> f64 {
    delays.sort_unstable();
    delays
        .get(delays.len() / 2)
        .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
}
