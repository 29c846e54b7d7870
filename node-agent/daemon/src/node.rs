//! The node: all parts put together, started, drained and stopped.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aion_abi::signing::NodeSecret;
use aion_kernel::{Event, Incarnation, LiveWorker, TurnId};
use aion_launcher::{Layer, protocol::WorkerId};
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
    drivers::{
        files::FolderFiles,
        memory::{EmbeddedMemory, MemoryDriver, embed::HttpEmbedder},
        model::{OpenAiModels, Patience},
        outbound::{Outbound, Place, Rule},
        secrets::{SecretFolder, Secrets},
        tool::{McpTools, NoStdioServers},
    },
    instances::{
        Folder, InstanceSource, Instances, Keeper, Preparer, Standings,
        folder::{FolderError, NodeFacts},
    },
    journal,
    mounts::{MappingError, Mounts},
    shell::{self, Handle, RecoverError, ShellError, ShellParts},
    telemetry::Telemetry,
    turns::{Checkpoints, Turns},
    workers::{Crew, CrewParts, Launcher, LauncherEvent, Logs},
};

/// How long a start waits for the launcher where workers may be running.
const LAUNCHER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a stop waits for running turns.
const DRAIN: Duration = Duration::from_secs(20);
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
    /// The metrics.
    #[error("metrics: {0}")]
    Telemetry(#[from] prometheus::Error),
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
        let clock = Clock::start();
        let telemetry = Arc::new(Telemetry::new()?);

        let opened = shell::open(
            &journal::Options {
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
        let unsettled: Vec<Unsettled> = opened.kernel.state().turns().map(Unsettled::of).collect();
        let turns = Turns::open(
            home.join("state/turns"),
            clock,
            unsettled.iter().map(|it| (it.turn, it.input)),
        )
        .map_err(io_error("read", home.join("state/turns")))?;

        let (found, early) = running(&unsettled, &mut events).await;
        let (handle, parts, orders) = ShellParts::open(opened.kernel, opened.journal, clock);
        let files = Arc::new(FolderFiles::new([home.clone()]));
        let mounts = Mounts::open(home.join("config/mounts.json"), Arc::clone(&files))?;
        let outbound = Arc::new(Outbound::new(Rule {
            offline: config.offline,
            place: Place::Standalone,
            node_addresses: Vec::new(),
        }));
        let secrets: Arc<dyn Secrets> = Arc::new(SecretFolder::new(home.join("config/secrets")));
        let memory = memory(&config, &home, &outbound, &secrets)?;
        let checkpoints = Checkpoints::new(home.join("state/checkpoints"));
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
                Arc::new(NoStdioServers),
            )),
            clock,
            turns: turns.clone(),
            checkpoints: checkpoints.clone(),
        };

        let instances = Instances::default();
        let logs = Logs::new(home.join("logs"), clock);
        let (features_in, features) = watch::channel(None);
        let (started_in, started) = mpsc::unbounded_channel();
        let (removed_in, removed) = mpsc::unbounded_channel();
        let mut crew = Crew::new(CrewParts {
            launcher,
            events: joined(early, events),
            orders,
            shell: handle.clone(),
            instances: instances.clone(),
            turns: turns.clone(),
            checkpoints,
            logs: logs.clone(),
            secret,
            clock,
            run: home.join("run"),
            features: features_in,
            started: started_in,
            removed: removed_in,
        });
        let mut alive = Vec::new();
        for it in &found {
            match crew.adopt(it.turn, it.incarnation, it.input) {
                Ok(()) => alive.push(LiveWorker {
                    turn: it.turn,
                    incarnation: it.incarnation,
                }),
                Err(why) => tracing::warn!(turn = %it.turn, %why, "a running worker is given up"),
            }
        }

        let shell_task = tokio::spawn(parts.with(Arc::new(dispatch)).run(alive));
        let crew_task = tokio::spawn(crew.run());
        let folder = Folder::open(home.join("manifests"), facts(&config, &mounts))?;
        let standings = Standings::default();
        let keeper = Keeper {
            source: Arc::new(folder.clone()) as Arc<dyn InstanceSource>,
            preparer: Preparer {
                store: Arc::new(aion_bundle::Store::open(home.join("store"))?),
                sources: Arc::new(config.sources.clone()),
                offline: config.offline,
            },
            instances: instances.clone(),
            standings: standings.clone(),
            shell: handle.clone(),
            features: features.clone(),
            started,
            removed,
        };
        let keeper_task = tokio::spawn(keeper.run());
        tokio::spawn(layers_to_folder(features.clone(), folder.clone()));

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
            folder: Some(folder),
            memory,
            features,
            telemetry,
        });
        let stop = CancellationToken::new();
        let serving = serve_unix(
            &home.join("run/admin.sock"),
            router(Arc::clone(&admin), Access::Socket),
            stop.clone(),
        )
        .await?;
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

    /// Takes no more turns, lets running ones end, stores a snapshot and ends.
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
        self.shell.stop().await;
        let ended = self.ended().await;
        let _ = timeout(CLOSE, &mut self.crew_task).await;
        let _ = timeout(CLOSE, &mut self.admin_task).await;
        ended
    }
}

/// A turn that the kernel had when the last daemon ended.
struct Unsettled {
    turn: TurnId,
    instance: aion_kernel::InstanceUid,
    incarnation: Option<Incarnation>,
    input: aion_kernel::Digest,
}

impl Unsettled {
    fn of((turn, row): (TurnId, &aion_kernel::TurnRow)) -> Self {
        Self {
            turn,
            instance: row.instance,
            incarnation: row.phase.incarnation(),
            input: row.input.digest,
        }
    }

    fn worker(&self) -> Option<WorkerId> {
        Some(WorkerId {
            instance: self.instance.to_string(),
            incarnation: self.incarnation?.0,
        })
    }
}

/// A worker that was found.
struct Found {
    turn: TurnId,
    incarnation: Incarnation,
    input: aion_kernel::Digest,
}

/// Which workers of `unsettled` turns run, or ended while nobody listened (their exit follows). Waits for
/// the launcher only where there may be some. Gives the events that were read, too.
async fn running(
    unsettled: &[Unsettled],
    events: &mut mpsc::UnboundedReceiver<LauncherEvent>,
) -> (Vec<Found>, Vec<LauncherEvent>) {
    let mut early = Vec::new();
    if unsettled.iter().all(|it| it.incarnation.is_none()) {
        return (Vec::new(), early);
    }
    let up = async {
        while let Some(event) = events.recv().await {
            let up = matches!(event, LauncherEvent::Up { .. });
            early.push(event);
            if up {
                return;
            }
        }
    };
    if timeout(LAUNCHER_PATIENCE, up).await.is_err() {
        tracing::warn!("the launcher does not answer: turns that ran before are given up");
    }
    let known: HashSet<&WorkerId> = early
        .iter()
        .flat_map(|event| match event {
            LauncherEvent::Up { workers, .. } => workers.iter().map(|it| &it.id).collect(),
            LauncherEvent::Exited(exited) => vec![&exited.id],
            LauncherEvent::Down(_) => Vec::new(),
        })
        .collect();
    let found = unsettled
        .iter()
        .filter(|it| it.worker().is_some_and(|id| known.contains(&id)))
        .filter_map(|it| {
            Some(Found {
                turn: it.turn,
                incarnation: it.incarnation?,
                input: it.input,
            })
        })
        .collect();
    (found, early)
}

/// The events that were read early, then those to come.
fn joined(
    early: Vec<LauncherEvent>,
    mut later: mpsc::UnboundedReceiver<LauncherEvent>,
) -> mpsc::UnboundedReceiver<LauncherEvent> {
    if early.is_empty() {
        return later;
    }
    let (out, joined) = mpsc::unbounded_channel();
    for event in early {
        let _ = out.send(event);
    }
    tokio::spawn(async move {
        while let Some(event) = later.recv().await {
            if out.send(event).is_err() {
                return;
            }
        }
    });
    joined
}

/// Placement counts on what the launcher can enforce.
async fn layers_to_folder(mut features: watch::Receiver<Option<Vec<Layer>>>, folder: Folder) {
    loop {
        let layers = features.borrow_and_update().clone();
        // While it does not answer, what it could do before is what is expected again.
        if let Some(layers) = layers {
            let enforced = layers.iter().filter(|it| it.is_enforced());
            let layers = enforced
                .filter_map(|it| crate::instances::layer_of(it.name.as_str()))
                .collect();
            folder.node_changed(|node| node.layers = layers);
        }
        if features.changed().await.is_err() {
            return;
        }
    }
}

fn facts(config: &Config, mounts: &Mounts) -> NodeFacts {
    NodeFacts {
        name: config.node.clone(),
        capacity: config.capacity,
        layers: Vec::new(),
        volumes: mounts.all().into_keys().collect(),
    }
}

fn memory(
    config: &Config,
    home: &Path,
    outbound: &Arc<Outbound>,
    secrets: &Arc<dyn Secrets>,
) -> Result<Arc<dyn MemoryDriver>, NodeError> {
    let embedder = HttpEmbedder::new(Arc::clone(outbound), Arc::clone(secrets));
    let memory = EmbeddedMemory::open(
        home.join("state/memory"),
        config.memory.clone(),
        Arc::new(embedder),
    );
    Ok(Arc::new(memory.map_err(|problem| {
        NodeError::Memory(problem.to_string())
    })?))
}

/// Makes the folders of the state, for this user only.
fn folders(home: &Path) -> Result<(), NodeError> {
    for folder in ["", "config", "run", "run/s", "run/l", "state", "logs"] {
        let path = home.join(folder);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(io_error("create", &path))?;
    }
    for folder in ["", "run", "run/s", "run/l", "state", "config"] {
        let path = home.join(folder);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .map_err(io_error("keep others out of", &path))?;
    }
    Ok(())
}

fn io_error(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.into();
    move |source| NodeError::Io {
        action,
        path,
        source,
    }
}
