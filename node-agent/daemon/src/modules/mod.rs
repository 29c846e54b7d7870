//! Modules made ready to run: compiled once for this machine by a confined process, kept in the store beside
//! their bundle, and opened for each worker.
//!
//! What was compiled is machine code made of untrusted bytes: this process never maps it, and hands it to
//! confined workers only. Its bytes are compared with their digest before they are first used and whenever
//! the file changed since; what does not fit is compiled anew. What may not enter: instances, turns.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use aion_abi::{
    layer::{self, Layer},
    tenant::Tenant,
};
use aion_bundle::{Content, Digest, Store, StoreError};
use aion_engine::answer::{HEAD, Head};
use aion_folders::Stamp;
use aion_sandbox::protocol::{Limits, Role, Rules, Start, StartFailure, WorkerId};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    lanes::Lanes,
    launching::{LaunchError, Launcher, WorkerFds, lacking, one_line, sealed},
};

/// How long one compilation may take. The largest module needs a fraction of it.
const PATIENCE: Duration = Duration::from_secs(600);
/// Compilations at once: each may be the largest process on the node, and one that takes long holds up nobody.
const COMPILATIONS: usize = 2;
/// What is read of a compiler's complaints, in bytes.
const COMPLAINT: u64 = 4 * 1024;

/// Why there is no compiled module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    /// The bundle is not in the store.
    #[error("bundle {0} is not in the store")]
    NoBundle(Digest),
    /// The node has no compiler.
    #[error("{0}")]
    NoCompiler(String),
    /// The launcher does not answer, or has no room.
    #[error("the compiler was not started: {0}")]
    NotStarted(String),
    /// A layer that the instance requires is missing from the compiler's sandbox too.
    #[error("the compiler's sandbox lacks what the agent requires: {0}")]
    Unconfined(String),
    /// The compiler refused the module.
    #[error("the module cannot be compiled: {0}")]
    Refused(String),
    /// The compiler ended before it had an answer.
    #[error("the compiler ended without an answer: {0}")]
    Failed(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The module or what was compiled of it.
    #[error("{what}: {why}")]
    Io {
        /// What was done.
        what: String,
        /// Why not.
        why: io::Error,
    },
}

impl ModuleError {
    /// Trying again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NotStarted(_) => true,
            Self::Store(error) => error.reason().may_pass_later(),
            _ => false,
        }
    }
}

/// See the module.
pub(crate) struct Modules {
    store: Arc<Store>,
    launcher: Arc<dyn Launcher>,
    key: String,
    /// One compilation for a tenant at a time, and one of a bundle: whoever has slow ones waits for them alone.
    tenants: Lanes<Tenant>,
    bundles: Lanes<Digest>,
    room: Arc<Semaphore>,
    /// The compilers that run.
    running: Mutex<HashSet<WorkerId>>,
    /// Files whose bytes were compared with their digest, as they were then.
    compared: Mutex<HashMap<PathBuf, Stamp>>,
}

impl Modules {
    /// Modules of `store`, compiled for this machine through `launcher`.
    pub(crate) fn new(store: Arc<Store>, launcher: Arc<dyn Launcher>) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            store,
            launcher,
            key: aion_engine::key(&cpuinfo),
            bundles: Lanes::new(1),
            tenants: Lanes::new(1),
            room: Arc::new(Semaphore::new(COMPILATIONS)),
            running: Mutex::default(),
            compared: Mutex::default(),
        }
    }

    /// Whether `bundle` needs no compiling.
    pub(crate) async fn is_compiled(&self, bundle: &Digest) -> bool {
        matches!(self.find(bundle).await, Ok(Some(_)))
    }

    /// What was compiled of `bundle`, compiled now where it was not. `required` are the layers that the
    /// compiler must have; `tenant` is who waits for it. One that is begun goes on where nobody waits any more.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub(crate) async fn open(
        self: &Arc<Self>,
        bundle: &Digest,
        required: &[Layer],
        tenant: &Tenant,
    ) -> Result<OwnedFd, ModuleError> {
        if let Some(file) = self.find(bundle).await? {
            return Ok(file.into());
        }
        // In this order: nobody keeps a bundle from others while waiting for something of one's own.
        let of_tenant = self.tenants.enter(tenant.clone()).await;
        let of_bundle = self.bundles.enter(*bundle).await;
        if let Some(file) = self.find(bundle).await? {
            return Ok(file.into());
        }
        let room = Arc::clone(&self.room).acquire_owned().await;
        let (modules, digest, required) = (Arc::clone(self), *bundle, required.to_vec());
        let compiling = tokio::spawn(async move {
            let _held = (of_bundle, of_tenant, room);
            modules.compile(&digest, &required).await
        });
        let compiled = compiling.await;
        compiled.map_err(|error| ModuleError::Failed(error.to_string()))??;
        match self.find(bundle).await? {
            Some(file) => Ok(file.into()),
            None => Err(ModuleError::Failed(
                "what it made was not kept as it was written".into(),
            )),
        }
    }

    /// A worker found that what was compiled does not fit: it is made anew.
    pub(crate) fn distrust(&self, bundle: &Digest) {
        if let Err(error) = self.store.drop_compiled(bundle, &self.key) {
            tracing::warn!(%bundle, %error, "a compiled module that does not fit stays");
        }
    }

    /// Whether `id` is a compiler that is awaited.
    pub(super) fn awaits(&self, id: &WorkerId) -> bool {
        self.running.lock().contains(id)
    }

    async fn find(&self, bundle: &Digest) -> Result<Option<File>, ModuleError> {
        let Some(compiled) = self.store.compiled(bundle, &self.key) else {
            return Ok(None);
        };
        let wrong = |why| ModuleError::Io {
            what: format!("open {}", compiled.path.display()),
            why,
        };
        let file = File::open(&compiled.path).map_err(wrong)?;
        let stamp = Stamp::of(&file.metadata().map_err(wrong)?);
        let known = {
            let compared = self.compared.lock();
            compared.get(&compiled.path).copied()
        };
        if known == Some(stamp) {
            return Ok(Some(file));
        }
        let (path, comparing) = (compiled.path.clone(), compiled.clone());
        let opened = spawn_blocking(move || comparing.open()).await;
        match opened.map_err(io::Error::other).flatten().map_err(wrong)? {
            Some(file) => {
                let stamp = Stamp::of(&file.metadata().map_err(wrong)?);
                let mut compared = self.compared.lock();
                compared.insert(path, stamp);
                Ok(Some(file))
            }
            None => {
                tracing::warn!(path = %path.display(), "a compiled module was altered, and is compiled anew");
                self.store.drop_compiled(bundle, &self.key)?;
                Ok(None)
            }
        }
    }

    async fn compile(&self, bundle: &Digest, required: &[Layer]) -> Result<(), ModuleError> {
        let begun = std::time::Instant::now();
        let stored = self.store.get(bundle).map(|it| it.content);
        let Some(Content::Bundle { program, .. }) = stored else {
            return Err(ModuleError::NoBundle(*bundle));
        };
        // What is made of a module is no smaller, and not made in vain.
        let least = std::fs::metadata(&program).map_or(0, |it| it.size());
        self.store.has_room(least)?;
        let id = WorkerId {
            instance: format!("compile-{:.16}", bundle.hex()),
            incarnation: fastrand::u32(..),
        };
        let (fds, answer, complaint) = prepare(&program).map_err(|why| ModuleError::Io {
            what: format!("prepare to compile {}", program.display()),
            why,
        })?;
        self.running.lock().insert(id.clone());
        let outcome = self
            .run(&id, fds, required, bundle, answer, complaint)
            .await;
        // Nothing of it stays, whatever became of it.
        let _ = self.launcher.kill(&id, Duration::ZERO).await;
        self.running.lock().remove(&id);
        outcome?;
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%bundle, took_ms, "module compiled");
        Ok(())
    }

    async fn run(
        &self,
        id: &WorkerId,
        fds: WorkerFds,
        required: &[Layer],
        bundle: &Digest,
        answer: File,
        complaint: File,
    ) -> Result<(), ModuleError> {
        let start = Start {
            id: id.clone(),
            role: Role::Compile,
            profile: "compile".to_owned(),
            limits: Limits::default(),
            seccomp: Vec::new(),
            socket: None,
            mounts: Vec::new(),
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
            rules: Rules::default(),
        };
        let launched = self.launcher.start(start, fds).await.map_err(not_started)?;
        let lacking = lacking(required, &launched.layers);
        if !lacking.is_empty() {
            return Err(ModuleError::Unconfined(layer::list(&lacking)));
        }
        self.launcher.open_gate(id).await.map_err(not_started)?;
        let (store, bundle, key) = (Arc::clone(&self.store), *bundle, self.key.clone());
        let taken = spawn_blocking(move || take(&store, &bundle, &key, answer, complaint));
        match tokio::time::timeout(PATIENCE, taken).await {
            Ok(taken) => taken.map_err(|error| ModuleError::Failed(error.to_string()))?,
            Err(_) => Err(ModuleError::Failed(format!(
                "it took longer than {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}

fn not_started(error: LaunchError) -> ModuleError {
    match error.failure {
        Some(StartFailure::NoProgram) => ModuleError::NoCompiler(error.why),
        Some(StartFailure::Busy) | None => ModuleError::NotStarted(error.why),
        Some(_) => ModuleError::Failed(error.why),
    }
}

/// What the compiler inherits, and the ends that are read here.
fn prepare(module: &std::path::Path) -> io::Result<(WorkerFds, File, File)> {
    let pipe = || -> io::Result<(File, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok((read.into(), write))
    };
    let (answer, stdout) = pipe()?;
    let (complaint, stderr) = pipe()?;
    let fds = WorkerFds {
        boot: sealed(b"")?,
        stdout,
        stderr,
        rest: vec![File::open(module)?.into()],
    };
    Ok((fds, answer, complaint))
}

/// Reads the answer to its end and keeps it.
fn take(
    store: &Store,
    bundle: &Digest,
    key: &str,
    mut answer: File,
    complaint: File,
) -> Result<(), ModuleError> {
    let mut head = [0; HEAD];
    let head = answer
        .read_exact(&mut head)
        .map(|()| Head::from_bytes(&head));
    match head {
        Ok(Some(Head::Artifact(length))) => {
            let whole = Whole {
                from: answer,
                left: length,
            };
            match store.keep_compiled(bundle, key, whole) {
                Ok(_) => Ok(()),
                Err(StoreError::Io { why, .. }) if why.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(ModuleError::Failed(complained(complaint)))
                }
                Err(error) => Err(error.into()),
            }
        }
        Ok(Some(Head::Refused(length))) => {
            let mut text = Vec::new();
            let _ = answer.take(length).read_to_end(&mut text);
            Err(ModuleError::Refused(one_line(&text)))
        }
        Ok(None) => Err(ModuleError::Failed(
            "its answer is not of this version".to_owned(),
        )),
        Err(_) => Err(ModuleError::Failed(complained(complaint))),
    }
}

fn complained(from: File) -> String {
    let mut text = Vec::new();
    let _ = from.take(COMPLAINT).read_to_end(&mut text);
    match one_line(&text) {
        text if text.is_empty() => {
            "it was ended, as one is that goes beyond its memory or its time".to_owned()
        }
        text => text,
    }
}

/// Exactly so many bytes; an earlier end is an error.
struct Whole {
    from: File,
    left: u64,
}

impl Read for Whole {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(to.len());
        if most == 0 {
            return Ok(0);
        }
        match self.from.read(&mut to[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.left -= length as u64;
                Ok(length)
            }
        }
    }
}

#[cfg(test)]
mod tests;
