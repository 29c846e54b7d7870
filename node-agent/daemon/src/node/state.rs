//! The folders of the state.

use rustix::process::geteuid;
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::NodeError;
use crate::config::{Config, Mode};

/// Where the mounts are kept. Standing alone people change them through this daemon: they are state. In a
/// cluster they are the node's configuration, which the daemon reads.
pub(super) fn mounts_file(config: &Config) -> Result<PathBuf, NodeError> {
    if config.mode == Mode::Kubernetes {
        return Ok(config.settings.join("mounts.json"));
    }
    let given = config.home.join("config/mounts.json");
    let kept = config.home.join("state/mounts.json");
    // Where an earlier version kept them.
    if !kept.exists() && given.exists() {
        fs::rename(&given, &kept).map_err(io_error("move the mounts of", &given))?;
        tracing::info!(to = %kept.display(), "config/mounts.json was moved");
    }
    Ok(kept)
}

/// Makes the folders of the state, for this user only. What root has set up for this user, root guards.
pub(super) fn folders(home: &Path) -> Result<(), NodeError> {
    for folder in ["", "config", "run", "run/s", "run/l", "state", "logs"] {
        let path = home.join(folder);
        crate::files::private_folder(&path).map_err(io_error("create", &path))?;
    }
    for folder in ["", "run", "run/s", "run/l", "state", "config"] {
        let path = home.join(folder);
        let owner = fs::metadata(&path).map_err(io_error("look at", &path))?;
        if owner.uid() == 0 && !geteuid().is_root() {
            continue;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .map_err(io_error("keep others out of", &path))?;
    }
    Ok(())
}

pub(super) fn io_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.into();
    move |source| NodeError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_mounts_of_an_earlier_version_are_found_and_kept_with_the_state() {
        let home = tempfile::tempdir().unwrap();
        folders(home.path()).unwrap();
        fs::write(home.path().join("config/mounts.json"), "{}").unwrap();
        let mut config = Config::standalone(home.path().to_owned()).unwrap();
        let file = mounts_file(&config).unwrap();
        assert_eq!(file, home.path().join("state/mounts.json"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
        assert!(!home.path().join("config/mounts.json").exists());
        assert_eq!(mounts_file(&config).unwrap(), file);
        config.mode = Mode::Kubernetes;
        let given = mounts_file(&config).unwrap();
        assert_eq!(given, home.path().join("config/mounts.json"));
        config.settings = home.path().join("of-a-pod");
        let given = mounts_file(&config).unwrap();
        assert_eq!(given, home.path().join("of-a-pod/mounts.json"));
    }
}
