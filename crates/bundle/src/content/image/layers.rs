//! The layers of a node's images: each unpacked once, by digest, whole or absent. What may not enter: what several of
//! them make together.
//!
//! ```text
//! <root>/<hex>/layer.json     what it does, in order
//!              tenants/…      who has it
//!              files/<n>      the contents of its files, read-only
//! ```
//! A file of an image is another name of a layer's content, so that a layer may go while images made of it stay.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use aion_abi::tenant::Tenant;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    artifact::{digest::Digest, image::Packing},
    content::{
        archive::{Most, UnpackError, pass_on},
        layer::{
            index::{Content, Index},
            packing::Unpacking,
            read::{Bounds, Contents, read},
        },
        tenants,
    },
    file::{sync_dir, sync_file_system},
    room::{Filling, Room},
};

const INDEX: &str = "layer.json";
const FILES: &str = "files";

/// The layers in a folder.
#[derive(Debug)]
pub(crate) struct Layers {
    root: PathBuf,
    held: Mutex<HashMap<(Digest, String), Weak<Fetching>>>,
    /// Locked while one is put in its place.
    placing: Mutex<()>,
}

/// Held by whoever fetches a layer from one source, or uses it; locked while it is fetched from there.
pub(crate) type Fetching = tokio::sync::Mutex<()>;

/// A layer that is here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer {
    /// What it unpacks to.
    pub(crate) diff_id: Digest,
    /// How many bytes that are.
    pub(crate) unpacked: u64,
    pub(crate) index: Index,
}

impl Layers {
    /// Those in `root`, made where there is none.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self {
            root,
            held: Mutex::default(),
            placing: Mutex::default(),
        })
    }

    /// Keeps `layer` from being removed for as long as what this gives is there. It is the same for all who want it from
    /// `source`; who has another source waits for none of them, however slow it is.
    pub(crate) fn hold(&self, layer: &Digest, source: String) -> Arc<Fetching> {
        let mut held = self.held.lock();
        let key = (*layer, source);
        if let Some(already) = held.get(&key).and_then(Weak::upgrade) {
            return already;
        }
        held.retain(|_, it| it.strong_count() > 0);
        let new = Arc::default();
        held.insert(key, Arc::downgrade(&new));
        new
    }

    /// The layer `digest`, where it is here.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Layer> {
        let file = fs::File::open(self.folder(digest).join(INDEX)).ok()?;
        serde_json::from_reader(BufReader::new(file)).ok()
    }

    /// Whether `tenant` has the layer `digest`.
    pub(crate) fn has(&self, digest: &Digest, tenant: &Tenant) -> bool {
        tenants::has(&self.folder(digest), tenant)
    }

    /// Keeps that it has.
    pub(crate) fn keep(&self, digest: &Digest, tenant: &Tenant) -> io::Result<()> {
        tenants::keep(&self.folder(digest), tenant)
    }

    /// Where the content `number` of `layer` is.
    pub(crate) fn content(&self, layer: &Digest, number: u32) -> PathBuf {
        content(&self.folder(layer), number)
    }

    /// Makes the finished and synced folder `from` the layer `digest`. One that another task finished first stays.
    pub(crate) fn settle(&self, from: &Path, digest: &Digest) -> io::Result<()> {
        let to = self.folder(digest);
        let _placing = self.placing.lock();
        if to.exists() {
            if self.get(digest).is_some() {
                return Ok(());
            }
            fs::remove_dir_all(&to)?;
        }
        fs::rename(from, &to)?;
        sync_dir(&self.root)
    }

    /// Removes what is neither in `keep` nor held. `aside` is an empty folder of the same disk: nothing is seen half
    /// removed.
    pub(crate) fn prune(&self, keep: &HashSet<Digest>, aside: &Path) -> io::Result<usize> {
        let mut gone = 0;
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let digest = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse().ok());
            let Some(digest) = digest.filter(|it| !keep.contains(it)) else {
                continue;
            };
            // Held or moved away, with nothing between the two.
            let held = self.held.lock();
            let mut holders = held.iter().filter(|((layer, _), _)| *layer == digest);
            if holders.any(|(_, it)| it.strong_count() > 0) {
                continue;
            }
            fs::rename(self.folder(&digest), aside.join(&name))?;
            drop(held);
            gone += 1;
        }
        Ok(gone)
    }

    fn folder(&self, digest: &Digest) -> PathBuf {
        self.root.join(digest.hex())
    }
}

fn content(folder: &Path, number: u32) -> PathBuf {
    folder.join(FILES).join(number.to_string())
}

/// Unpacks the layer that `packed` holds into the new folder `into`, as long as `room` has some, and syncs it.
pub(crate) fn unpack(
    packed: impl Read,
    packing: Packing,
    into: &Path,
    (most, bounds): (Most, Bounds),
    room: &Room,
) -> Result<Layer, UnpackError> {
    fs::create_dir_all(into.join(FILES)).map_err(UnpackError::at(into))?;
    let mut files = Files {
        folder: into,
        room,
        piece: vec![0; 64 << 10],
    };
    let mut unpacking = Unpacking::new(packed, packing, most);
    let index = read(&mut unpacking, &bounds, &mut files)?;
    let (unpacked, diff_id) = unpacking.finish();
    let layer = Layer {
        diff_id,
        unpacked,
        index,
    };
    let path = into.join(INDEX);
    let written = || -> io::Result<()> {
        let mut file = BufWriter::new(Filling::new(fs::File::create_new(&path)?, room));
        serde_json::to_writer(&mut file, &layer)?;
        file.flush()?;
        sync_file_system(into)
    };
    written().map_err(UnpackError::at(&path))?;
    Ok(layer)
}

/// The contents of a layer on its way.
struct Files<'a> {
    folder: &'a Path,
    room: &'a Room,
    piece: Vec<u8>,
}

impl Contents for Files<'_> {
    fn keep(
        &mut self,
        content: &Content,
        changed: u64,
        from: &mut dyn Read,
    ) -> Result<u64, UnpackError> {
        let path = self::content(self.folder, content.number);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(UnpackError::at(&path))?;
        let mut to = Filling::new(&file, self.room);
        let count = pass_on(from, &mut to, &path, &mut self.piece)?;
        finish(&file, content, changed).map_err(UnpackError::at(&path))?;
        Ok(count)
    }
}

/// What may be told of a file beside its content: who may execute it, and when it was changed, by which Python knows
/// whether what it compiled of it still counts.
fn finish(file: &fs::File, content: &Content, changed: u64) -> io::Result<()> {
    // Not by `open`, which heeds the umask.
    let mode = if content.executable { 0o555 } else { 0o444 };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    let changed = Duration::from_secs(changed.min(u32::MAX.into()));
    file.set_modified(SystemTime::UNIX_EPOCH + changed)
}
