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

/// The folders of the root that whoever runs an image mounts something over, each by its name and following nothing.
const MOUNT_POINTS: [&str; 6] = ["proc", "sys", "dev", "tmp", "run", "mnt"];
/// What is there once something is mounted over them, beside what an agent is shown in `/mnt`.
const MOUNTED: [&str; 1] = ["dev/shm"];

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
            Kind::Symlink { target } => Node::Symlink(target.as_slice().into()),
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

    /// Makes the folders that something is mounted over, and the one that the image works in. What the image has in them
    /// nobody would see, and where it has links in their place (`/tmp` to `/var/tmp`, `/mnt` to `/var/mnt`), what is
    /// mounted belongs under the name that every program knows: so they are empty folders.
    pub(crate) fn make_mount_points(&mut self, working_dir: &str) -> Result<(), UnpackError> {
        for name in MOUNT_POINTS {
            if !self.make_empty(name.as_bytes())? {
                let path = format!("/{name}");
                return Err(refused(
                    path.as_bytes(),
                    "it is a file, and each program is shown a folder there",
                ));
            }
        }
        let (Found::There(names) | Found::Missing(names)) =
            self.resolve(working_dir.as_bytes(), true)?;
        let whole = names.join(&b'/');
        let covered = names.len() > 1
            && names[0] != b"mnt"
            && MOUNT_POINTS.iter().any(|it| it.as_bytes() == names[0])
            && MOUNTED.iter().all(|it| it.as_bytes() != whole);
        if covered {
            return Err(refused(
                working_dir.as_bytes(),
                "it is the WORKDIR, and each turn begins without it; choose one that is not below /proc, /sys, /dev, /tmp or /run",
            ));
        }
        self.make_folders(working_dir.as_bytes()).map(drop)
    }
}

#[cfg(test)]
mod tests;
