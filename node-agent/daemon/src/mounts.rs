//! Which folder of this machine a mount's name stands for: what a person confirmed, kept in one file.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_abi::{admin::MountMapping, problem::Problem};
use aion_api::{FileMode, ResolvedMount};
use aion_drivers::files::{FolderFiles, Mount, MountError, MountTable, Origin};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{files::write_whole, turns::is_turn_mount};

/// Why a mapping was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The name is not one.
    #[error("{0:?} is not the name of a mount: 1 to 63 of a-z, 0-9 and -, and not input or output")]
    Name(String),
    /// There is none of that name.
    #[error("no mount {0:?} is mapped")]
    Unknown(String),
    /// The folder cannot be one.
    #[error(transparent)]
    Folder(#[from] MountError),
    /// The file cannot be read or written.
    #[error("the mounts in {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The mappings. Clones share them.
#[derive(Clone)]
pub struct Mounts {
    file: Arc<PathBuf>,
    mappings: Arc<RwLock<BTreeMap<String, MountMapping>>>,
    files: Arc<FolderFiles>,
    /// Tells when a mapping was made, changed or forgotten.
    changes: Arc<watch::Sender<()>>,
}

impl Mounts {
    /// Reads the mappings of `file`; there may be none yet.
    ///
    /// # Errors
    /// A file that is there and is not one of mappings.
    pub fn open(file: PathBuf, files: Arc<FolderFiles>) -> Result<Self, MappingError> {
        let read = |path: &Path| -> io::Result<_> {
            match fs::read(path) {
                Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
                Err(error) => Err(error),
            }
        };
        let mappings = read(&file).map_err(|source| MappingError::Io {
            path: file.clone(),
            source,
        })?;
        Ok(Self {
            file: Arc::new(file),
            mappings: Arc::new(RwLock::new(mappings)),
            files,
            changes: Arc::default(),
        })
    }

    /// Tells whenever a mapping was made, changed or forgotten.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, MountMapping> {
        self.mappings.read().clone()
    }

    /// Maps a name to a folder, or to another one. Blocks on the disk.
    ///
    /// # Errors
    /// [`MappingError`]; nothing changed then.
    pub fn put(&self, name: &str, mapping: MountMapping) -> Result<MountMapping, MappingError> {
        let fits = (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits || is_turn_mount(name) {
            return Err(MappingError::Name(name.chars().take(100).collect()));
        }
        let real = self
            .files
            .check_mapping(Path::new(&mapping.path), mapping.writable)?;
        let mapping = MountMapping {
            path: real.to_string_lossy().into_owned(),
            writable: mapping.writable,
        };
        self.change(|mappings| {
            mappings.insert(name.to_owned(), mapping.clone());
            Ok(mapping)
        })
    }

    /// Says which mappings lead to folders that this process cannot use, and what to do: who maps a folder is told
    /// at once, but its rights may have changed, or the user that the node runs as. Blocks on the disk.
    pub fn tell_closed(&self) {
        for (name, mapping) in self.all() {
            let checked = self
                .files
                .check_mapping(Path::new(&mapping.path), mapping.writable);
            if let Err(error @ MountError::Closed { .. }) = checked {
                tracing::warn!(mount = name, remedy = error.remedy(), "{error}");
            }
        }
    }

    /// Forgets a mapping, and gives what it was; the folder stays as it is. Blocks on the disk.
    ///
    /// # Errors
    /// [`MappingError`]; nothing changed then.
    pub fn remove(&self, name: &str) -> Result<MountMapping, MappingError> {
        self.change(|mappings| {
            let unknown = || MappingError::Unknown(name.chars().take(100).collect());
            mappings.remove(name).ok_or_else(unknown)
        })
    }

    fn change(
        &self,
        what: impl FnOnce(&mut BTreeMap<String, MountMapping>) -> Result<MountMapping, MappingError>,
    ) -> Result<MountMapping, MappingError> {
        let mut mappings = self.mappings.write();
        let mut next = mappings.clone();
        let mapping = what(&mut next)?;
        serde_json::to_vec_pretty(&next)
            .map_err(io::Error::from)
            .and_then(|json| write_whole(&self.file, &json))
            .map_err(|source| MappingError::Io {
                path: self.file.to_path_buf(),
                source,
            })?;
        *mappings = next;
        drop(mappings);
        self.changes.send_replace(());
        Ok(mapping)
    }

    /// What `name` is mapped to.
    pub fn mapping(&self, name: &str) -> Option<MountMapping> {
        self.mappings.read().get(name).cloned()
    }

    /// Opens the folder that `name` is mapped to, for a process that is shown all of it.
    ///
    /// # Errors
    /// As a file syscall on it: not mapped, not there, or AION-OS's own state by now.
    pub async fn open_folder(&self, name: &str) -> Result<OwnedFd, Problem> {
        let mapping = self.mapping(name);
        let mut table = MountTable::new();
        if let Some(mapping) = mapping {
            let mapped = Mount {
                folder: PathBuf::from(mapping.path),
                writable: false,
                origin: Origin::Mapped,
                account: None,
            };
            table = table.with(name, mapped);
        }
        self.files.open_folder(&table, name).await
    }

    /// The table of a call by an instance with these mounts. One that is not mapped is left out, and then
    /// is not found.
    pub fn table(&self, mounts: &[ResolvedMount]) -> MountTable {
        let mappings = self.mappings.read();
        let mut table = MountTable::new();
        for mount in mounts {
            if let Some(mapping) = mappings.get(&mount.volume) {
                let mapped = Mount {
                    folder: PathBuf::from(&mapping.path),
                    writable: mapping.writable && mount.mode == FileMode::ReadWrite,
                    origin: Origin::Mapped,
                    account: None,
                };
                table = table.with(&mount.name, mapped);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mapping_that_was_removed_is_gone_for_good_and_its_folder_is_not() {
        let home = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = home.path().join("mounts.json");
        let open = || {
            let files = Arc::new(FolderFiles::new([home.path().to_owned()]));
            Mounts::open(file.clone(), files).unwrap()
        };
        let mounts = open();
        let mapping = MountMapping {
            path: folder.path().to_str().unwrap().to_owned(),
            writable: false,
        };
        let put = mounts.put("notes", mapping).unwrap();
        assert_eq!(open().all().len(), 1);
        assert_eq!(mounts.remove("notes").unwrap(), put);
        assert!(mounts.all().is_empty() && open().all().is_empty());
        assert!(folder.path().is_dir());
        let again = mounts.remove("notes").unwrap_err();
        assert!(matches!(again, MappingError::Unknown(_)), "{again}");
    }
}
