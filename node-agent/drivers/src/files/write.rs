//! Writing a file: replaced at once, appended to, or made new. Durable before the answer.

use std::{
    fs::File,
    io::{self, Write},
};

use aion_abi::syscall::fs::{MAX_CHUNK, WriteMode, WriteRequest, WriteResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::OFlags;

use super::{
    account::Room,
    failure::FilesError,
    folder::Mounted,
    path::RelativePath,
    read::{must_be_file, unblocking},
    sweep::Partials,
};
use crate::reserve::Reserve;

/// Appends that may be under way at once to different files; two to one file never are.
const STRIPES: usize = 16;

/// A write within its bounds.
pub(super) struct Asked {
    path: RelativePath,
    data: Vec<u8>,
    mode: WriteMode,
}

impl Asked {
    pub(super) fn check(request: &WriteRequest) -> Result<Self, FilesError> {
        let most = MAX_CHUNK as usize;
        let data = STANDARD.decode(&request.data).map_err(|error| {
            FilesError::Bound(format!(
                "data is not base64 (standard alphabet, padded): {error}"
            ))
        })?;
        if data.len() > most {
            return Err(FilesError::Bound(format!(
                "data has {} bytes, and may have {most}",
                data.len()
            )));
        }
        Ok(Self {
            path: RelativePath::parse(&request.path)?,
            data,
            mode: request.mode,
        })
    }
}

/// What writes share: locks of appends, and the names of files that are not done yet.
#[derive(Default)]
pub(super) struct Writer {
    appends: [Mutex<()>; STRIPES],
    partials: Partials,
}

impl Writer {
    pub(super) fn write(
        &self,
        mounted: &Mounted,
        asked: &Asked,
        reserve: Option<&Reserve>,
    ) -> Result<WriteResponse, FilesError> {
        if !mounted.writable {
            return Err(FilesError::ReadOnly(mounted.name.clone()));
        }
        let (folder, name) = asked.path.split();
        let place = mounted.place(asked.path.as_str());
        let failed = |error| FilesError::from_io(&place, error);
        if let Some(reserve) = reserve {
            let device = mounted.dir.dir_metadata().map_err(failed)?.dev();
            let room = reserve.check_on(device, asked.data.len() as u64);
            room.map_err(|why| FilesError::Reserved {
                place: place.clone(),
                why,
            })?;
        }
        let account = mounted.account.as_deref();
        let account = account.map(|account| account.open(&mounted.dir));
        let mut account = account.transpose().map_err(failed)?;
        let missing = match (&account, folder) {
            (Some(_), Some(folder)) => missing(&mounted.dir, folder).map_err(failed)?,
            _ => 0,
        };
        let more = |entries| Room {
            bytes: asked.data.len() as u64,
            entries,
        };
        if let Some(account) = account.as_mut().filter(|_| missing > 0) {
            account.take(more(missing + 1), Room::default(), &place)?;
        }
        // All that follows goes by this handle: a folder that is swapped for a link is not met again.
        let parent = match folder {
            None => mounted.dir.try_clone().map_err(failed)?,
            Some(folder) => open_or_make(&mounted.dir, folder).map_err(failed)?,
        };
        let target = match parent.symlink_metadata(name) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(metadata) = &target {
            if asked.mode == WriteMode::CreateNew {
                return Err(FilesError::Exists(place));
            }
            must_be_file(metadata, &place)?;
        }
        if let Some(account) = account.as_mut().filter(|_| missing == 0) {
            let replaced = target.as_ref().filter(|_| asked.mode == WriteMode::Replace);
            let less = Room {
                bytes: replaced.map_or(0, Metadata::len),
                entries: 0,
            };
            account.take(more(u64::from(target.is_none())), less, &place)?;
        }
        let size = match asked.mode {
            WriteMode::Replace => self
                .replace(&parent, name, target.as_ref(), &asked.data)
                .map_err(failed)?,
            WriteMode::Append => self.append(&parent, name, &place, &asked.data)?,
            WriteMode::CreateNew => create_new(&parent, name, &asked.data).map_err(failed)?,
        };
        if let Some(account) = account {
            account.settle();
        }
        Ok(WriteResponse { size })
    }

    fn replace(
        &self,
        parent: &Dir,
        name: &str,
        old: Option<&Metadata>,
        data: &[u8],
    ) -> io::Result<u64> {
        self.partials.sweep(parent);
        let partial = self.partials.name();
        let done = write_new(parent, &partial, data)
            .and_then(|file| match old {
                Some(old) => {
                    file.set_permissions(cap_std::fs::PermissionsExt::from_mode(old.mode() & 0o777))
                }
                None => Ok(()),
            })
            .and_then(|()| parent.rename(&partial, parent, name));
        if let Err(error) = done {
            // It may not have been made at all; the first error is the one to tell.
            let _ = parent.remove_file(&partial);
            return Err(error);
        }
        sync_folder(parent)?;
        Ok(data.len() as u64)
    }

    fn append(
        &self,
        parent: &Dir,
        name: &str,
        place: &str,
        data: &[u8],
    ) -> Result<u64, FilesError> {
        let failed = |error| FilesError::from_io(place, error);
        let mut options = OpenOptions::new();
        options
            .append(true)
            .create(true)
            .custom_flags(unblocking(OFlags::NOFOLLOW));
        let file = parent.open_with(name, &options).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        must_be_file(&metadata, place)?;
        let _alone = self.alone(&metadata);
        let mut file = file.into_std();
        let before = file.metadata().map_err(failed)?.len();
        let written = file.write_all(data).and_then(|()| file.sync_all());
        if let Err(error) = written {
            cut_back(&file, before, place);
            return Err(failed(error));
        }
        sync_folder(parent).map_err(failed)?;
        Ok(before + data.len() as u64)
    }

    /// One append at a time to a file, so that cutting one back cuts nothing of another.
    fn alone(&self, metadata: &Metadata) -> MutexGuard<'_, ()> {
        let stripe = (metadata.ino() ^ metadata.dev()) as usize % STRIPES;
        self.appends[stripe].lock()
    }
}

fn create_new(parent: &Dir, name: &str, data: &[u8]) -> io::Result<u64> {
    match write_new(parent, name, data) {
        Ok(_) => {
            sync_folder(parent)?;
            Ok(data.len() as u64)
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = parent.remove_file(name);
            }
            Err(error)
        }
    }
}

fn write_new(parent: &Dir, name: &str, data: &[u8]) -> io::Result<cap_std::fs::File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .custom_flags(unblocking(OFlags::NOFOLLOW));
    let mut file = parent.open_with(name, &options)?;
    file.write_all(data)?;
    file.sync_all()?;
    Ok(file)
}

fn cut_back(file: &File, length: u64, place: &str) {
    if let Err(error) = file.set_len(length) {
        tracing::error!(%error, place, length, "a broken append could not be cut back");
    }
}

/// How many folders on the way to `folder`, itself included, are not there.
fn missing(root: &Dir, folder: &str) -> io::Result<u64> {
    let mut missing = folder.split('/').count() as u64;
    for end in folder
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([folder.len()])
    {
        match root.symlink_metadata(&folder[..end]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            found => {
                found?;
            }
        }
        missing -= 1;
    }
    Ok(missing)
}

/// Opens the folder, making what is missing of it; each new name is durable before the next.
fn open_or_make(root: &Dir, folder: &str) -> io::Result<Dir> {
    match root.open_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    let ends = folder
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([folder.len()]);
    for end in ends {
        let made = root.create_dir(&folder[..end]);
        match made {
            Ok(()) => match folder[..end].rsplit_once('/') {
                Some((above, _)) => sync_folder(&root.open_dir(above)?)?,
                None => sync_folder(root)?,
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    root.open_dir(folder)
}

/// A name in a folder is durable once the folder is.
pub(super) fn sync_folder(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}
