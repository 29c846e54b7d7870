//! What goes wrong with files, told by mount and path; never by the machine's own path.

use std::io::{self, ErrorKind};

use aion_abi::{code::Code, problem::Problem};
use rustix::io::Errno;

use super::path::BadPath;

/// Why a file syscall was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error("{0}")]
    Path(#[from] BadPath),
    #[error("mount {0} is not mapped to a folder on this node")]
    UnknownMount(String),
    #[error("the folder that mount {0} is mapped to is not there")]
    MountGone(String),
    #[error("mount {0} is mapped to a folder that holds AION-OS's own state")]
    OwnState(String),
    #[error("mount {0} may only be read")]
    ReadOnly(String),
    #[error("{0} does not exist")]
    Missing(String),
    #[error("{0} is not what it was when an earlier part of it was read")]
    Changed(String),
    #[error("{0} exists already")]
    Exists(String),
    #[error("{0} is a folder")]
    IsFolder(String),
    #[error("{0} is not a folder")]
    NotFolder(String),
    #[error("{0} is a link")]
    IsLink(String),
    #[error("{0} is neither a file nor a folder")]
    Special(String),
    #[error("{0} leads outside its mount")]
    Outside(String),
    #[error("the node's user may not open {0}")]
    Forbidden(String),
    #[error("the disk under {0} is full")]
    Full(String),
    #[error("{place}: {why}")]
    Reserved { place: String, why: io::Error },
    #[error("{0}")]
    NoAllowance(String),
    #[error("{0}")]
    Bound(String),
    #[error("{0}")]
    TooMuch(String),
    #[error("{place}: {source}")]
    Io { place: String, source: io::Error },
}

impl FilesError {
    /// Sorts an error of the system by what a caller can do about it.
    pub(super) fn from_io(place: &str, error: io::Error) -> Self {
        let place = place.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::Missing(place),
            ErrorKind::AlreadyExists => Self::Exists(place),
            ErrorKind::IsADirectory => Self::IsFolder(place),
            ErrorKind::NotADirectory => Self::NotFolder(place),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full(place)
            }
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(place),
            // cap-std makes up this error itself, so it has no number of the system.
            ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::Outside(place),
            ErrorKind::PermissionDenied => Self::Forbidden(place),
            ErrorKind::InvalidFilename => {
                Self::Bound(format!("{place} has a name that is too long for its disk"))
            }
            _ => match Errno::from_io_error(&error) {
                // A fifo without a reader, a socket, a device that is not there.
                Some(Errno::NXIO | Errno::NODEV) => Self::Special(place),
                Some(Errno::LOOP) => Self::IsLink(place),
                Some(Errno::XDEV) => Self::Outside(place),
                _ => Self::Io {
                    place,
                    source: error,
                },
            },
        }
    }
}

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        let text = error.to_string();
        match error {
            FilesError::Path(_) => Problem::new(Code::BadRequest, text)
                .remedy("give a path relative to the mount, its parts separated by '/', without '.' and '..'"),
            FilesError::UnknownMount(mount) => Problem::new(Code::NotFound, text)
                .remedy(format!("map {mount} to a folder, or use a mount of the agent's permissions.files")),
            FilesError::MountGone(_) => {
                Problem::new(Code::NotFound, text).remedy("bring the folder or disk back, or map the mount again")
            }
            FilesError::OwnState(_) => Problem::new(Code::Denied, text).remedy("map the mount to another folder"),
            FilesError::ReadOnly(_) => Problem::new(Code::Denied, text)
                .remedy("map the mount writable and say mode: write in the agent's permissions.files"),
            FilesError::Missing(_) => Problem::new(Code::NotFound, text).remedy("list the folder to see what is there"),
            FilesError::Changed(_) => Problem::new(Code::Changed, text),
            FilesError::Exists(_) => Problem::new(Code::AlreadyExists, text),
            FilesError::IsFolder(_) => Problem::new(Code::BadRequest, text).remedy("name a file in it, or list it"),
            FilesError::NotFolder(_) => Problem::new(Code::BadRequest, text).remedy("name a folder, or read the file"),
            FilesError::IsLink(_) => Problem::new(Code::Denied, text).remedy("name the file that it leads to"),
            FilesError::Special(_) => {
                Problem::new(Code::Denied, text).remedy("devices, fifos and sockets are not opened: name a regular file")
            }
            FilesError::Outside(_) => {
                Problem::new(Code::Denied, text).remedy("a link there leads out of the mount: map the folder it leads to")
            }
            FilesError::Forbidden(_) => {
                Problem::new(Code::Denied, text).remedy("give the node's user the right to open it, or leave it out")
            }
            FilesError::Full(_) => {
                Problem::new(Code::StorageFull, text).remedy("free space on that disk, then write again: nothing was changed")
            }
            FilesError::Reserved { .. } => Problem::new(Code::StorageFull, text),
            FilesError::NoAllowance(_) => Problem::new(Code::TooLarge, text)
                .remedy("write less, or raise limits.outputMiB of the agent and quotas.outputMiB of its policies"),
            FilesError::Bound(_) => Problem::new(Code::BadRequest, text),
            FilesError::TooMuch(_) => Problem::new(Code::TooLarge, text).remedy("list a folder further down"),
            FilesError::Io { .. } => Problem::new(Code::Internal, text).remedy("see whether the disk is healthy, then retry"),
        }
    }
}
