//! The content store of a node: unpacked bundles and images by digest, and the verdicts on
//! them. One process owns it at a time.
//!
//! ```text
//! <root>/lock                    held while the store is open
//!        bundles/<hex>/          one bundle or image, whole or absent
//!            manifest.json       what the digest names
//!            config.json         of a bundle, and
//!            module.wasm | agent.yaml
//!            files/…             prompts and skills
//!            image.json rootfs/… of an image
//!            signatures/…       `kept` says which
//!            tenants/…           who has it
//!        layers/<hex>/…          of images; `image::layers` says what
//!        verdicts/<hex>/…        one for a revision, 0600 in a folder 0700
//!        tmp/                    what is on its way; emptied when opened
//! ```
//! An entry is put together in `tmp`, synced and renamed, so a crash leaves it
//! whole or absent. How a bundle gets in is `admit`'s matter.

use std::{
    collections::HashSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use aion_abi::{reason::Reason, runtime::Runtime, tenant::Tenant};
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use crate::{
    artifact::{
        digest::Digest,
        document::Document,
        limits::Limits,
        manifest::{BundleConfig, MAX_CONFIG, MAX_MANIFEST, program},
    },
    content::{
        image::{
            self,
            kept::{Image, Kept},
            layers::Layers,
        },
        kept, tenants,
        vouched::Vouched,
    },
    file::{read_bounded, sync_dir},
    recent::Recent,
    room::Room,
    source::failure::io_reason,
    trust::{
        verdict::{Verdict, Verdicts},
        verify::Candidate,
    },
};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const CONFIG: &str = "config.json";
/// What is read of an entry: a bundle has the first two, an image the first and the last.
const DOCUMENTS: [&str; 3] = [MANIFEST, CONFIG, image::kept::FILE];

/// A mark that is no older is not made anew: each is a write to the disk.
const MARK: Duration = Duration::from_secs(60);

/// The store in a folder. Clones share it, so that what waits for the disk can be done where nobody else waits.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// For whom it is used.
    tenant: Tenant,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    verdicts: Verdicts,
    entries: Recent<Digest, Stored>,
    /// What of the disk it may take.
    room: Room,
    layers: Layers,
    time: Time,
    _lock: Lock,
}

/// A bundle or an image in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its folder.
    pub root: PathBuf,
    /// What it is.
    pub content: Content,
}

/// What is in an entry of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A bundle for wasm or declarative.
    Bundle {
        /// What it says of itself.
        config: BundleConfig,
        /// The module or the definition.
        program: PathBuf,
        /// The folder with prompts and skills, where it has one.
        files: Option<PathBuf>,
    },
    /// A container image, for process.
    Image(Image),
}

impl Stored {
    /// What runs it.
    pub fn runtime(&self) -> Runtime {
        match &self.content {
            Content::Bundle { config, .. } => config.runtime,
            Content::Image(_) => Runtime::Process,
        }
    }

    /// The name that it gives itself, where it does.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.content {
            Content::Bundle { config, .. } => Some(config.name.as_str()),
            Content::Image(image) => image.name.as_deref(),
        }
    }
}

/// The store could not be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("the store {path} is in use by another process; stop that one first")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The disk.
    #[error("store: {what}: {why}")]
    Io {
        /// What was done to which path.
        what: String,
        /// The error.
        why: io::Error,
    },
}

impl StoreError {
    /// The stable name of the failure.
    pub fn reason(&self) -> Reason {
        match self {
            Self::InUse { .. } => Reason::StoreFailed,
            Self::Io { why, .. } => io_reason(why),
        }
    }
}

pub(crate) fn on(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = format!("{what} {}", path.display());
    move |why| StoreError::Io { what, why }
}

impl Store {
    /// As [`Store::open_in`], with all of the disk, and a time that begins now.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let opened = Instant::now();
        Self::open_in(root, Room::default(), move || opened.elapsed())
    }

    /// Opens the store in `root`, made where there is none, and clears away
    /// what a crash left half done. It takes no more of the disk than `room`
    /// has. `time` goes on across runs and is set by nobody: what was not
    /// admitted for long is told by it.
    pub fn open_in(
        root: impl Into<PathBuf>,
        room: Room,
        time: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let root = root.into();
        for part in ["bundles", "tmp"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(on("create", &path))?;
        }
        let lock = Lock::take(&root)?;
        let folder = root.join("verdicts");
        let verdicts = Verdicts::open(folder.clone()).map_err(on("open", &folder))?;
        let folder = root.join("layers");
        let layers = Layers::open(folder.clone()).map_err(on("open", &folder))?;
        let store = Self {
            shared: Arc::new(Shared {
                root,
                verdicts,
                entries: Recent::default(),
                room,
                layers,
                time: Time(Box::new(time)),
                _lock: lock,
            }),
            tenant: Tenant::default(),
        };
        let tmp = store.tmp();
        for left in fs::read_dir(&tmp).map_err(on("read", &tmp))? {
            let path = left.map_err(on("read", &tmp))?.path();
            remove(&path).map_err(on("remove", &path))?;
        }
        Ok(store)
    }

    /// The same store as `tenant` has it: what was let in for it, and no more. What another tenant brought is let in for
    /// it, too, once its own source has it; only the files are shared. As opened, a store is that of a tenant of its own.
    pub fn for_tenant(&self, tenant: &Tenant) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            tenant: tenant.clone(),
        }
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Whether `more` bytes may be kept.
    ///
    /// # Errors
    /// What there is too little of.
    pub fn has_room(&self, more: u64) -> Result<(), StoreError> {
        self.room()
            .check(more)
            .map_err(on("keep more in", &self.shared.root))
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.shared.layers
    }

    pub(crate) fn room(&self) -> &Room {
        &self.shared.room
    }

    /// Keeps a verdict.
    pub(crate) fn keep_verdict(&self, verdict: &Verdict) -> Result<(), StoreError> {
        let kept = self.shared.verdicts.put(verdict);
        kept.map_err(on("keep a verdict in", &self.shared.root))
    }

    /// Does what may wait for the disk, or reckons for long, beside the tasks of this thread.
    pub(crate) async fn blocking<T, E>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            Err(error) => Err(on("work in", self.root())(io::Error::other(error)).into()),
        }
    }

    /// The folder of the store.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The bundle `digest`, where it is in the store.
    pub fn get(&self, digest: &Digest) -> Option<Stored> {
        let root = self.entry(digest);
        let files = DOCUMENTS.map(|file| root.join(file));
        let read = || self.read(digest, root);
        self.shared.entries.read(*digest, &files, read)
    }

    fn read(&self, digest: &Digest, root: PathBuf) -> Option<Stored> {
        // Its bounds were those of the day on which it came.
        let document = Document::parse(&self.manifest(digest)?, &Limits::NONE).ok()?;
        let content = match document {
            Document::Bundle(manifest) => {
                let layer = manifest.layers.first()?;
                let config = read_bounded(&root.join(CONFIG), MAX_CONFIG).ok()??;
                let config = BundleConfig::parse(&config, layer).ok()?;
                let files = root.join("files");
                Content::Bundle {
                    program: root.join(program(config.runtime).ok()?.file),
                    config,
                    files: (manifest.layers.len() > 1).then_some(files),
                }
            }
            Document::Image(_) | Document::Index(_) => {
                Content::Image(Kept::read(&root)?.image(&root))
            }
        };
        Some(Stored {
            digest: *digest,
            root,
            content,
        })
    }

    /// What was found about `digest` under this revision of the trust; nothing
    /// for another revision.
    pub fn verdict(&self, digest: &Digest, trust_revision: &str) -> Option<Verdict> {
        self.shared.verdicts.get(digest, trust_revision)
    }

    /// Every bundle in the store.
    pub fn list(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.shared.root.join("bundles");
        let entries = fs::read_dir(&folder).map_err(on("read", &folder))?;
        let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
        Ok(names
            .filter_map(|hex| format!("sha256:{hex}").parse().ok())
            .collect())
    }

    /// Removes every bundle that is not in `keep` and, by the store's time, was not admitted for `idle`, with its
    /// verdict and what was compiled of it, and gives how many went. Layers that no image is made of any more go, too.
    pub fn prune(&self, keep: &[Digest], idle: Duration) -> Result<usize, StoreError> {
        let keep: HashSet<_> = keep.iter().collect();
        let (mut gone, mut failed) = (0, None);
        for digest in self.list()?.iter().filter(|d| !keep.contains(d)) {
            match self.prune_one(digest, idle) {
                Ok(true) => gone += 1,
                Ok(false) => {}
                // One that stays keeps no other.
                Err(error) => failed = Some(error),
            }
        }
        self.prune_layers()?;
        failed.map_or(Ok(gone), Err)
    }

    fn prune_one(&self, digest: &Digest, idle: Duration) -> Result<bool, StoreError> {
        let path = self.entry(digest);
        let admitted = fs::metadata(&path).and_then(|it| it.modified());
        let admitted = admitted.map_err(on("read", &path))?;
        let now = UNIX_EPOCH + (self.shared.time.0)();
        if now.duration_since(admitted).unwrap_or_default() < idle {
            return Ok(false);
        }
        self.shared
            .verdicts
            .forget(digest)
            .map_err(on("remove the verdict on", &path))?;
        self.discard(digest)?;
        Ok(true)
    }

    /// Marks an entry as admitted now, to [`MARK`], and for its tenant: what is on its way to be used is not pruned. The
    /// mark is its date of change, which is none: it is so long after 1970 as the store's time says.
    pub(crate) fn touch(&self, entry: &Stored) -> Result<(), StoreError> {
        let now = UNIX_EPOCH + (self.shared.time.0)();
        let mark = || {
            tenants::keep(&entry.root, &self.tenant)?;
            let marked = fs::metadata(&entry.root)?.modified()?;
            match now.duration_since(marked) {
                Ok(ago) if ago < MARK => Ok(()),
                _ => fs::File::open(&entry.root)?.set_modified(now),
            }
        };
        mark().map_err(on("mark", &entry.root))
    }

    fn discard(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.entry(digest);
        // Renamed away first: an entry is never seen half removed.
        let aside = self.workspace()?;
        let gone = aside.path().join("gone");
        self.shared.entries.forget(|of| of == digest);
        fs::rename(&path, &gone)
            .and_then(|()| aside.close())
            .map_err(on("remove", &path))
    }

    /// The manifest of an entry, if its bytes are what its name says.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.entry(digest).join(MANIFEST);
        let bytes = read_bounded(&path, MAX_MANIFEST).ok()??;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// The signatures that were kept with an entry.
    pub(crate) fn signatures(&self, digest: &Digest) -> Vec<Candidate> {
        kept::read(&self.entry(digest).join("signatures"), &self.tenant)
    }

    /// Keeps signatures with the entry in `folder`.
    pub(crate) fn keep_signatures(
        &self,
        folder: &Path,
        vouched: &Vouched,
    ) -> Result<(), StoreError> {
        let folder = folder.join("signatures");
        kept::keep(&folder, &self.tenant, vouched).map_err(on("keep signatures in", &folder))
    }

    /// A folder for a bundle on its way; removed when dropped.
    pub(crate) fn workspace(&self) -> Result<tempfile::TempDir, StoreError> {
        let tmp = self.tmp();
        tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&tmp)
            .map_err(on("create a folder in", &tmp))
    }

    /// Makes the finished and synced folder `from` the entry of `digest`. An entry that
    /// another task finished first stays; a broken one is replaced.
    pub(crate) fn settle(&self, from: &Path, digest: &Digest) -> Result<(), StoreError> {
        let to = self.entry(digest);
        if to.exists() && self.get(digest).is_none() {
            self.discard(digest)?;
        }
        match fs::rename(from, &to) {
            Ok(()) => sync_dir(&self.shared.root.join("bundles")).map_err(on("sync", &to)),
            Err(_) if self.get(digest).is_some() => Ok(()),
            Err(e) => Err(on("move a bundle to", &to)(e)),
        }
    }

    pub(crate) fn entry(&self, digest: &Digest) -> PathBuf {
        self.shared.root.join("bundles").join(digest.hex())
    }

    fn tmp(&self) -> PathBuf {
        self.shared.root.join("tmp")
    }
}

/// The right to a store, given back when dropped.
#[derive(Debug)]
struct Lock(fs::File);

impl Lock {
    fn take(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        let file = fs::File::create(&path).map_err(on("create", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse {
                path: root.display().to_string(),
            }),
            Err(e) => Err(on("lock", &path)(e.into())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started holds a copy
        // of the descriptor, and the lock with it, until it executes.
        if let Err(error) = flock(&self.0, FlockOperation::Unlock) {
            tracing::warn!(%error, "the lock of the store was not given back");
        }
    }
}

/// See [`Store::open_in`].
struct Time(Box<dyn Fn() -> Duration + Send + Sync>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}
