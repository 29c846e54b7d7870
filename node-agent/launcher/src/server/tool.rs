//! What a tool is shown, from the descriptors that the daemon opened: it is shown
//! nothing that the daemon could not open itself.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, fstat};

use super::namespaces::Namespaces;
use super::starter::detached;
use aion_sandbox::Layer;
use aion_sandbox::plan::Tool;

/// The plan's part, and mounts of program and folders where the worker needs them.
pub(super) fn prepare(
    namespaces: &Namespaces,
    names: &[String],
    shown: &[OwnedFd],
) -> Result<(Tool, Vec<OwnedFd>), String> {
    let Some((program, folders)) = shown.split_first() else {
        return Err("a tool has a program".into());
    };
    let program_path = path(program, FileType::RegularFile)?;
    let mut mounts = Vec::new();
    for (name, folder) in names.iter().zip(folders) {
        mounts.push((name.clone(), path(folder, FileType::Directory)?));
    }
    let own_root = namespaces.has(Layer::MountNamespace);
    if !own_root && !mounts.is_empty() {
        let why = namespaces.missing(Layer::MountNamespace);
        return Err(format!(
            "its folders are shown under /mnt, which takes a mount namespace: {}",
            why.unwrap_or("there is none")
        ));
    }
    let mut tool = Tool {
        program: program_path,
        mounts,
        handles: own_root && namespaces.privileged(),
    };
    let handles = match tool.handles {
        true => shown.iter().map(detached).collect::<Result<Vec<_>, _>>(),
        false => Ok(Vec::new()),
    };
    let handles = handles.map_err(|error| format!("take hold of the folders: {error}"))?;
    tool.handles = !handles.is_empty();
    Ok((tool, handles))
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
