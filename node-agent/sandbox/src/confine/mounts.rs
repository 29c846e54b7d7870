//! Mounts by descriptor: making one, putting it in place, taking rights from it. No path is looked up twice, and none
//! that somebody else wrote is followed. What may not enter: which mounts a root has.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// Neither programs of other users nor devices.
pub(super) const DATA: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
/// [`DATA`], and no programs at all.
pub(super) const NO_PROGRAMS: u64 = DATA | libc::MOUNT_ATTR_NOEXEC;
/// Nothing can be changed.
pub(super) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;

/// How far an attribute or a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// This mount.
    One,
    /// With all that are below it.
    All,
}

/// A file system of its own, in no namespace yet.
pub(super) fn fresh(kind: &str, options: &[(&str, &str)], attributes: u64) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(&context, *name, *value)?;
    }
    fsconfig_create(&context)?;
    // Every number is a flag that the kernel knows.
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    Ok(fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// What is at `path` of this process's mounts, again, in no namespace yet.
pub(super) fn again(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

/// The same of a folder that is open.
pub(super) fn again_of(folder: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(folder, "", flags)?)
}

/// Puts a mount over what `place` is. `mount` stands for it from then on.
pub(super) fn attach(mount: &OwnedFd, place: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", place, "", flags)?)
}

/// Adds attributes to a mount, taking none away (mount_setattr(2), Linux 5.12): a remount would have to repeat those
/// that are locked. It is private from then on: what is mounted in it is mounted nowhere else, and nothing that the
/// machine mounts later comes into it.
#[allow(unsafe_code)]
pub(super) fn restrict(mount: &OwnedFd, attributes: u64, depth: Depth) -> io::Result<()> {
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = match depth {
        Depth::One => libc::AT_EMPTY_PATH,
        Depth::All => libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
    };
    // SAFETY: both live until the call returns, and the size is that of the structure.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The root that is being built.
pub(super) struct Stage(OwnedFd);

impl Stage {
    /// The root that `mount` is, which is in place.
    pub(super) fn new(mount: OwnedFd) -> Self {
        Self(mount)
    }

    /// The mount that it is.
    pub(super) fn mount(&self) -> &OwnedFd {
        &self.0
    }

    /// A folder in it, made where it is not there and can be. No link is followed: one that stands where a folder is
    /// wanted is refused.
    pub(super) fn folder(&self, path: &Path) -> Result<OwnedFd, String> {
        let mut at = self.open(&self.0, Path::new("."), path)?;
        for part in parts(path) {
            // Where it is there already, or cannot be made, opening it tells.
            let _ = mkdirat(&at, part, Mode::from_raw_mode(0o755));
            at = self.open(&at, part, path)?;
        }
        Ok(at)
    }

    /// An empty file in it, made.
    pub(super) fn file(&self, path: &Path) -> Result<OwnedFd, String> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map_err(cannot("make", path))
    }

    /// A regular file that is in it, if there is one that no link leads to.
    pub(super) fn regular(&self, path: &Path) -> Result<Option<OwnedFd>, String> {
        let within: PathBuf = parts(path).collect();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = match openat2(&self.0, &within, flags, Mode::empty(), beneath) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(cannot("look for", path)(error)),
        };
        let status = fstat(&file).map_err(cannot("look at", path))?;
        let regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        Ok(regular.then_some(file))
    }

    /// A link in it, made.
    pub(super) fn link(&self, path: &Path, to: &Path) -> Result<(), String> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::symlinkat(to, &parent, name).map_err(cannot("link", path))
    }

    /// Puts a mount in place, and takes from it and all below it what is not in `attributes`.
    pub(super) fn put(
        &self,
        mount: &OwnedFd,
        (path, place): (&Path, &OwnedFd),
        attributes: u64,
    ) -> Result<(), String> {
        attach(mount, place)
            .and_then(|()| restrict(mount, attributes, Depth::All))
            .map_err(|error| format!("show {}: {error}", path.display()))
    }

    fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a Path), String> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder(parent)?, Path::new(name))),
            _ => Err(format!("{} is not in a folder", path.display())),
        }
    }

    fn open(&self, at: &OwnedFd, part: &Path, whole: &Path) -> Result<OwnedFd, String> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(at, part, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => {
                format!(
                    "{} is not a folder all the way: it is a link or a file",
                    whole.display()
                )
            }
            error => cannot("open", whole)(error),
        })
    }
}

/// The names of a path, of which none leads upwards.
fn parts(path: &Path) -> impl Iterator<Item = &Path> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(Path::new(name)),
        _ => None,
    })
}

fn cannot(what: &'static str, path: &Path) -> impl Fn(Errno) -> String {
    move |error| format!("{what} {}: {error}", path.display())
}
