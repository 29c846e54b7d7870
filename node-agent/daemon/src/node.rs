//! The node: all parts put together, started a storey at a time, drained and stopped.

mod adoption;
mod drivers;
mod proofs;
mod recover;
mod serve;
mod setting;
mod state;
mod workers;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use aion_abi::signing::NodeSecret;
use aion_kernel::Event;
use aion_serve::ServeError;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    config::Config,
    instances::folder::FolderError,
    kernel_trace::KernelTraces,
    keys::{KeyError, SettingsError},
    launching::{Launcher, LauncherEvent},
    mounts::MappingError,
    server::Reactors,
    shell::{Handle, RecoverError, ShellError},
    telemetry::Telemetry,
};

use drivers::drivers;
use recover::recover;
use serve::serve;
use workers::workers;

/// How long a stop waits for running turns.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a stop waits for the kernel's end: a sync, and a snapshot.
const STORE: Duration = Duration::from_secs(15);
/// How long a stop waits for connections, a handshake and a request included.
const CLOSE: Duration = Duration::from_secs(5);

/// Why a node does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A folder of the state.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The kernel's shell ended.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// The threads that syscalls run on.
    #[error("no threads for syscalls: {0}; raise the limits on processes and open files")]
    Reactors(io::Error),
    /// The mounts.
    #[error(transparent)]
    Mounts(#[from] MappingError),
    /// The API keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The issuers of tokens.
    #[error(transparent)]
    Issuers(#[from] SettingsError),
    /// The manifests.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store of bundles.
    #[error(transparent)]
    Store(#[from] aion_bundle::StoreError),
    /// The memory.
    #[error("memory: {0}")]
    Memory(String),
    /// The interface.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The token of the interface over TCP.
    #[error(transparent)]
    Token(#[from] aion_serve::TokenError),
    /// The certificate of the interface over TCP.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Tls(#[from] aion_serve::certificate::TlsError),
    /// The Kubernetes API.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Join(#[from] crate::cluster::JoinError),
    /// The build cannot be a member of a cluster.
    #[error("this aion-node was built without the feature kubernetes")]
    NoKubernetes,
    /// The metrics.
    #[error("metrics: {0}")]
    Telemetry(#[from] aion_telemetry::MetricsError),
}

/// What a node is started with.
pub struct Options {
    /// The settings.
    pub config: Config,
    /// What keys are derived from.
    pub secret: NodeSecret,
    /// Starts workers.
    pub launcher: Arc<dyn Launcher>,
    /// What the launcher tells.
    pub events: mpsc::UnboundedReceiver<LauncherEvent>,
}

/// A node that runs.
pub struct Node {
    shell: Handle,
    stop: CancellationToken,
    /// Held: they end with the node.
    _reactors: Arc<Reactors>,
    shell_task: JoinHandle<Result<(), ShellError>>,
    crew_task: JoinHandle<()>,
    admin_task: JoinHandle<()>,
    keeper_task: JoinHandle<()>,
    admin: Arc<Admin>,
}

impl Node {
    /// Recovers the state and starts every part.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(options: Options) -> Result<Self, NodeError> {
        let telemetry = Arc::new(Telemetry::new()?);
        let launcher = options.launcher;
        let (base, recovered) = recover(options.config, options.events).await?;
        let (setting, drivers) = drivers(&base, &launcher, &telemetry).await?;
        let kernel_traces = KernelTraces::new(Arc::clone(&telemetry));
        let secret = options.secret;
        let workers = workers(
            &base,
            &drivers,
            recovered,
            launcher,
            secret,
            kernel_traces,
            Arc::clone(&telemetry),
        )
        .await?;
        serve(base, setting, drivers, workers, telemetry).await
    }

    /// The kernel.
    pub fn shell(&self) -> &Handle {
        &self.shell
    }

    /// What the interface works with.
    pub fn admin(&self) -> &Arc<Admin> {
        &self.admin
    }

    /// Waits until the node ends by itself, which it does only when it cannot go on.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        match (&mut self.shell_task).await {
            Ok(ended) => Ok(ended?),
            Err(error) => Err(NodeError::Io {
                action: "run",
                path: "the kernel's shell".into(),
                source: io::Error::other(error),
            }),
        }
    }

    /// Takes no more turns, lets running ones end, stores a snapshot and ends; each for so long at most.
    ///
    /// # Errors
    /// What went wrong at the end; the journal holds everything that was promised.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.admin.leaving.drain();
        self.shell.tell(Event::Drain);
        let drained = async {
            loop {
                let running = self.shell.look(|kernel| kernel.load().running_turns).await;
                match running {
                    Some(0) | None => return,
                    Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("turns still run; the next daemon takes them over");
        }
        self.admin.leaving.close();
        self.stop.cancel();
        self.keeper_task.abort();
        let shell = self.shell.clone();
        let ended = timeout(STORE, async {
            shell.stop().await;
            self.ended().await
        });
        let ended = ended.await.unwrap_or_else(|_| {
            tracing::warn!(
                "the disk does not answer; the journal holds everything that was promised"
            );
            self.shell_task.abort();
            Ok(())
        });
        // It ends when the record of every turn that ended is written; a disk that takes none is not waited for, and
        // the next start makes the record from the journal.
        let _ = timeout(STORE, &mut self.crew_task).await;
        let _ = timeout(CLOSE, &mut self.admin_task).await;
        ended
    }
}
