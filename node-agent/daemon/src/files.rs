//! Small files of the daemon's own, written whole or not at all.

use std::{
    fs,
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Writes `path` whole or not at all, durable, for this user only.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Staged::write(path, bytes)?.commit()
}

/// A file that is whole and durable beside the place where it is to be.
#[derive(Debug)]
pub(crate) struct Staged {
    beside: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes it.
    pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".tmp");
        let staged = Self {
            beside: beside.into(),
            path: path.to_owned(),
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

    /// Puts it in its place.
    pub(crate) fn commit(self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// What was not put in its place leaves nothing.
impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}
