//! A root with nothing in it but what the worker needs: its socket, or what a
//! tool is shown of the machine.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot;
use rustix::fs::{CWD, Mode, mkdir};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_bind,
    mount_change, mount_remount, move_mount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::tool::{self, restrict};
use crate::plan::{Plan, Socket};

/// Where the new root is put together. It is on every Linux, and the worker has
/// no use for what it covers.
const STAGE: &str = "/proc";

/// Takes a mount namespace and empties it, and puts into it what `plan` has. Gives the path
/// of the socket from then on; with an error, the path that is left and why the
/// root is still the host's.
pub(super) fn enter(
    plan: &Plan,
    folder: Option<&OwnedFd>,
    mounts: &[OwnedFd],
) -> Result<Option<PathBuf>, (Option<PathBuf>, String)> {
    let left = match &plan.socket {
        Some(Socket::Path(path)) => Some(path.clone()),
        Some(Socket::Mount) => Some(PathBuf::from(boot::SOCKET)),
        Some(Socket::Folder) => folder.map(|folder| {
            let folder = folder.as_raw_fd().to_string();
            Path::new("/proc/self/fd")
                .join(folder)
                .join(boot::SOCKET_NAME)
        }),
        None => None,
    };
    match (plan.private_root, &plan.socket) {
        (true, socket) => match build(plan, folder, mounts) {
            Ok(()) => Ok(socket.as_ref().map(|_| PathBuf::from(boot::SOCKET))),
            Err(why) => Err((left, why)),
        },
        (false, Some(Socket::Mount)) => {
            Err((left, "a socket mount needs a mount namespace".into()))
        }
        (false, _) => Ok(left),
    }
}

fn build(plan: &Plan, folder: Option<&OwnedFd>, mounts: &[OwnedFd]) -> Result<(), String> {
    let step = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    let locked = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    own_mounts().map_err(step("unshare the mounts"))?;
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(step("make the mounts private"))?;
    let bounds: &CStr = match plan.shown {
        Some(_) => c"size=1m,nr_inodes=1k,mode=0755",
        None => c"size=64k,nr_inodes=8,mode=0755",
    };
    mount("tmpfs", STAGE, "tmpfs", locked, bounds).map_err(step("mount a tmpfs"))?;
    if let Some(socket) = &plan.socket {
        place(socket, folder)?;
    }
    if let Some(shown) = &plan.shown {
        tool::furnish(shown, STAGE, mounts)?;
    }
    chdir(STAGE).map_err(step("enter the new root"))?;
    // The old root lands on top of the new one and is unmounted from there, so
    // that no directory is needed to put it into.
    pivot_root(".", ".").map_err(step("pivot_root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(step("let go of the old root"))?;
    chdir("/").map_err(step("enter the new root"))?;
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | locked, c"")
        .map_err(step("make the root read-only"))
}

/// Takes a mount namespace, as the launcher's is at this moment.
#[allow(unsafe_code)]
fn own_mounts() -> Result<(), rustix::io::Errno> {
    // SAFETY: unsharing the mount namespace, and with it root and working directory, changes no memory and no
    // descriptor, and there is one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
}

/// Shows the folder that the socket is in, and nothing can be made in it.
fn place(socket: &Socket, folder: Option<&OwnedFd>) -> Result<(), String> {
    let step = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    let target = format!("{STAGE}{}", boot::SOCKET_FOLDER);
    mkdir(target.as_str(), Mode::from_raw_mode(0o755)).map_err(step("make /run"))?;
    match (socket, folder) {
        (Socket::Mount, Some(fd)) => move_mount(
            fd.as_fd(),
            "",
            CWD,
            target.as_str(),
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .map_err(step("mount the socket"))?,
        (Socket::Mount, None) | (Socket::Folder, _) => {
            return Err("the mount of the socket is missing".into());
        }
        (Socket::Path(path), _) => {
            let folder = path.parent().ok_or("the socket is in no folder")?;
            mount_bind(folder, target.as_str()).map_err(step("mount the socket"))?;
        }
    }
    let attributes = libc::MOUNT_ATTR_RDONLY
        | libc::MOUNT_ATTR_NOSUID
        | libc::MOUNT_ATTR_NODEV
        | libc::MOUNT_ATTR_NOEXEC;
    restrict(target.as_ref(), attributes)
        .map_err(|error| format!("make the socket's folder read-only: {error}"))
}
