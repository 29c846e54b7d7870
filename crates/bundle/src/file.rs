//! Files as this crate needs them: bounded reads, writes that a crash leaves
//! whole or absent.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use tempfile::NamedTempFile;

/// Reads the regular file `path`; nothing when it is longer than `limit`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Writes a file beside `path`, syncs it, and renames it to `path`.
pub(crate) fn write_atomically(path: &Path, mut from: impl Read, mode: u32) -> io::Result<()> {
    let mut new = beside(parent(path)?, mode)?;
    io::copy(&mut from, &mut new)?;
    new.as_file().sync_all()?;
    place(new, path)
}

/// A new file in `folder`, which goes unless it is placed.
pub(crate) fn beside(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".new-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
}

/// Renames `new`, which is synced, to `path`.
pub(crate) fn place(new: NamedTempFile, path: &Path) -> io::Result<()> {
    new.persist(path).map_err(|error| error.error)?;
    sync_dir(parent(path)?)
}

/// Writes the new file `path` without syncing it.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut new = fs::OpenOptions::new();
    let mut file = new.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)
}

/// Makes everything in `folder` survive a crash. All is written before the
/// first sync, so that a file system with a journal commits it in one go.
pub(crate) fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(folder)
}

/// Makes all that was written to the file system of `folder` survive a crash: one commit, where thousands of files
/// would each wait for theirs.
pub(crate) fn sync_file_system(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(folder)?)?)
}

/// Makes what was created or renamed in `dir` survive a crash.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(p) if p.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(p) => Ok(p),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "no parent")),
    }
}
