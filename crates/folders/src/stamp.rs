//! By what a file is known to be as it was when somebody read it.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

/// A file that is another, or was changed since, has another one. Whoever owns a file sets its size and its date; only the
/// disk sets the time of the last change of its inode. Disks count in ticks: a change within the same tick as the one before
/// may keep the stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// As a file is now.
    #[must_use]
    pub fn of(about: &Metadata) -> Self {
        Self {
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}
