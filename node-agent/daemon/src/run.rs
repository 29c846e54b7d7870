//! The life of a daemon's process: what it gives up first, its runtime, its node, the signals that end it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aion_telemetry::LogError;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::launching::Link;
use crate::node::{Node, NodeError, Options};
use crate::secret::SecretError;
use crate::{machine, secret, telemetry};

/// How long what blocks a thread at the end may take.
const LEAVE: Duration = Duration::from_secs(2);

/// Why a daemon does not run, or no longer.
#[derive(Debug, Error)]
pub enum RunError {
    /// It has nothing to log with.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The machine did not give what it needs first.
    #[error("{what}: {source}")]
    Machine {
        /// What it was to do.
        what: &'static str,
        /// Why it could not.
        source: io::Error,
    },
    /// The key that those of all runs are derived from.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Serves until SIGTERM, SIGINT or the end of the node. Not `async`: what is awaited is compiled where it is first polled,
/// and that is here, not once more in the program.
///
/// # Errors
/// The node cannot start or ended by itself; the error and its causes say why.
pub fn run(config: Config, log_json: bool) -> Result<(), RunError> {
    telemetry::log(log_json)?;
    // Before there is a second thread: each has capabilities of its own.
    for left in machine::drop_capabilities() {
        tracing::warn!(%left, "a capability could not be given up");
    }
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "this daemon is root's: whatever takes it over may write every file of root's; aionctl local start gives it a user of its own"
        );
    }
    if let Err(error) = aion_serve::raise_open_files() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed("start the runtime"))?;
    let done = runtime.block_on(serve(config));
    // A thread that waits for a disk or a server that no longer answers must not keep the process.
    runtime.shutdown_timeout(LEAVE);
    done
}

async fn serve(config: Config) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("listen for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("listen for SIGINT"))?;
    std::fs::create_dir_all(config.home.join("config"))
        .map_err(failed("create the state directory"))?;
    let secret = secret::load(&config.home.join("config/node.secret"))?;
    let (launcher, events) = Link::start(config.launcher.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = %config.node,
        home = %config.home.display(),
        offline = config.offline,
        "starting"
    );
    let mut node = Node::start(Options {
        config,
        secret,
        launcher: Arc::new(launcher),
        events,
    })
    .await?;
    tracing::info!("ready");
    tokio::select! {
        ended = node.ended() => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    node.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::Machine { what, source }
}
