//! What programs keep for their next turn: one text an agent's replica, the last one.

use std::{fs, io, path::PathBuf};

use aion_api::AgentReference;

use crate::{files::write_whole, instance::Instance};

/// See the module. Clones share the folder.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    root: PathBuf,
}

impl Checkpoints {
    /// Those in `root`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Keeps `state`, durable. Blocks on the disk.
    pub(crate) fn keep(&self, instance: &Instance, state: &str) -> io::Result<()> {
        let folder = self.folder(instance.namespace(), &instance.spec().agent);
        crate::files::private_folder(&folder)?;
        write_whole(
            &folder.join(instance.spec().replica.to_string()),
            state.as_bytes(),
        )
    }

    /// What was kept. Blocks on the disk.
    pub(crate) fn get(&self, instance: &Instance) -> io::Result<Option<String>> {
        let path = self
            .folder(instance.namespace(), &instance.spec().agent)
            .join(instance.spec().replica.to_string());
        match fs::read_to_string(path) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Erases what an agent that is gone had kept.
    ///
    /// # Errors
    /// Where something of it stays.
    pub(crate) fn erase(&self, namespace: &str, agent: &AgentReference) -> io::Result<()> {
        match fs::remove_dir_all(self.folder(namespace, agent)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Another agent of the same name has another uid, and finds nothing.
    fn folder(&self, namespace: &str, agent: &AgentReference) -> PathBuf {
        self.root
            .join(namespace)
            .join(format!("{}.{}", agent.name, agent.uid))
    }
}
