//! Files of replacing writes that are not done yet: their names, and the removal of those that a crash
//! left behind.

use std::{
    collections::HashMap,
    ffi::OsString,
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use cap_std::fs::{Dir, MetadataExt};
use parking_lot::Mutex;
use uuid::Uuid;

use super::path::PARTIAL_PREFIX;

/// Another node may be writing to the same folder: only what was there so long before is removed, by this run's own
/// clock, since a file's date and the wall clock may both be wrong.
const ABANDONED: Duration = Duration::from_secs(3600);
const FOLDERS_REMEMBERED: usize = 4096;
/// Of one folder, at a time.
const PARTIALS_REMEMBERED: usize = 256;

/// Names for this run of the node, and what others left in the folders that it writes to.
pub(super) struct Partials {
    run: String,
    next: AtomicU64,
    seen: Mutex<HashMap<(u64, u64), Seen>>,
}

/// The files of other runs that were in a folder, and when that was.
struct Seen {
    at: Instant,
    names: Vec<OsString>,
}

impl Default for Partials {
    fn default() -> Self {
        Self {
            run: Uuid::new_v4().simple().to_string(),
            next: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }
}

impl Partials {
    /// A name that no other write has.
    pub(super) fn name(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{PARTIAL_PREFIX}{}-{n}", self.run)
    }

    /// Removes from a folder what others left there, once it is known to be abandoned. Called for each write.
    pub(super) fn sweep(&self, folder: &Dir) {
        self.sweep_at(folder, Instant::now());
    }

    fn sweep_at(&self, folder: &Dir, now: Instant) {
        if let Err(error) = self.try_sweep(folder, now) {
            tracing::warn!(%error, "a folder could not be swept of broken writes");
        }
    }

    fn try_sweep(&self, folder: &Dir, now: Instant) -> io::Result<()> {
        let metadata = folder.dir_metadata()?;
        let place = (metadata.dev(), metadata.ino());
        let mut seen = self.seen.lock();
        match seen.get_mut(&place) {
            Some(seen) if seen.names.is_empty() || now - seen.at < ABANDONED => return Ok(()),
            Some(seen) => {
                for name in std::mem::take(&mut seen.names) {
                    match folder.remove_file(&name) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
                return Ok(());
            }
            None => {}
        }
        if seen.len() >= FOLDERS_REMEMBERED {
            seen.clear();
        }
        let names = self.of_others(folder)?;
        seen.insert(place, Seen { at: now, names });
        Ok(())
    }

    fn of_others(&self, folder: &Dir) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in folder.entries()? {
            let name = entry?.file_name();
            let bytes = name.as_encoded_bytes();
            let partial = bytes.strip_prefix(PARTIAL_PREFIX.as_bytes());
            if partial.is_some_and(|rest| !rest.starts_with(self.run.as_bytes())) {
                names.push(name);
            }
            if names.len() == PARTIALS_REMEMBERED {
                break;
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File};

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn only_what_was_there_an_hour_before_is_swept_whatever_its_date_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".aion-partial-dead-0", "notes.md"] {
            let file = File::create(path(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let (partials, begin) = (Partials::default(), Instant::now());
        let own = partials.name();
        fs::write(path(&own), "under way").unwrap();
        partials.sweep_at(&dir, begin);
        assert!(path(".aion-partial-dead-0").exists(), "it may be under way");
        fs::write(path(".aion-partial-other-node-0"), "under way").unwrap();
        partials.sweep_at(&dir, begin + ABANDONED);
        assert!(!path(".aion-partial-dead-0").exists());
        for name in [".aion-partial-other-node-0", &own, "notes.md"] {
            assert!(path(name).exists(), "{name}");
        }
    }
}
