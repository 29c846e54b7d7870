//! Handing a folder over to another user, with all that is in it and belongs to the one before.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, openat};

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
    /// Each entry is opened before it is looked at, and what is given away is what was looked at: nothing that
    /// belongs to a third user changes hands, whatever is put in its place meanwhile.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn hand_over(
        &self,
        name: impl AsRef<OsStr>,
        from: u32,
        to: Owner,
    ) -> Result<u64, FolderError> {
        let path = self.path.join(name.as_ref());
        let mut given = 0;
        entry(
            self.handle.as_fd(),
            name.as_ref(),
            &path,
            from,
            to,
            DEPTH,
            &mut given,
        )?;
        Ok(given)
    }
}

fn entry(
    above: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    from: u32,
    to: Owner,
    depth: usize,
    given: &mut u64,
) -> Result<(), FolderError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = openat(above, name, flags, Mode::empty()).map_err(failed("open", path))?;
    let about = fstat(&held).map_err(failed("look at", path))?;
    if about.st_uid != from {
        return Ok(());
    }
    if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(FolderError::TooDeep(path.to_owned()));
        };
        below(&held, path, from, to, depth, given)?;
    }
    let (user, group) = (Uid::from_raw(to.user), Gid::from_raw(to.group));
    chownat(&held, "", Some(user), Some(group), AtFlags::EMPTY_PATH)
        .map_err(failed("give away", path))?;
    *given += 1;
    Ok(())
}

fn below(
    folder: &OwnedFd,
    path: &Path,
    from: u32,
    to: Owner,
    depth: usize,
    given: &mut u64,
) -> Result<(), FolderError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = openat(folder, ".", flags, Mode::empty()).map_err(failed("open", path))?;
    for found in Dir::read_from(&open).map_err(failed("list", path))? {
        let found = found.map_err(failed("list", path))?;
        let name = OsStr::from_bytes(found.file_name().to_bytes());
        if name != "." && name != ".." {
            entry(open.as_fd(), name, &path.join(name), from, to, depth, given)?;
        }
    }
    Ok(())
}
