//! Reading part of a file, of one version where the caller names it.

use std::{fs::File, io, os::unix::fs::FileExt};

use aion_abi::{
    date::UnixMillis,
    syscall::fs::{MAX_CHUNK, ReadRequest, ReadResponse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::{
    failure::FilesError,
    folder::Mounted,
    path::RelativePath,
    version::{Version, now},
};

/// A read within its bounds.
pub(super) struct Asked {
    path: RelativePath,
    offset: u64,
    length: usize,
    version: Option<String>,
}

impl Asked {
    pub(super) fn check(request: &ReadRequest) -> Result<Self, FilesError> {
        if !(1..=MAX_CHUNK).contains(&request.length) {
            return Err(FilesError::Bound(format!(
                "length is {}, and must be 1 to {MAX_CHUNK}",
                request.length
            )));
        }
        Ok(Self {
            path: RelativePath::parse(&request.path)?,
            offset: request.offset,
            length: usize::try_from(request.length).unwrap_or(usize::MAX),
            version: request.version.clone(),
        })
    }
}

pub(super) fn read(mounted: &Mounted, asked: &Asked) -> Result<ReadResponse, FilesError> {
    let place = mounted.place(asked.path.as_str());
    let failed = |error| FilesError::from_io(&place, error);
    // Opening a device can already do something, so what it is comes first; the handle is asked again
    // below, since it may have been swapped in between.
    let seen = mounted.dir.metadata(asked.path.as_path()).map_err(failed)?;
    must_be_file(&seen, &place)?;
    let file = mounted
        .dir
        .open_with(
            asked.path.as_path(),
            OpenOptions::new()
                .read(true)
                .custom_flags(unblocking(OFlags::empty())),
        )
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    must_be_file(&metadata, &place)?;
    let file = file.into_std();
    let before = Version::of(&metadata);
    let bytes = read_at_most(&file, asked.offset, asked.length).map_err(failed)?;
    // The bytes are of one version only where it is the same at both ends of the reading.
    let after = Metadata::from_file(&file).map_err(failed)?;
    let after = Version::of(&after);
    if let Some(version) = &asked.version
        && (before.text() != version || after.text() != version)
    {
        return Err(FilesError::Changed(place));
    }
    Ok(ReadResponse {
        data: STANDARD.encode(bytes),
        size: metadata.len(),
        modified_ms: modified_ms(&metadata),
        fresh: after.is_fresh(now()) || before.text() != after.text(),
        version: before.into_text(),
    })
}

fn read_at_most(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    // The kernel refuses offsets past what a file can have; for a reader they are past the end.
    if i64::try_from(offset).is_err() {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; length];
    let mut have = 0;
    while have < length {
        match file.read_at(&mut bytes[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

pub(super) fn must_be_file(metadata: &Metadata, place: &str) -> Result<(), FilesError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(FilesError::IsFolder(place.to_owned()))
    } else if kind.is_symlink() {
        Err(FilesError::IsLink(place.to_owned()))
    } else {
        Err(FilesError::Special(place.to_owned()))
    }
}

/// Flags of every open: a fifo must not hold the thread, a terminal must not become the daemon's own.
pub(super) fn unblocking(more: OFlags) -> i32 {
    (OFlags::NONBLOCK | OFlags::NOCTTY | more)
        .bits()
        .cast_signed()
}

/// The last change; the epoch where the disk keeps no time, or one before the epoch.
pub(super) fn modified_ms(metadata: &Metadata) -> UnixMillis {
    let modified = metadata.modified().map(|time| time.into_std().into());
    modified.unwrap_or_default()
}
