//! The folders of the state.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::NodeError;

/// Makes the folders of the state, for this user only.
pub(super) fn folders(home: &Path) -> Result<(), NodeError> {
    for folder in ["", "config", "run", "run/s", "run/l", "state", "logs"] {
        let path = home.join(folder);
        crate::files::private_folder(&path).map_err(io_error("create", &path))?;
    }
    for folder in ["", "run", "run/s", "run/l", "state", "config"] {
        let path = home.join(folder);
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
