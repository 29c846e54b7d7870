//! Free space on the disk of the node's state that is kept for the node's own journal, and for the records of
//! turns that end. What agents and their callers want to write is refused before it is touched: a disk that they
//! fill loses nothing of anybody's.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::statvfs;

/// The most of a disk that is kept: one part in so many.
const SHARE: u64 = 4;

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub struct Reserve {
    home: Arc<Path>,
    bytes: u64,
}

/// Why something is not written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the disk of {home} has {free} MiB left, and {kept} MiB of it are kept for the node's journal: free space there"
)]
struct NoRoom {
    home: PathBuf,
    free: u64,
    kept: u64,
}

impl Reserve {
    /// Keeps `bytes` of the disk that `home` is on.
    pub fn new(home: &Path, bytes: u64) -> Self {
        Self {
            home: home.into(),
            bytes,
        }
    }

    /// As [`Reserve::new`], and of a small disk a part.
    ///
    /// # Errors
    /// The disk does not answer.
    pub fn fitting(home: &Path, bytes: u64) -> io::Result<Self> {
        let disk = statvfs(home)?;
        let part = disk.f_blocks * disk.f_frsize / SHARE;
        Ok(Self::new(home, bytes.min(part)))
    }

    /// Whether `more` bytes may be written to the state's disk. Asks the disk, which does not block.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], which says what to do; or the disk does not answer.
    pub fn check(&self, more: u64) -> io::Result<()> {
        let disk = statvfs(&*self.home)?;
        let free = disk.f_bavail * disk.f_frsize;
        if free >= self.bytes.saturating_add(more) {
            return Ok(());
        }
        let why = NoRoom {
            home: self.home.to_path_buf(),
            free: free >> 20,
            kept: self.bytes >> 20,
        };
        Err(io::Error::new(io::ErrorKind::StorageFull, why))
    }

    /// As [`Reserve::check`], for what is to be written to `device`: of another disk nothing is kept.
    ///
    /// # Errors
    /// As there.
    pub fn check_on(&self, device: u64, more: u64) -> io::Result<()> {
        match fs::metadata(&*self.home)?.dev() == device {
            true => self.check(more),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_refused_and_the_rest_is_not() {
        let home = tempfile::tempdir().unwrap();
        Reserve::new(home.path(), 0).check(1).unwrap();
        for (kept, more) in [(0, u64::MAX), (u64::MAX, 0)] {
            let full = Reserve::new(home.path(), kept).check(more);
            assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }

    #[test]
    fn of_a_small_disk_a_part_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let disk = statvfs(home.path()).unwrap();
        let all = Reserve::fitting(home.path(), u64::MAX).unwrap();
        assert_eq!(all.bytes, disk.f_blocks * disk.f_frsize / SHARE);
        let little = Reserve::fitting(home.path(), 1).unwrap();
        assert_eq!(little.bytes, 1);
    }

    #[test]
    fn another_disk_keeps_nothing() {
        let home = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(home.path(), 0);
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        let elsewhere = device("/proc".as_ref());
        reserve.check_on(elsewhere, u64::MAX).unwrap();
        assert!(reserve.check_on(device(home.path()), u64::MAX).is_err());
    }
}
