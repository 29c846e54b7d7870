//! Small files in a folder: read, replaced as a whole, removed, locked. By name in the open folder, and never
//! through a link.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod,
        flock, fstat, fsync, openat, renameat, unlinkat,
    },
    io::Errno,
};

use crate::{Folder, FolderError, folder::failed};

/// The largest file that is read, in bytes.
const MOST: u64 = 1 << 20;
/// What the name of a file ends with that is being written.
const BESIDE: &str = ".new";

impl Folder {
    /// What a file holds; `None` where there is none. With `Trust::Root` one that is not root's alone is an
    /// error: root's folder may hold what was moved into it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>, FolderError> {
        let found = self.read_and_look(name.as_ref())?;
        Ok(found.map(|(bytes, _)| bytes))
    }

    /// What a file holds, and whose it is.
    pub(crate) fn read_and_look(
        &self,
        name: &OsStr,
    ) -> Result<Option<(Vec<u8>, Stat)>, FolderError> {
        let path = self.path.join(name);
        // Without blocking, should it be a fifo.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(FolderError::Link(path)),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let about = fstat(&file).map_err(failed("look at", &path))?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err(FolderError::NotAFile(path));
        }
        self.trust.check(&about, &path, false)?;
        let mut bytes = Vec::new();
        File::from(file)
            .take(MOST + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| io_failed("read", &path, source))?;
        match bytes.len() as u64 > MOST {
            true => Err(FolderError::TooLarge { path, most: MOST }),
            false => Ok(Some((bytes, about))),
        }
    }

    /// Writes a file whole or not at all, also where the machine loses its power meanwhile: file and name are on
    /// the disk when it returns.
    ///
    /// # Errors
    /// [`FolderError`]; what was there before is there then, or else the new file is, and may not outlast the machine.
    pub fn replace(
        &self,
        name: impl AsRef<OsStr>,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FolderError> {
        self.write(name.as_ref(), bytes, mode, true)?;
        fsync(&self.handle).map_err(failed("sync", &self.path))
    }

    /// As [`Folder::replace`], of something that means nothing once the machine was off, such as a process: nothing
    /// is forced to the disk.
    ///
    /// # Errors
    /// [`FolderError`]; what was there before is there then.
    pub fn replace_unsynced(
        &self,
        name: impl AsRef<OsStr>,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FolderError> {
        self.write(name.as_ref(), bytes, mode, false)
    }

    fn write(&self, name: &OsStr, bytes: &[u8], mode: u32, sync: bool) -> Result<(), FolderError> {
        let mut beside = name.to_owned();
        beside.push(BESIDE);
        let path = self.path.join(&beside);
        self.write_beside(&beside, bytes, mode, sync)?;
        renameat(&self.handle, &beside, &self.handle, name).map_err(failed("replace", &path))
    }

    /// Writes a file that is moved to its place once it is whole.
    pub(crate) fn write_beside(
        &self,
        beside: &OsStr,
        bytes: &[u8],
        mode: u32,
        sync: bool,
    ) -> Result<(), FolderError> {
        let path = self.path.join(beside);
        // One that a process left which was killed over it.
        self.remove(beside)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(mode);
        let file = openat(&self.handle, beside, flags | OFlags::CLOEXEC, mode)
            .map_err(failed("make", &path))?;
        fchmod(&file, mode).map_err(failed("set the permissions of", &path))?;
        let mut file = File::from(file);
        file.write_all(bytes)
            .and_then(|()| if sync { file.sync_all() } else { Ok(()) })
            .map_err(|source| io_failed("write", &path, source))
    }

    /// Opens a file to be written at its end, and makes it where it is missing.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn append(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, FolderError> {
        let path = self.path.join(name.as_ref());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
        let file = openat(
            &self.handle,
            name.as_ref(),
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(mode),
        );
        file.map(File::from).map_err(|error| match error {
            Errno::LOOP => FolderError::Link(path),
            error => failed("open", &path)(error),
        })
    }

    /// Takes the lock that `name` stands for, held as long as the descriptor; `None` where another process has
    /// it. With `wait` it waits for that one.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn lock(
        &self,
        name: impl AsRef<OsStr>,
        wait: bool,
    ) -> Result<Option<OwnedFd>, FolderError> {
        let path = self.path.join(name.as_ref());
        let file = OwnedFd::from(self.append(name, 0o600)?);
        let operation = match wait {
            true => FlockOperation::LockExclusive,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&file, operation) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed("lock", &path)(error)),
        }
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), FolderError> {
        let path = self.path.join(name.as_ref());
        match unlinkat(&self.handle, name.as_ref(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Removes an empty folder; one that is not there is no error.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn remove_folder(&self, name: impl AsRef<OsStr>) -> Result<(), FolderError> {
        let path = self.path.join(name.as_ref());
        match unlinkat(&self.handle, name.as_ref(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Moves a file or folder into another folder, in one step; `false` where there is none.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn move_to(
        &self,
        name: impl AsRef<OsStr>,
        to: &Folder,
        new: impl AsRef<OsStr>,
    ) -> Result<bool, FolderError> {
        let path = self.path.join(name.as_ref());
        match renameat(&self.handle, name.as_ref(), &to.handle, new.as_ref()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(failed("move", &path)(error)),
        }
    }

    /// The names in it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn names(&self) -> Result<Vec<OsString>, FolderError> {
        let entries = Dir::read_from(&self.handle).map_err(failed("list", &self.path))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", &self.path))?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(OsStr::from_bytes(name).to_owned()),
            }
        }
        Ok(names)
    }

    /// Gives the entry of that name to `user`; a link itself, not what it leads to.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn give(
        &self,
        name: impl AsRef<OsStr>,
        user: u32,
        group: Option<u32>,
    ) -> Result<(), FolderError> {
        let path = self.path.join(name.as_ref());
        let (user, group) = (Uid::from_raw(user), group.map(Gid::from_raw));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(&self.handle, name.as_ref(), Some(user), group, flags)
            .map_err(failed("give away", &path))
    }
}

pub(crate) fn io_failed(action: &'static str, path: &Path, source: io::Error) -> FolderError {
    FolderError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
