//! Small files of the daemon's own, written whole or not at all, and its folders, which are this user's only.

use std::{
    fs,
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

pub(crate) use aion_drivers::{private_folder, sync_folder};

/// What the name of a staged file ends with.
const STAGED: &str = ".aion.tmp";

/// Writes `path` whole or not at all, durable, for this user only.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Staged::write(path, bytes)?.commit()
}

/// A file that is whole and durable beside the place where it is to be.
#[derive(Debug)]
pub(crate) struct Staged {
    beside: PathBuf,
    path: PathBuf,
    placed: bool,
}

impl Staged {
    /// Writes it.
    pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(STAGED);
        let staged = Self {
            beside: beside.into(),
            path: path.to_owned(),
            placed: false,
        };
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&staged.beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Puts it in its place, durable.
    fn commit(self) -> io::Result<()> {
        let folder = self.path.parent().map(Path::to_owned);
        self.place()?;
        folder.map_or(Ok(()), |folder| sync_folder(&folder))
    }

    /// Puts it in its place. That is durable once the folder is synced.
    pub(crate) fn place(mut self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)?;
        self.placed = true;
        Ok(())
    }
}

/// What was not put in its place leaves nothing.
impl Drop for Staged {
    fn drop(&mut self) {
        // Once it is in its place, what has its name beside is another's.
        if !self.placed {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Removes a file. One that is not there is no error.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what a daemon that was killed had staged in `folder`, of files whose names end so.
pub(crate) fn remove_staged(folder: &Path, ending: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(&format!("{ending}{STAGED}")) {
            let _ = fs::remove_file(&path);
        }
    }
}
