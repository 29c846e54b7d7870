//! Files of replacing writes that are not done yet: their names, and the removal of those that a crash
//! left behind.

use std::{
    collections::HashSet,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use cap_std::fs::{Dir, MetadataExt};
use uuid::Uuid;

use super::path::PARTIAL_PREFIX;

/// Another node may be writing to the same folder: only what nobody can still be at is removed.
const ABANDONED: Duration = Duration::from_secs(3600);
const FOLDERS_REMEMBERED: usize = 4096;

/// Names for this run of the node, and the folders it has swept.
pub(super) struct Partials {
    run: String,
    next: AtomicU64,
    swept: Mutex<HashSet<(u64, u64)>>,
}

impl Default for Partials {
    fn default() -> Self {
        Self {
            run: Uuid::new_v4().simple().to_string(),
            next: AtomicU64::new(0),
            swept: Mutex::default(),
        }
    }
}

impl Partials {
    /// A name that no other write has.
    pub(super) fn name(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{PARTIAL_PREFIX}{}-{n}", self.run)
    }

    /// Removes abandoned files from a folder, the first time this run writes there.
    pub(super) fn sweep(&self, folder: &Dir) {
        if let Err(error) = self.try_sweep(folder) {
            tracing::warn!(%error, "a folder could not be swept of broken writes");
        }
    }

    fn try_sweep(&self, folder: &Dir) -> io::Result<()> {
        let metadata = folder.dir_metadata()?;
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if swept.len() >= FOLDERS_REMEMBERED {
                swept.clear();
            }
            if !swept.insert((metadata.dev(), metadata.ino())) {
                return Ok(());
            }
        }
        for entry in folder.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if !name
                .as_encoded_bytes()
                .starts_with(PARTIAL_PREFIX.as_bytes())
            {
                continue;
            }
            let age = SystemTime::now().duration_since(entry.metadata()?.modified()?.into_std());
            if age.is_ok_and(|age| age > ABANDONED) {
                folder.remove_file(&name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File};

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn only_what_was_abandoned_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let old = SystemTime::now() - ABANDONED * 2;
        for name in [".aion-partial-dead-0", "notes.md"] {
            File::create(path(name)).unwrap().set_modified(old).unwrap();
        }
        fs::write(path(".aion-partial-other-node-0"), "under way").unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        Partials::default().sweep(&dir);
        assert!(!path(".aion-partial-dead-0").exists());
        assert!(path(".aion-partial-other-node-0").exists());
        assert!(path("notes.md").exists());
    }
}
