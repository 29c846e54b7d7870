//! The measured daemon: the whole node in this process, with everything on (signatures, kernel, journal),
//! and a launcher that starts nothing. The boot document that a worker would read gives the key and the
//! socket, so that the load comes in as a worker's calls do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aion_abi::boot::Boot;
use aion_abi::signing::NodeSecret;
use aion_daemon::launching::{LaunchError, Launched, Launcher, LauncherEvent, WorkerFds};
use aion_daemon::{Config, Node, Options};
use aion_sandbox::protocol::{Measured, Start, WorkerId};
use anyhow::{Context, Result};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;

/// An agent that does nothing, granted as many calls as can be made.
const MANIFEST: &str = r"
apiVersion: aion.dev/v1alpha1
kind: Agent
metadata: {name: bench}
spec:
  instructions: Does nothing.
  limits: {callsPerMinute: 10000000, concurrentCalls: 1024, turnSeconds: 3600}
---
apiVersion: aion.dev/v1alpha1
kind: TrustPolicy
metadata: {name: inline}
spec: {inline: allow}
---
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {name: bench}
spec: {allow: ['agent.*']}
";

/// A run of the agent: what its worker would have been given.
pub(crate) struct Run {
    /// The boot document.
    pub(crate) boot: Boot,
    /// The run's socket.
    pub(crate) socket: PathBuf,
}

/// A node whose one agent is in a turn.
pub(crate) struct Host {
    /// The node.
    pub(crate) node: Node,
    /// The turn.
    pub(crate) run: Run,
}

impl Host {
    /// Starts a node below `home`, applies the agent and starts a turn.
    pub(crate) async fn start(home: &Path) -> Result<Self> {
        std::fs::create_dir_all(home.join("manifests"))?;
        std::fs::write(home.join("manifests/bench.yaml"), MANIFEST)?;
        let (runs_in, mut runs) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::unbounded_channel();
        events_in.send(LauncherEvent::Up {
            layers: Vec::new(),
            hooks: Vec::new(),
            workers: Vec::new(),
        })?;
        let options = Options {
            config: Config::standalone(home.to_owned())?,
            secret: NodeSecret::new([7; 32]),
            launcher: Arc::new(NoWorkers {
                runs: runs_in,
                _events: events_in,
            }),
            events,
        };
        let node = Node::start(options).await?;
        crate::turn::start(&home.join("run/admin.sock"), "bench").await?;
        let run = tokio::time::timeout(Duration::from_secs(30), runs.recv())
            .await
            .context("the turn did not start within 30 s")?
            .context("the node dropped its launcher")?;
        Ok(Self { node, run })
    }
}

/// Says that every start succeeded, and starts nothing.
struct NoWorkers {
    runs: mpsc::UnboundedSender<Run>,
    /// Held: a closed channel would mean that the launcher is gone.
    _events: mpsc::UnboundedSender<LauncherEvent>,
}

impl Launcher for NoWorkers {
    fn start(&self, start: Start, fds: WorkerFds) -> BoxFuture<'_, Result<Launched, LaunchError>> {
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut text = Vec::new();
                File::from(fds.boot).read_to_end(&mut text)?;
                serde_json::from_slice(&text).map_err(std::io::Error::other)
            });
            let boot = read
                .await
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(|error| LaunchError {
                    why: error.to_string(),
                    unreachable: false,
                    failure: None,
                })?;
            let _ = self.runs.send(Run {
                boot,
                socket: start.socket.unwrap_or_default(),
            });
            Ok(Launched {
                pid: std::process::id(),
                start_time: 0,
                layers: Vec::new(),
                doors: Vec::new(),
            })
        }
        .boxed()
    }

    fn open_gate<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Result<(), LaunchError>> {
        async { Ok(()) }.boxed()
    }

    fn kill<'a>(&'a self, _: &'a WorkerId, _: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        async { Ok(()) }.boxed()
    }

    fn measure<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Option<Measured>> {
        Box::pin(std::future::ready(None))
    }

    fn acknowledge<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}
