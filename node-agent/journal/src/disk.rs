//! What the journal asks of the file system to make bytes and names durable, and to take files away. All of it
//! passes here, so that a test can tell what a loss of power leaves at any moment.

use std::{fmt, fs, fs::File, io, path::Path};

/// See the module.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Makes the bytes of a file durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes changes of names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug)]
pub(super) struct Machine;

impl Disk for Machine {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
