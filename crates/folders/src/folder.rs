//! Opening a folder, and one in it.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat, fchmod, fstat, mkdirat, open, openat, statat},
    io::Errno,
};

use crate::Trust;

/// Write bits of group and others. Where an access list lets somebody write, the group's is set too (acl(5)).
const WRITABLE: u32 = 0o022;
/// In a folder with this bit only its owner removes or renames an entry.
const STICKY: u32 = 0o1000;

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A relative path depends on who asks.
    #[error("{0} is not a path from / on, without . and ..")]
    Relative(PathBuf),
    /// A link leads where its owner wants.
    #[error("{0} is a link; name the folder that it leads to")]
    Link(PathBuf),
    /// Somebody else's.
    #[error(
        "{path} belongs to user {owner} and not to root, who would do what that user writes there; \
         chown it to root, or name a folder below one of root's"
    )]
    NotRoots {
        /// The folder or file.
        path: PathBuf,
        /// Its user id.
        owner: u32,
    },
    /// Others may change what is in it.
    #[error(
        "{path} may be written by others than root (mode {mode:04o}), who would do what they write \
         there; chmod go-w it, or name a folder below one that is root's alone"
    )]
    Writable {
        /// The folder or file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others know what it holds.
    #[error(
        "{path} can be read or written by others (mode {mode:04o}): chmod 600 {path}, or remove it to have a new one"
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Neither file nor folder, or the one for the other.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// Larger than anything that is kept there.
    #[error("{path} is larger than {most} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        most: u64,
    },
    /// Folders in folders beyond what is followed.
    #[error("{0} lies too deep to be handed over")]
    TooDeep(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    pub(crate) handle: OwnedFd,
    pub(crate) path: PathBuf,
    pub(crate) trust: Trust,
}

impl Folder {
    /// Opens a folder that is there.
    ///
    /// # Errors
    /// [`FolderError`]; with [`Trust::Root`] also where it, or one above it, is not root's alone.
    pub fn open(path: &Path, trust: Trust) -> Result<Self, FolderError> {
        walk(path, trust, None)
    }

    /// Opens a folder, and makes what is missing of its path, with `mode`.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn make(path: &Path, trust: Trust, mode: u32) -> Result<Self, FolderError> {
        walk(path, trust, Some(Mode::from_raw_mode(mode)))
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn within(&self, name: impl AsRef<OsStr>) -> Result<Self, FolderError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let handle = enter(self.handle.as_fd(), name, &path, LAST)?;
        self.trust.check_folder(&handle, &path, false)?;
        Ok(Self {
            handle,
            path,
            trust: self.trust,
        })
    }

    /// As [`Folder::within`]; `None` where there is none.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn find(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>, FolderError> {
        match self.within(name) {
            Ok(found) => Ok(Some(found)),
            Err(FolderError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same folder, by another handle.
    ///
    /// # Errors
    /// This process has no descriptor left.
    pub fn reopen(&self) -> Result<Self, FolderError> {
        let handle = self.handle.try_clone();
        Ok(Self {
            handle: handle.map_err(|source| FolderError::Io {
                action: "hold",
                path: self.path.clone(),
                source,
            })?,
            path: self.path.clone(),
            trust: self.trust,
        })
    }

    /// Opens a folder in this one, makes it where it is missing, and gives it `mode`.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn make_within(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self, FolderError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let mode = Mode::from_raw_mode(mode);
        make(self.handle.as_fd(), name, &path, mode)?;
        let made = self.within(name)?;
        // What umask took away, or what it had before.
        fchmod(&made.handle, mode).map_err(failed("set the permissions of", &path))?;
        Ok(made)
    }

    /// Where it was opened, for messages and for programs that take a path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose the entry of that name is, a link itself; `None` where there is none.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn owner_of(&self, name: impl AsRef<OsStr>) -> Result<Option<u32>, FolderError> {
        match statat(&self.handle, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => Ok(Some(about.st_uid)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed("look at", &self.path.join(name.as_ref()))(error)),
        }
    }

    /// Its permissions.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn mode(&self) -> Result<u32, FolderError> {
        let about = fstat(&self.handle).map_err(failed("look at", &self.path))?;
        Ok(about.st_mode & 0o7777)
    }

    /// Sets its permissions.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn set_mode(&self, mode: u32) -> Result<(), FolderError> {
        fchmod(&self.handle, Mode::from_raw_mode(mode))
            .map_err(failed("set the permissions of", &self.path))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// To look further from only: no right to read it is needed.
const ABOVE: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const LAST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn walk(path: &Path, trust: Trust, missing: Option<Mode>) -> Result<Folder, FolderError> {
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(FolderError::Relative(path.to_owned()));
            }
        }
    }
    let Some((last, above)) = names.split_last().filter(|_| path.is_absolute()) else {
        return Err(FolderError::Relative(path.to_owned()));
    };
    let mut so_far = PathBuf::from("/");
    let flags = ABOVE.difference(OFlags::NOFOLLOW);
    let mut handle = open("/", flags, Mode::empty()).map_err(failed("open", &so_far))?;
    trust.check_folder(&handle, &so_far, true)?;
    for name in above {
        so_far.push(name);
        if let Some(mode) = missing {
            make(handle.as_fd(), name, &so_far, mode)?;
        }
        handle = match trust {
            Trust::Root => enter(handle.as_fd(), name, &so_far, ABOVE)?,
            // Home folders are often reached by a link.
            Trust::Own => {
                openat(&handle, *name, flags, Mode::empty()).map_err(failed("open", &so_far))?
            }
        };
        trust.check_folder(&handle, &so_far, true)?;
    }
    so_far.push(last);
    if let Some(mode) = missing {
        make(handle.as_fd(), last, &so_far, mode)?;
    }
    let handle = enter(handle.as_fd(), last, &so_far, LAST)?;
    trust.check_folder(&handle, &so_far, false)?;
    Ok(Folder {
        handle,
        path: so_far,
        trust,
    })
}

fn make(above: BorrowedFd<'_>, name: &OsStr, path: &Path, mode: Mode) -> Result<(), FolderError> {
    match mkdirat(above, name, mode) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(failed("make", path)(error)),
    }
}

fn enter(
    above: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    flags: OFlags,
) -> Result<OwnedFd, FolderError> {
    openat(above, name, flags, Mode::empty()).map_err(|error| {
        let link = statat(above, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Symlink);
        match link {
            true => FolderError::Link(path.to_owned()),
            false => failed("open", path)(error),
        }
    })
}

impl Trust {
    fn check_folder(
        self,
        folder: &OwnedFd,
        path: &Path,
        is_above: bool,
    ) -> Result<(), FolderError> {
        let about = fstat(folder).map_err(failed("look at", path))?;
        // What is root's in a sticky folder stays what and where it is.
        let kept = is_above && about.st_mode & STICKY != 0;
        self.check(&about, path, kept)
    }

    pub(crate) fn check(self, about: &Stat, path: &Path, kept: bool) -> Result<(), FolderError> {
        if self == Self::Own {
            return Ok(());
        }
        if about.st_uid != 0 {
            return Err(FolderError::NotRoots {
                path: path.to_owned(),
                owner: about.st_uid,
            });
        }
        if about.st_mode & WRITABLE != 0 && !kept {
            return Err(FolderError::Writable {
                path: path.to_owned(),
                mode: about.st_mode & 0o7777,
            });
        }
        Ok(())
    }
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> FolderError {
    let path = path.to_owned();
    move |error| FolderError::Io {
        action,
        path,
        source: error.into(),
    }
}

#[cfg(test)]
mod tests;
