//! The life of a daemon's process: what it gives up first, its runtime, its node, the signals that end it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::launching::Link;
use crate::node::{Node, Options};
use crate::{machine, secret, telemetry};

/// How long what blocks a thread at the end may take.
const LEAVE: Duration = Duration::from_secs(2);

/// Serves until SIGTERM, SIGINT or the end of the node. Not `async`: what is awaited is compiled where it is first polled,
/// and that is here, not once more in the program.
///
/// # Errors
/// The node cannot start or ended by itself; the error and its causes say why.
pub fn run(config: Config, log_json: bool) -> anyhow::Result<()> {
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
    if let Err(error) = machine::raise_open_files() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(serve(config));
    // A thread that waits for a disk or a server that no longer answers must not keep the process.
    runtime.shutdown_timeout(LEAVE);
    done
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    std::fs::create_dir_all(config.home.join("config")).context("create the state directory")?;
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
