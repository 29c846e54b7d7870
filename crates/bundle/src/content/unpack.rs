//! Unpacking an archive that may mean harm into an empty folder.
//!
//! Only plain files and folders come out. Links, devices, pipes, set-user-id
//! bits, extension headers and paths that lead elsewhere are refused, and
//! entries, bytes and compression are bounded while they are read. On an error
//! the caller throws the folder away.

use std::{
    collections::HashSet,
    fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use aion_abi::reason::Reason;
use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::{
    artifact::{entry_path::entry_path, limits::Limits},
    content::archive::{Bounded, Counted, Most, UnpackError, from_archive, only_zeros, pass_on},
    room::{Filling, Room},
    source::failure::io_reason,
};

const FILE_MODE: u32 = 0o444;
const FOLDER_MODE: u32 = 0o755;
/// Set-user-id, set-group-id and sticky.
const SPECIAL_BITS: u32 = 0o7000;

impl UnpackError {
    /// The stable name of the refusal.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unsafe { .. } => Reason::BadArchive,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Malformed(_) => Reason::Malformed,
            Self::Io { why, .. } => io_reason(why),
        }
    }
}

/// Unpacks a gzipped tar into the empty folder `into`, as long as `room` has
/// some. What is written is not synced to disk.
pub(crate) fn unpack(
    packed: impl Read,
    into: &Path,
    limits: &Limits,
    room: &Room,
) -> Result<(), UnpackError> {
    let (counted, count) = Counted::new(packed);
    let most = Most {
        bytes: limits.unpacked,
        ratio: limits.ratio,
        ratio_from: Limits::RATIO_FROM,
    };
    let bounded = Bounded::new(GzDecoder::new(BufReader::new(counted)), count, most);
    let mut archive = Archive::new(bounded);
    let mut seen = HashSet::new();
    // Raw: extension headers come as entries of their own and are refused,
    // where the crate would hold a name of any length in memory.
    let entries = archive.entries().map_err(from_archive)?.raw(true);
    for (count, entry) in entries.enumerate() {
        if count >= limits.entries {
            return Err(UnpackError::TooLarge {
                what: "entries",
                limit: limits.entries as u64,
            });
        }
        let mut entry = entry.map_err(from_archive)?;
        let refuse = |entry: &Entry<'_, _>, why| UnpackError::Unsafe {
            path: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            why,
        };
        let path = entry_path(&entry.path_bytes()).map_err(|why| refuse(&entry, why))?;
        let is_folder = kind(&entry).map_err(|why| refuse(&entry, why))?;
        if !seen.insert(path.clone()) {
            return Err(refuse(&entry, "it comes twice"));
        }
        if is_folder {
            make_folders(into, Some(&path))?;
        } else {
            make_folders(into, path.parent())?;
            write_file(&mut entry, &into.join(&path), room)?;
        }
    }
    check_end(archive.into_inner()).map_err(from_archive)
}

/// After the last entry come zeros, and after those the checksum of the stream alone.
fn check_end<R: Read>(mut rest: Bounded<GzDecoder<BufReader<R>>>) -> io::Result<()> {
    only_zeros(&mut rest)?;
    match rest.inner.into_inner().fill_buf()? {
        [] => Ok(()),
        _ => {
            let what = "there is more after the end of the gzip stream";
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
    }
}

/// Whether the entry is a folder; neither folder nor file is refused.
fn kind<R: Read>(entry: &Entry<'_, R>) -> Result<bool, &'static str> {
    let header = entry.header();
    let mode = header.mode().map_err(|_| "its mode is malformed")?;
    if mode & SPECIAL_BITS != 0 {
        return Err("it has set-user-id, set-group-id or sticky bits");
    }
    match header.entry_type() {
        EntryType::Regular => Ok(false),
        EntryType::Directory if entry.size() == 0 => Ok(true),
        EntryType::Directory => Err("it is a folder with content"),
        EntryType::Symlink | EntryType::Link => Err("it is a link"),
        EntryType::Char | EntryType::Block => Err("it is a device"),
        EntryType::Fifo => Err("it is a pipe"),
        EntryType::GNULongName
        | EntryType::GNULongLink
        | EntryType::XHeader
        | EntryType::XGlobalHeader => Err("it is an extension header"),
        _ => Err("it is neither file nor folder"),
    }
}

fn make_folders(into: &Path, path: Option<&Path>) -> Result<(), UnpackError> {
    let mut folder = into.to_path_buf();
    for part in path.into_iter().flatten() {
        folder.push(part);
        match fs::DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(UnpackError::Unsafe {
                    path: folder
                        .strip_prefix(into)
                        .unwrap_or(&folder)
                        .display()
                        .to_string(),
                    why: "it is a file and a folder",
                });
            }
            Err(e) => return Err(UnpackError::at(&folder)(e)),
        }
    }
    Ok(())
}

fn write_file(entry: &mut impl Read, target: &Path, room: &Room) -> Result<(), UnpackError> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(target)
        .map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => UnpackError::Unsafe {
                path: target.display().to_string(),
                why: "it is a file and a folder",
            },
            _ => UnpackError::at(target)(e),
        })?;
    let mut piece = vec![0; 64 << 10];
    pass_on(entry, &mut Filling::new(file, room), target, &mut piece).map(drop)
}

#[cfg(test)]
mod tests;
