//! The folders of the state, and the memory in them.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_drivers::{
    memory::{Means, MemoryDriver, embed::HttpEmbedder},
    outbound::Outbound,
    secrets::Secrets,
};

use super::NodeError;
use crate::{clock, config::Config};

/// What agents remember, where the configuration keeps it.
pub(super) fn memory(
    config: &Config,
    outbound: &Arc<Outbound>,
    secrets: &Arc<dyn Secrets>,
) -> Result<Arc<dyn MemoryDriver>, NodeError> {
    let embedder = HttpEmbedder::new(Arc::clone(outbound), Arc::clone(secrets));
    let memory = config.memory.open(&Means {
        folder: config.home.join("state/memory"),
        outbound: Arc::clone(outbound),
        secrets: Arc::clone(secrets),
        embedder: Arc::new(embedder),
        now: clock::reading,
    });
    Ok(Arc::new(memory.map_err(|problem| {
        NodeError::Memory(problem.to_string())
    })?))
}

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
