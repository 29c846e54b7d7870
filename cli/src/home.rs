//! Where the node of this machine keeps things. The layout is the daemon's; this file only finds it.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// `$AION_HOME`, or `~/.aion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// From the option or variable where given, else beneath the user's home folder.
    ///
    /// # Errors
    /// Where there is neither.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let root = match given.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => path.to_owned(),
            None => env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(|home| Path::new(&home).join(".aion"))
                .ok_or_else(|| {
                    Failure::usage("there is no home folder: the variable HOME is not set")
                        .remedy("say where the node's state is with --home FOLDER or AION_HOME")
                })?,
        };
        std::path::absolute(&root)
            .map(Self)
            .map_err(|why| Failure::io("find the state folder", &root, &why))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The daemon's admin socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.0.join("run/admin.sock")
    }

    /// The launcher's socket, where the daemon looks for it.
    pub(crate) fn launcher_socket(&self) -> PathBuf {
        self.0.join("run/launcher.sock")
    }

    /// Where the launcher remembers workers.
    pub(crate) fn launcher_state(&self) -> PathBuf {
        self.0.join("run/launcher")
    }

    /// The OCI layout the node takes bundles from.
    pub(crate) fn bundles(&self) -> PathBuf {
        self.0.join("bundles")
    }

    /// Pid files and sockets.
    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// What the node's processes write.
    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}
