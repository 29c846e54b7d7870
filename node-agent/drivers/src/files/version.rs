//! What tells a file from its other versions without a look at its bytes: a listing and the parts that are read of a
//! file say the same. What somebody does about a change may not enter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Metadata, MetadataExt};

/// A change may bear the time of the one before it: disks count in steps of up to two seconds (FAT).
const GRAIN: Duration = Duration::from_secs(2);

/// A file by its inode, its size and the instants of its changes. A program may set size and modification time as it
/// likes; only the disk sets the time of the last change of the inode.
pub(super) struct Version {
    text: String,
    changed: Option<Duration>,
}

impl Version {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let (size, inode) = (metadata.len(), metadata.ino());
        let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let changed = changed.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        let at = changed.unwrap_or_default().as_nanos();
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        Self {
            text: format!("{size:x}.{inode:x}.{at:x}.{seconds:x}.{nanos:x}"),
            changed,
        }
    }

    /// Whether the next change might leave the file this version: the last one lies within the step of a disk's clock.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let age = now.duration_since(UNIX_EPOCH).ok();
        let age = age.and_then(|now| now.checked_sub(self.changed?));
        age.is_none_or(|age| age <= GRAIN)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with a file's date")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
