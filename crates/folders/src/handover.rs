//! Handing a folder over to another user, with all that is in it and belongs to the one before; and letting a group
//! read one.
//!
//! Each entry is opened before it is looked at, and what is changed is what was looked at: nothing of a third
//! user's changes, whatever is put in its place meanwhile.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chmodat, chownat, fstat, openat,
};

use crate::{Folder, FolderError, folder::failed};

/// Folders within folders that are followed; each holds a descriptor.
const DEPTH: usize = 256;

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub user: u32,
    /// The group's id.
    pub group: u32,
}

impl Folder {
    /// Gives `name`, and what lies in it, to `to`, as far as it belongs to `from`; gives how many entries that
    /// were. A folder follows what is in it: one that belongs to `to` already is done, so what was broken off is
    /// taken up again by doing it once more.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn hand_over(
        &self,
        name: impl AsRef<OsStr>,
        from: u32,
        to: Owner,
    ) -> Result<u64, FolderError> {
        let mut given = 0;
        let (user, group) = (Uid::from_raw(to.user), Gid::from_raw(to.group));
        self.each_of(name.as_ref(), from, &mut |entry| {
            given += 1;
            let flags = AtFlags::EMPTY_PATH;
            chownat(entry.held, "", Some(user), Some(group), flags)
                .map_err(failed("give away", entry.path))
        })?;
        Ok(given)
    }

    /// Lets `group` read what of `name` and in it belongs to root, and nobody else besides; what is made in there
    /// later gets that group too. Gives how many entries it could not read before.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn share(&self, name: impl AsRef<OsStr>, group: u32) -> Result<u64, FolderError> {
        let mut opened = 0;
        self.each_of(name.as_ref(), 0, &mut |entry| {
            let mode = entry.about.st_mode & 0o700;
            let mode = match FileType::from_raw_mode(entry.about.st_mode) {
                FileType::Directory => mode | 0o2050,
                FileType::RegularFile => mode | 0o040,
                _ => return Ok(()),
            };
            let before = (entry.about.st_gid, entry.about.st_mode & 0o7777);
            if before == (group, mode) {
                return Ok(());
            }
            let read = before.1 & 0o004 != 0 || (before.0 == group && before.1 & 0o040 != 0);
            opened += u64::from(!read);
            // In this order: a change of group takes the bits of the mode that are more than rights.
            let (group, flags) = (Some(Gid::from_raw(group)), AtFlags::EMPTY_PATH);
            chownat(entry.held, "", None, group, flags).map_err(failed("share", entry.path))?;
            let held = format!("/proc/self/fd/{}", entry.held.as_raw_fd());
            chmodat(CWD, held, Mode::from_raw_mode(mode), AtFlags::empty())
                .map_err(failed("share", entry.path))
        })?;
        Ok(opened)
    }

    /// Does `work` with `name` and what lies in it, as far as it is `owner`'s, a folder after what is in it.
    fn each_of(&self, name: &OsStr, owner: u32, work: &mut Work<'_>) -> Result<(), FolderError> {
        let path = self.path.join(name);
        entry(self.handle.as_fd(), name, &path, owner, DEPTH, work)
    }
}

type Work<'a> = dyn FnMut(&Entry<'_>) -> Result<(), FolderError> + 'a;

/// What was opened and looked at.
struct Entry<'a> {
    held: &'a OwnedFd,
    about: Stat,
    path: &'a Path,
}

fn entry(
    above: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    owner: u32,
    depth: usize,
    work: &mut Work<'_>,
) -> Result<(), FolderError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = openat(above, name, flags, Mode::empty()).map_err(failed("open", path))?;
    let about = fstat(&held).map_err(failed("look at", path))?;
    if about.st_uid != owner {
        return Ok(());
    }
    if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(FolderError::TooDeep(path.to_owned()));
        };
        below(&held, path, owner, depth, work)?;
    }
    let held = &held;
    work(&Entry { held, about, path })
}

fn below(
    folder: &OwnedFd,
    path: &Path,
    owner: u32,
    depth: usize,
    work: &mut Work<'_>,
) -> Result<(), FolderError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = openat(folder, ".", flags, Mode::empty()).map_err(failed("open", path))?;
    for found in Dir::read_from(&open).map_err(failed("list", path))? {
        let found = found.map_err(failed("list", path))?;
        let name = OsStr::from_bytes(found.file_name().to_bytes());
        if name != "." && name != ".." {
            entry(open.as_fd(), name, &path.join(name), owner, depth, work)?;
        }
    }
    Ok(())
}
