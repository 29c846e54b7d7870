//! A folder whose mounts are shared.

use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

/// A folder whose mounts are shared, as service managers have everything: what is mounted below it is mounted wherever
/// it is. Unmounted when dropped.
pub(crate) struct SharedFolder(tempfile::TempDir);

impl SharedFolder {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        Self::mount(folder.path());
        mount_change(folder.path(), MountPropagationFlags::SHARED).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Mounts something there.
    pub(crate) fn mount(path: &Path) {
        mount("tmpfs", path, "tmpfs", MountFlags::empty(), c"size=64m").unwrap();
    }
}

impl Drop for SharedFolder {
    fn drop(&mut self) {
        // With what is mounted below.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
