//! Where a pool lies: `<root>/<tenant>/<pool>~<uid>/items.db` for its long tier, with `~short` or `~episodic`
//! behind the folder's name for another. Each name is written so that no two are one folder and none leads
//! elsewhere.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::super::{Pool, PoolId, Tier, failure::MemoryError};
use crate::sync_folder;

const DATABASE: &str = "items.db";
/// A pool on its way out is renamed to this first. No written name begins with a dot.
const ERASING: &str = ".erasing-";
/// The longest written name, in bytes; file systems take 255.
const MAX_NAME: usize = 120;

/// One tier of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shelf {
    pub(super) pool: PoolId,
    tier: Tier,
}

impl Shelf {
    pub(super) fn new(pool: &PoolId, tier: Tier) -> Self {
        let pool = pool.clone();
        Self { pool, tier }
    }

    pub(super) fn of(pool: &Pool) -> Self {
        Self::new(&pool.id, pool.tier)
    }
}

/// The folder and database of a tier of a pool.
pub(super) struct Place {
    /// The pool's name, for messages.
    pub(super) pool: String,
    /// The database, relative to the store, for messages.
    pub(super) shown: String,
    tenant_folder: PathBuf,
    folder: PathBuf,
    pub(super) database: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path, shelf: &Shelf) -> Result<Self, MemoryError> {
        let id = &shelf.pool;
        let tenant =
            written(id.tenant.as_str()).ok_or_else(|| MemoryError::Name(id.tenant.to_string()))?;
        let pool = written(&id.pool).ok_or_else(|| MemoryError::Name(id.pool.clone()))?;
        let uid = match id.uid.as_str() {
            "" => String::new(),
            uid => written(uid).ok_or_else(|| MemoryError::Name(uid.to_owned()))?,
        };
        let tenant_folder = root.join(&tenant);
        let name = match shelf.tier {
            // The only one for long, and its folders are not moved.
            Tier::Long => format!("{pool}~{uid}"),
            tier => format!("{pool}~{uid}~{}", tier.as_str()),
        };
        let folder = tenant_folder.join(&name);
        Ok(Self {
            pool: id.pool.clone(),
            shown: format!("memory/{tenant}/{name}/{DATABASE}"),
            database: folder.join(DATABASE),
            tenant_folder,
            folder,
        })
    }

    /// One that cannot be looked at is not taken for missing: opening it says why.
    pub(super) fn exists(&self) -> bool {
        fs::exists(&self.database).unwrap_or(true)
    }

    /// Makes folders of mode 0700 and an empty file of mode 0600: SQLite gives its other files that mode.
    pub(super) fn make(&self) -> io::Result<()> {
        crate::private_folder(&self.folder)?;
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.database)?;
        for folder in [
            Some(self.folder.as_path()),
            Some(&self.tenant_folder),
            self.tenant_folder.parent(),
        ] {
            folder.map_or(Ok(()), sync_folder)?;
        }
        Ok(())
    }

    /// Takes the pool off the disk and reads back that it is gone.
    pub(super) fn erase(&self) -> io::Result<()> {
        let leaving = self
            .tenant_folder
            .join(format!("{ERASING}{}", Uuid::new_v4().simple()));
        match fs::rename(&self.folder, &leaving) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done?,
        }
        sync_folder(&self.tenant_folder)?;
        fs::remove_dir_all(&leaving)?;
        sync_folder(&self.tenant_folder)?;
        if self.folder.exists() || leaving.exists() {
            return Err(io::Error::other("its folder is still there"));
        }
        // The last pool of a tenant takes the tenant's folder with it; another one keeps it.
        let _ = fs::remove_dir(&self.tenant_folder);
        Ok(())
    }
}

/// Makes the store's folder, and removes what an erasure that a crash cut short left behind. Answers the
/// folder's path without links.
pub(super) fn prepare(root: &Path) -> io::Result<PathBuf> {
    crate::private_folder(root)?;
    for tenant in fs::read_dir(root)? {
        let tenant = tenant?;
        if !tenant.file_type()?.is_dir() {
            continue;
        }
        for pool in fs::read_dir(tenant.path())? {
            let pool = pool?;
            if pool
                .file_name()
                .as_encoded_bytes()
                .starts_with(ERASING.as_bytes())
            {
                fs::remove_dir_all(pool.path())?;
            }
        }
    }
    fs::canonicalize(root)
}

/// `a-z`, `0-9` and `-` stand for themselves, every other byte is `_` and two digits: no two names are
/// written alike, not even on a disk that does not tell case apart.
fn written(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("_{byte:02x}"));
        }
    }
    (1..=MAX_NAME).contains(&out.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_are_different_folders() {
        let names = [
            "a", "A", "a-b", "a_b", "a_5fb", "a.b", "a~b", "a/b", "..", "ä", "a\u{308}",
        ];
        let written: HashSet<_> = names
            .iter()
            .map(|name| super::written(name).unwrap())
            .collect();
        assert_eq!(written.len(), names.len());
        assert_eq!(super::written(""), None);
        assert_eq!(super::written(&"a".repeat(MAX_NAME + 1)), None);
    }

    proptest! {
        #[test]
        fn a_pool_lies_two_folders_below_the_root(tenant in ".{1,12}", pool in ".{1,12}", uid in ".{0,12}", tier in 0..3_usize) {
            let root = Path::new("/store");
            let shelf = Shelf::new(&PoolId { tenant: tenant.as_str().into(), pool, uid }, Tier::ALL[tier]);
            if let Ok(place) = Place::new(root, &shelf) {
                let below = place.folder.strip_prefix(root).unwrap();
                prop_assert_eq!(below.components().count(), 2);
                prop_assert!(below.components().all(|part| matches!(part, std::path::Component::Normal(name) if !name.to_str().unwrap().starts_with('.'))));
            }
        }
    }
}
