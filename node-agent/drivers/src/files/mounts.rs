//! Which folder a mount's name stands for, and which folders may never be one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::account::Account;

/// Who chose the folder of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person or the node's configuration; it is never AION-OS's own state.
    Mapped,
    /// The node made it for one turn (`input`, `output`), inside its own state.
    Turn,
}

/// What a mount's name stands for.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Absolute path of the folder.
    pub folder: PathBuf,
    /// Whether files may be written.
    pub writable: bool,
    /// Who chose it.
    pub origin: Origin,
    /// What may be written there; a folder of a person's own is theirs to watch.
    pub account: Option<Arc<Account>>,
}

/// The mounts of one call, by name.
#[derive(Clone, Debug, Default)]
pub struct MountTable(BTreeMap<String, Mount>);

impl MountTable {
    /// No mounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mount; replaces one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, mount: Mount) -> Self {
        self.0.insert(name.into(), mount);
        self
    }

    /// The mount of that name.
    pub fn get(&self, name: &str) -> Option<&Mount> {
        self.0.get(name)
    }
}

/// Why a folder cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// It is not written as an absolute path.
    #[error("{0} is not an absolute path: write it from / on")]
    Relative(PathBuf),
    /// It is not there, or not a folder.
    #[error("{folder} cannot be mapped: {source}")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a file.
    #[error("{0} is not a folder")]
    NotFolder(PathBuf),
    /// It holds, or lies in, AION-OS's own state.
    #[error(
        "{folder} cannot be mapped: AION-OS keeps its own state in {state}; choose another folder"
    )]
    OwnState {
        /// The folder.
        folder: PathBuf,
        /// The state.
        state: PathBuf,
    },
}

/// Folders that no mapped mount may hold or lie in: AION-OS's home and its other state.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved(Vec<PathBuf>);

impl Reserved {
    /// Links in `folders` are followed now, as far as the folders exist.
    pub(super) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().map(|folder| settled(&folder)).collect())
    }

    /// The reserved folder that `real` (without links) holds or lies in.
    pub(super) fn touched_by(&self, real: &Path) -> Option<&Path> {
        let touches = |state: &&PathBuf| real.starts_with(state) || state.starts_with(real);
        self.0.iter().find(touches).map(PathBuf::as_path)
    }

    /// Checks a folder that somebody wants to map; answers its real path.
    pub(super) fn check(&self, folder: &Path) -> Result<PathBuf, MountError> {
        if !folder.is_absolute() {
            return Err(MountError::Relative(folder.to_owned()));
        }
        let unusable = |source| MountError::Unusable {
            folder: folder.to_owned(),
            source,
        };
        let real = fs::canonicalize(folder).map_err(unusable)?;
        if !fs::metadata(&real).map_err(unusable)?.is_dir() {
            return Err(MountError::NotFolder(folder.to_owned()));
        }
        match self.touched_by(&real) {
            Some(state) => Err(MountError::OwnState {
                folder: folder.to_owned(),
                state: state.to_owned(),
            }),
            None => Ok(real),
        }
    }
}

/// The real path of a folder that may not exist yet: links are followed in the part that does.
fn settled(folder: &Path) -> PathBuf {
    for known in folder.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(known), folder.strip_prefix(known)) {
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    folder.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_holds_lies_in_or_links_to_the_state_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::create_dir_all(home.join(".aion/state/memory")).unwrap();
        fs::create_dir(home.join("notes")).unwrap();
        fs::write(home.join("file"), "").unwrap();
        std::os::unix::fs::symlink(home.join(".aion/state"), home.join("notes/link")).unwrap();
        let reserved = Reserved::new([home.join(".aion")]);
        for folder in [
            home.to_owned(),
            home.join(".aion"),
            home.join(".aion/state/memory"),
            home.join("notes/link"),
            home.join("notes/../.aion"),
            "/".into(),
        ] {
            assert!(
                matches!(reserved.check(&folder), Err(MountError::OwnState { .. })),
                "{}",
                folder.display()
            );
        }
        assert!(reserved.check(&home.join("notes")).is_ok());
        assert!(matches!(
            reserved.check(Path::new("notes")),
            Err(MountError::Relative(_))
        ));
        assert!(matches!(
            reserved.check(&home.join("file")),
            Err(MountError::NotFolder(_))
        ));
        assert!(matches!(
            reserved.check(&home.join("none")),
            Err(MountError::Unusable { .. })
        ));
    }

    #[test]
    fn a_state_folder_that_is_not_made_yet_is_kept_free_too() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(home.path(), home.path().join("alias")).unwrap();
        let reserved = Reserved::new([home.path().join("alias/.aion")]);
        assert!(matches!(
            reserved.check(home.path()),
            Err(MountError::OwnState { .. })
        ));
    }
}
