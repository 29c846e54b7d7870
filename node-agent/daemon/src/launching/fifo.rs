//! The pipes that a worker writes its log to. They have names, so that a daemon that starts again goes on
//! reading where the last one stopped; what a worker writes meanwhile waits in the pipe.

use std::{
    fs,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, mkfifoat},
    io::Errno,
};
use tokio::net::unix::pipe;

/// The pipe of one stream of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Fifo(PathBuf);

impl Fifo {
    /// The pipe `name` in `folder`; not made yet.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self(folder.join(name))
    }

    /// Makes it, and opens the worker's end. That end is open both ways: writing to it never fails for
    /// want of a reader.
    pub(crate) fn make(&self) -> io::Result<OwnedFd> {
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder)?;
        }
        match mkfifoat(CWD, &self.0, Mode::RUSR | Mode::WUSR) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let end: File = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.0)?;
        Ok(end.into())
    }

    /// Opens the daemon's end.
    pub(crate) fn read(&self) -> io::Result<pipe::Receiver> {
        pipe::OpenOptions::new().open_receiver(&self.0)
    }

    /// Takes its name away; what is open stays open.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.0);
    }
}
