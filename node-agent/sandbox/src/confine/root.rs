//! A root of its own, with nothing in it but what the worker needs: its socket, and what it is shown.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aion_abi::boot;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, fchdir, pivot_root};

use super::landlock::Opens;
use super::mounts::{Depth, NO_PROGRAMS, READ_ONLY, Stage, again, attach, fresh, restrict};
use super::{image, machine};
use crate::plan::{Plan, Shown, Socket, What};

/// Where the new root is put together. It is on every Linux, and the worker has
/// no use for what it covers.
const STAGE: &str = "/proc";

/// Where the folders are found by name.
pub(super) const NAMES: &str = "/mnt";

/// Takes a mount namespace and empties it, and puts into it what `plan` has. Gives the path
/// of the socket from then on; with an error, the path that is left and why the
/// root is still the host's.
pub(super) fn enter(
    plan: &Plan,
    folder: Option<&OwnedFd>,
    handles: &[OwnedFd],
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
        (true, socket) => match build(plan, folder, handles) {
            Ok(()) => Ok(socket.as_ref().map(|_| PathBuf::from(boot::SOCKET))),
            Err(why) => Err((left, why)),
        },
        (false, Some(Socket::Mount)) => {
            Err((left, "a socket mount needs a mount namespace".into()))
        }
        (false, _) => Ok(left),
    }
}

/// What Landlock lets a worker open of what it is shown.
pub(super) fn opens(shown: &Shown, own_root: bool) -> Opens {
    match &shown.what {
        What::Machine { program } => machine::opens(program, &shown.mounts, own_root),
        What::Image { .. } => image::opens(),
    }
}

fn build(plan: &Plan, folder: Option<&OwnedFd>, handles: &[OwnedFd]) -> Result<(), String> {
    own_mounts().map_err(|error| format!("unshare the mounts: {error}"))?;
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(|error| format!("make the mounts private: {error}"))?;
    let shown = plan.shown.as_ref();
    let (first, folders) = match handles.split_first() {
        Some((first, folders)) => (Some(first), folders),
        None => (None, handles),
    };
    let (root, held) = match shown.map(|shown| &shown.what) {
        Some(What::Image { files, .. }) => (image::files(files, first), image::FILES),
        Some(What::Machine { .. }) => (empty("1m", "1k"), NO_PROGRAMS),
        None => (empty("64k", "8"), NO_PROGRAMS),
    };
    let stage = root
        .and_then(|root| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            attach(&root, open(STAGE, flags, Mode::empty())?)?;
            // Before anything is mounted or made in it: it may be the machine's own folder.
            restrict(&root, held, Depth::All)?;
            Ok(Stage::new(root))
        })
        .map_err(|error| format!("mount the root: {error}"))?;
    match shown.map(|shown| (&shown.what, &*shown.mounts)) {
        Some((What::Image { scratch_bytes, .. }, mounts)) => {
            image::furnish(&stage, *scratch_bytes, &named(mounts, folders))?;
            if !plan.ports.is_empty() {
                image::ask_here(&stage)?;
            }
        }
        Some((What::Machine { program }, mounts)) => {
            machine::furnish(&stage, (program, first), &named(mounts, folders))?;
        }
        None => {}
    }
    if let Some(socket) = &plan.socket {
        place(&stage, socket, folder)?;
    }
    lock(&stage)
}

/// A folder to show, by its name, its path and its handle, if there is one.
pub(super) type Named<'a> = (&'a str, &'a Path, Option<&'a OwnedFd>);

fn named<'a>(mounts: &'a [(String, PathBuf)], handles: &'a [OwnedFd]) -> Vec<Named<'a>> {
    let mounts = mounts.iter().enumerate();
    mounts
        .map(|(at, (name, path))| (&**name, &**path, handles.get(at)))
        .collect()
}

fn empty(size: &str, inodes: &str) -> io::Result<OwnedFd> {
    let options = [("size", size), ("nr_inodes", inodes), ("mode", "0755")];
    fresh("tmpfs", &options, NO_PROGRAMS)
}

/// Makes of the stage the root, and of the root something that cannot be changed.
fn lock(stage: &Stage) -> Result<(), String> {
    let step = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    fchdir(stage.mount()).map_err(step("enter the new root"))?;
    // The old root lands on top of the new one and is unmounted from there, so
    // that no directory is needed to put it into.
    pivot_root(".", ".").map_err(step("pivot_root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(step("let go of the old root"))?;
    chdir("/").map_err(step("enter the new root"))?;
    restrict(stage.mount(), READ_ONLY, Depth::One)
        .map_err(|error| format!("make the root read-only: {error}"))
}

/// Takes a mount namespace, as the launcher's is at this moment.
#[allow(unsafe_code)]
fn own_mounts() -> Result<(), rustix::io::Errno> {
    // SAFETY: unsharing the mount namespace, and with it root and working directory, changes no memory and no
    // descriptor, and there is one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
}

/// Shows the folder that the socket is in, and nothing can be made in it.
fn place(stage: &Stage, socket: &Socket, folder: Option<&OwnedFd>) -> Result<(), String> {
    let target = Path::new(boot::SOCKET_FOLDER);
    let own;
    let mount = match (socket, folder) {
        (Socket::Mount, Some(folder)) => folder,
        (Socket::Mount, None) | (Socket::Folder, _) => {
            return Err("the mount of the socket is missing".into());
        }
        (Socket::Path(path), _) => {
            let folder = path.parent().ok_or("the socket is in no folder")?;
            own = again(folder).map_err(|error| format!("take hold of the socket: {error}"))?;
            &own
        }
    };
    let place = stage.folder(target)?;
    stage.put(mount, (target, &place), READ_ONLY | NO_PROGRAMS)
}
