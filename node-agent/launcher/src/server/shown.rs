//! What a tool or an image's program is shown, from the descriptors that the daemon opened: it is shown
//! nothing that the daemon could not open itself.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, fstat};

use super::namespaces::Namespaces;
use super::starter::detached;
use aion_sandbox::Layer;
use aion_sandbox::plan::{Shown, What};
use aion_sandbox::protocol::{DEFAULT_SCRATCH, Role, Start};

/// The plan's part, and mounts of everything that is shown where the worker needs them.
pub(super) fn prepare(
    namespaces: &Namespaces,
    start: &Start,
    shown: &[OwnedFd],
) -> Result<(Option<Shown>, Vec<OwnedFd>), String> {
    let Some((first, folders)) = shown.split_first() else {
        return Err("a tool has a program, and an image its files".into());
    };
    let (what, needs_root) = match start.role {
        Role::Process => {
            let what = What::Image {
                files: path(first, FileType::Directory)?,
                scratch_bytes: start.scratch_bytes.unwrap_or(DEFAULT_SCRATCH),
            };
            (what, Some("an image's files are its program's root"))
        }
        Role::Tool | Role::Declarative | Role::Wasm | Role::Compile => {
            let program = path(first, FileType::RegularFile)?;
            let needs_root = (!folders.is_empty()).then_some("its folders are shown under /mnt");
            (What::Machine { program }, needs_root)
        }
    };
    let mut mounts = Vec::new();
    for (name, folder) in start.mounts.iter().zip(folders) {
        mounts.push((name.clone(), path(folder, FileType::Directory)?));
    }
    let own_root = namespaces.has(Layer::MountNamespace);
    if let Some(needs) = needs_root.filter(|_| !own_root) {
        let layer = Layer::MountNamespace;
        let why = namespaces.missing(layer).unwrap_or("there is none");
        return Err(format!("{needs}, which takes a {layer}: {why}"));
    }
    let handles = match own_root && namespaces.privileged() {
        true => shown.iter().map(detached).collect::<Result<Vec<_>, _>>(),
        false => Ok(Vec::new()),
    };
    let handles = handles.map_err(|error| format!("take hold of what is shown: {error}"))?;
    let shown = Shown {
        what,
        mounts,
        handles: !handles.is_empty(),
    };
    Ok((Some(shown), handles))
}

/// Where an open file or folder is.
fn path(handle: &OwnedFd, kind: FileType) -> Result<PathBuf, String> {
    let number = handle.as_raw_fd();
    let path = fs::read_link(format!("/proc/self/fd/{number}"))
        .map_err(|error| format!("find what is shown: {error}"))?;
    let status = fstat(handle).map_err(|error| format!("{}: {error}", path.display()))?;
    if FileType::from_raw_mode(status.st_mode) != kind {
        return Err(format!("{} is not a {kind:?}", path.display()));
    }
    if !path.is_absolute() || status.st_nlink == 0 {
        return Err(format!("{} is gone", path.display()));
    }
    Ok(path)
}
