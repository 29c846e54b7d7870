//! How layers become one root file system: each takes away what it says of those below, then adds its own (OCI image
//! spec, "applying changesets"). What may not enter: the disk.

use std::collections::HashSet;

use crate::content::{
    archive::UnpackError,
    image::tree::{File, Folder, Found, Node, Tree, refused},
    layer::{
        index::{Entry, Index, Kind},
        path::LayerPath,
    },
};

/// What whoever runs an image mounts something over.
const MOUNT_POINTS: [&str; 7] = ["/proc", "/sys", "/dev", "/tmp", "/run", "/mnt", "/etc"];

impl Tree {
    /// Applies the next layer, which is the `layer`th.
    pub(crate) fn apply(&mut self, layer: usize, index: &Index) -> Result<(), UnpackError> {
        let folders: HashSet<&LayerPath> = index
            .entries
            .iter()
            .filter(|it| it.kind == Kind::Folder)
            .map(|it| &it.path)
            .collect();
        // First all that is taken away, wherever in the archive it stands: a layer takes nothing of its own away.
        for entry in &index.entries {
            match entry.kind {
                Kind::Gone => self.take(&entry.path, &folders)?,
                Kind::Emptied => self.empty(&entry.path, &folders)?,
                _ => {}
            }
        }
        for entry in &index.entries {
            self.add(layer, entry)?;
        }
        Ok(())
    }

    fn take(&mut self, path: &LayerPath, folders: &HashSet<&LayerPath>) -> Result<(), UnpackError> {
        let Some((above, name)) = path.split() else {
            return Ok(());
        };
        let name = name.to_vec();
        if let Some(folder) = self.below(&above, folders)? {
            folder.remove(&name);
        }
        Ok(())
    }

    fn empty(
        &mut self,
        path: &LayerPath,
        folders: &HashSet<&LayerPath>,
    ) -> Result<(), UnpackError> {
        if let Some(folder) = self.below(path, folders)? {
            folder.clear();
        }
        Ok(())
    }

    /// The folder that lower layers have at `path`. Where they have a link there, or on the way, and this layer has a
    /// folder in its place, they have none: what the link leads to is not meant.
    fn below(
        &mut self,
        path: &LayerPath,
        folders: &HashSet<&LayerPath>,
    ) -> Result<Option<&mut Folder>, UnpackError> {
        for above in path.upwards().filter(|it| folders.contains(it)) {
            match self.resolve(above.as_bytes(), false) {
                Ok(Found::There(names)) => match self.node(&names) {
                    Some(Node::Folder(_)) => {}
                    _ => return Ok(None),
                },
                Ok(Found::Missing(_)) | Err(UnpackError::Unsafe { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        match self.resolve(path.as_bytes(), true) {
            Ok(Found::There(names)) => Ok(self.folder_mut(&names)),
            // Nothing is there that could be taken away.
            Ok(Found::Missing(_)) | Err(UnpackError::Unsafe { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, layer: usize, entry: &Entry) -> Result<(), UnpackError> {
        let node = match &entry.kind {
            Kind::Folder => Node::Folder(Folder::new()),
            Kind::File(content) => Node::File(File {
                layer,
                content: *content,
            }),
            Kind::Symlink { target } => Node::Symlink(target.clone()),
            Kind::HardLink { target } => self.linked(&entry.path, target)?,
            // What was there is replaced by it all the same.
            Kind::LeftOut => return self.take(&entry.path, &HashSet::new()),
            Kind::Gone | Kind::Emptied => return Ok(()),
        };
        self.put(&entry.path, node)
    }

    /// What a hard link is another name of: a file of this layer or of one below it, or a link itself.
    fn linked(&mut self, path: &LayerPath, target: &LayerPath) -> Result<Node, UnpackError> {
        let refuse = |why| Err(refused(path.as_bytes(), why));
        let found = match self.resolve(target.as_bytes(), false)? {
            Found::There(names) => self.node(&names),
            Found::Missing(_) => None,
        };
        match found {
            Some(Node::Folder(_)) => refuse("it is a hard link to a folder"),
            Some(other) => Ok(other.clone()),
            None => refuse("it is a hard link to what is not in the image"),
        }
    }

    /// Makes the folders that something is mounted over where the image lacks them, and the one it works in.
    pub(crate) fn make_mount_points(&mut self, working_dir: &str) -> Result<(), UnpackError> {
        for path in MOUNT_POINTS.into_iter().chain([working_dir]) {
            self.make_folders(path.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
