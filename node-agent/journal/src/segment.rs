//! Segment files: their names, their heads, the room that is allocated for them.

use std::{
    fs,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::FallocateFlags;
use serde::{Deserialize, Serialize};

use super::{JournalError, Lsn, frame};

/// The layout of frames and files that this build writes; the facts within have a format of their own.
pub(super) const FORMAT: u32 = 1;

const EXTENSION: &str = "log";
const SPARE: &str = "spare.tmp";

/// The first frame of a segment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// [`FORMAT`].
    pub(super) format: u32,
    /// The position of the segment's first byte.
    pub(super) base: Lsn,
    /// The format of the facts: `aion_kernel::FORMAT`.
    pub(super) facts: u32,
}

/// A segment on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) base: Lsn,
    pub(super) path: PathBuf,
}

/// The segments of `dir`, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<Found>, JournalError> {
    let mut found = Vec::new();
    for (base, path) in numbered(dir, EXTENSION)? {
        found.push(Found { base, path });
    }
    found.sort_by_key(|segment| segment.base);
    Ok(found)
}

/// Files of `dir` named by a position, with this extension, in no order.
pub(super) fn numbered(dir: &Path, extension: &str) -> Result<Vec<(Lsn, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let path = entry.map_err(JournalError::io("list", dir))?.path();
        let base = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() == 16)
            .and_then(|stem| u64::from_str_radix(stem, 16).ok());
        if let Some(base) = base
            && path.extension().is_some_and(|it| it == extension)
        {
            found.push((Lsn(base), path));
        }
    }
    Ok(found)
}

/// The path of the segment that begins at `base`.
pub(super) fn path(dir: &Path, base: Lsn) -> PathBuf {
    dir.join(format!("{:016x}.{EXTENSION}", base.0))
}

/// The head frame of a segment.
pub(super) fn head(base: Lsn) -> Vec<u8> {
    let head = Head {
        format: FORMAT,
        base,
        facts: aion_kernel::FORMAT,
    };
    let mut bytes = Vec::new();
    // Three numbers always serialise; an empty payload would be refused at the next start, loudly.
    let payload = serde_json::to_vec(&head).unwrap_or_default();
    frame::push(&mut bytes, frame::Kind::Head, &[&payload]);
    bytes
}

/// Makes an empty file with room for `bytes`, under a name that recovery ignores. [`adopt`] makes it a
/// segment.
pub(super) fn make_spare(dir: &Path, bytes: u64) -> io::Result<File> {
    let path = dir.join(SPARE);
    let file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) => Ok(file),
        // A file system without allocation: a full disk is then seen at the write.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(file),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error.into())
        }
    }
}

/// Allocates room again for a segment that is written on after a restart. Where there is none now, the
/// write will say so.
pub(super) fn allocate(file: &File, bytes: u64) {
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes);
}

/// Gives the spare its name.
pub(super) fn adopt(dir: &Path, base: Lsn) -> io::Result<PathBuf> {
    let path = path(dir, base);
    fs::rename(dir.join(SPARE), &path)?;
    Ok(path)
}

/// Removes what a crash left of a spare.
pub(super) fn remove_spare(dir: &Path) {
    let _ = fs::remove_file(dir.join(SPARE));
}

/// Makes changes of names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
