//! The node: all parts put together, started, drained and stopped.

mod adoption;
mod setting;
mod state;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use aion_abi::signing::NodeSecret;
use aion_drivers::{
    files::FolderFiles,
    model::{OpenAiModels, Patience},
    outbound::Outbound,
    reserve::Reserve,
    tool::McpTools,
};
use aion_kernel::{Event, LiveWorker};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Access, Admin, ServeError, router, serve_unix},
    clock::Clock,
    config::Config,
    dispatch::Dispatch,
    housekeeping::Housekeeping,
    instance::Instances,
    instances::{Keeper, Preparer, Standings, folder::FolderError},
    launching::{Launcher, LauncherEvent},
    modules::Modules,
    mounts::{MappingError, Mounts},
    secret,
    shell::{self, Handle, RecoverError, ShellError, ShellParts},
    telemetry::Telemetry,
    traces::Traces,
    turns::{Checkpoints, Known, Turns},
    workers::{Crew, CrewParts, Logs, ToolProcesses},
};

use adoption::{Unsettled, joined, running};
use setting::Setting;
use state::{folders, io_error, memory, mounts_file};

/// How long a stop waits for running turns.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a stop waits for the kernel's end: a sync, and a snapshot.
const STORE: Duration = Duration::from_secs(15);
/// How long a stop waits for connections.
const CLOSE: Duration = Duration::from_secs(2);

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
    /// The mounts.
    #[error(transparent)]
    Mounts(#[from] MappingError),
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
    Token(#[from] secret::SecretError),
    /// The certificate of the interface over TCP.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Tls(#[from] crate::cluster::TlsError),
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
        let Options {
            config,
            secret,
            launcher,
            mut events,
        } = options;
        let home = config.home.clone();
        folders(&home)?;
        let telemetry = Arc::new(Telemetry::new()?);
        // What the journal needs before it lets go of anything.
        let kept = config.journal_bytes + 2 * config.segment_bytes;
        let reserve =
            Reserve::fitting(&home, kept).map_err(io_error("look at the disk of", &home))?;

        let opened = shell::open(
            &aion_journal::Options {
                dir: home.join("state/journal"),
                segment_bytes: config.segment_bytes,
                keep_bytes: config.journal_bytes,
            },
            config.limits.clone(),
        )?;
        for note in &opened.report.notes {
            tracing::warn!("{note}");
        }
        tracing::info!(facts = opened.facts, "the state was recovered");
        let clock = Clock::behind(opened.kernel.state().latest());
        let unsettled: Vec<Unsettled> = opened.kernel.state().turns().map(Unsettled::of).collect();
        let turns = Turns::open(
            home.join("state/turns"),
            clock,
            reserve.clone(),
            Known {
                waiting: unsettled.iter().map(|it| (it.input, it.turn)).collect(),
                ended: opened.ended,
            },
        )
        .map_err(io_error("read", home.join("state/turns")))?;

        let (found, early) = running(&unsettled, &mut events).await;
        let (handle, parts, orders) = ShellParts::open(opened.kernel, opened.journal, clock);
        let files = FolderFiles::new([home.clone()]).with_reserve(reserve.clone());
        let files = Arc::new(files);
        let mounts = Mounts::open(mounts_file(&config)?, Arc::clone(&files))?;
        let looked_at = mounts.clone();
        tokio::task::spawn_blocking(move || looked_at.tell_closed());
        let setting = Setting::find(&config, &mounts).await?;
        let outbound = Arc::new(Outbound::new(setting.rule(&config)));
        let secrets = setting.secrets(&home);
        let memory = memory(&config, &outbound, &secrets)?;
        let checkpoints = Checkpoints::new(home.join("state/checkpoints"));
        let processes = Arc::new(ToolProcesses::new(Arc::clone(&launcher), mounts.clone()));
        let dispatch = Dispatch {
            files: files.clone(),
            mounts: mounts.clone(),
            memory: Arc::clone(&memory),
            models: Arc::new(OpenAiModels::new(
                Arc::clone(&outbound),
                Arc::clone(&secrets),
                Patience::default(),
            )),
            tools: Arc::new(McpTools::new(
                Arc::clone(&outbound),
                Arc::clone(&secrets),
                setting.stdio(&processes),
            )),
            clock,
            turns: turns.clone(),
            checkpoints: checkpoints.clone(),
            reserve: reserve.clone(),
        };

        let instances = Instances::default();
        let logs = Logs::new(home.join("logs"), reserve.clone());
        let (features_in, features) = watch::channel(None);
        let (started_in, started) = mpsc::unbounded_channel();
        let (removed_in, removed) = mpsc::unbounded_channel();
        let store = Arc::new(aion_bundle::Store::open(home.join("store"))?);
        let modules = Arc::new(Modules::new(Arc::clone(&store), Arc::clone(&launcher)));
        let mut crew = Crew::new(CrewParts {
            launcher,
            events: joined(early, events),
            orders,
            shell: handle.clone(),
            instances: instances.clone(),
            turns: turns.clone(),
            checkpoints: checkpoints.clone(),
            logs: logs.clone(),
            modules: Arc::clone(&modules),
            tools: processes,
            secret,
            clock,
            run: home.join("run"),
            features: features_in,
            started: started_in,
            removed: removed_in,
        });
        let mut alive = Vec::new();
        for it in &found {
            match crew.adopt(it.turn, it.incarnation, it.input).await {
                Ok(()) => alive.push(LiveWorker {
                    turn: it.turn,
                    incarnation: it.incarnation,
                }),
                Err(why) => tracing::warn!(turn = %it.turn, %why, "a running worker is given up"),
            }
        }

        let shell_task = tokio::spawn(parts.with(Arc::new(dispatch)).run(alive));
        let crew_task = tokio::spawn(crew.run());
        let standings = Standings::default();
        let keeper = Keeper {
            source: setting.source(),
            preparer: Preparer::new(
                Arc::clone(&store),
                Arc::new(config.sources.clone()),
                config.offline,
                reserve,
                modules,
            ),
            instances: instances.clone(),
            standings: standings.clone(),
            traces: Traces {
                turns: turns.clone(),
                checkpoints,
                logs: logs.clone(),
                memory: Arc::clone(&memory),
            },
            shell: handle.clone(),
            features: features.clone(),
            started,
            removed,
            limits: config.limits.clone(),
        };
        let keeper_task = tokio::spawn(keeper.run());
        let housekeeping = Housekeeping {
            instances: instances.clone(),
            standings: standings.clone(),
            memory: Arc::clone(&memory),
            store,
        };

        let admin = Arc::new(Admin {
            node: config.node.clone(),
            offline: config.offline,
            home: home.clone(),
            clock,
            shell: handle.clone(),
            instances,
            standings,
            turns,
            logs,
            mounts,
            files,
            folder: setting.folder(),
            memory,
            features,
            telemetry,
        });
        let stop = CancellationToken::new();
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(admin.turns.clone().keep_tidy()),
        );
        tokio::spawn(stop.clone().run_until_cancelled_owned(housekeeping.work()));
        let serving = serve_unix(
            &home.join("run/admin.sock"),
            router(Arc::clone(&admin), Access::Socket),
            stop.clone(),
        )
        .await?;
        let beside = setting.serve(&config, &admin, &stop).await?;
        let serving = async move {
            tokio::join!(serving, beside);
        };
        Ok(Self {
            shell: handle,
            stop,
            shell_task,
            crew_task,
            admin_task: tokio::spawn(serving),
            keeper_task,
            admin,
        })
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
