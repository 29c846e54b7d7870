//! Instances whose agent is gone, noted until what it left is erased: also where the daemon is killed in the
//! middle of that, or before.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use aion_api::AgentInstance;

use super::manifests::FolderError;
use crate::files::{private_folder, remove_if_there, remove_staged, sync_folder, write_whole};

/// One file an instance, by its uid.
#[derive(Debug)]
pub(super) struct Going {
    root: PathBuf,
    noted: HashSet<String>,
}

impl Going {
    /// The notes in `root`, made where it is missing.
    pub(super) fn open(root: PathBuf) -> Result<(Self, Vec<AgentInstance>), FolderError> {
        private_folder(&root).map_err(FolderError::io("create", &root))?;
        remove_staged(&root, ".json");
        let mut instances: Vec<AgentInstance> = Vec::new();
        for entry in fs::read_dir(&root).map_err(FolderError::io("list", &root))? {
            let path = entry.map_err(FolderError::io("list", &root))?.path();
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(FolderError::io("read", &path))?;
            match serde_json::from_slice(&text) {
                // What it was says nothing of what it is now.
                Ok(instance) => instances.push(AgentInstance {
                    status: None,
                    ..instance
                }),
                Err(error) => {
                    tracing::error!(note = %path.display(), %error, "what an agent left is not erased: its note cannot be read");
                }
            }
        }
        let noted = instances.iter().filter_map(|it| it.metadata.uid.clone());
        let noted = noted.collect();
        Ok((Self { root, noted }, instances))
    }

    /// Notes one, durable.
    pub(super) fn note(&mut self, instance: &AgentInstance) -> Result<(), FolderError> {
        let Some(uid) = &instance.metadata.uid else {
            return Ok(());
        };
        if self.noted.contains(uid) {
            return Ok(());
        }
        let file = file(&self.root, uid);
        let text = serde_json::to_vec(instance).map_err(io::Error::other);
        text.and_then(|text| write_whole(&file, &text))
            .map_err(FolderError::io("write", &file))?;
        self.noted.insert(uid.clone());
        Ok(())
    }

    /// Nothing is left of it, or it is wanted again. Durable: a note that came back would have what another
    /// agent of the name keeps erased.
    pub(super) fn done(&mut self, instance: &AgentInstance) -> Result<(), FolderError> {
        let Some(uid) = instance.metadata.uid.as_ref() else {
            return Ok(());
        };
        if !self.noted.contains(uid) {
            return Ok(());
        }
        let file = file(&self.root, uid);
        remove_if_there(&file).map_err(FolderError::io("remove", &file))?;
        sync_folder(&self.root).map_err(FolderError::io("sync", &self.root))?;
        self.noted.remove(uid);
        Ok(())
    }
}

fn file(root: &Path, uid: &str) -> PathBuf {
    root.join(format!("{uid}.json"))
}
