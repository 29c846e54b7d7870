//! Answers: what a refusal of each part of the node is on the wire, and streams that end as the node agent does.

use aion_abi::{code::Code, problem::Problem};
use aion_drivers::files::MountError;
pub(super) use aion_serve::Refused;
use axum::response::Response;
use futures::{Stream, StreamExt};
use serde::Serialize;

use super::Leaving;
use crate::{
    instances::folder::FolderError,
    keys::KeyError,
    mounts::MappingError,
    turns::{AskError, UploadError},
};

impl From<AskError> for Refused {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Problem(problem) => Self(problem),
            AskError::Upload(error) => error.into(),
        }
    }
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        let (code, remedy) = match &error {
            UploadError::Name(_) => (Code::BadRequest, "give the file a plain name"),
            UploadError::TooLarge(_) => (Code::TooLarge, "map its folder as a mount instead"),
            UploadError::NoRoom(_) => (
                Code::Overloaded,
                "ask with what was uploaded, or wait: it is erased after an hour",
            ),
            UploadError::Unknown(_) => (Code::NotFound, "upload the file again"),
            UploadError::Twice(_) => (Code::BadRequest, "give the files different names"),
            UploadError::Broken(_) => (Code::BadRequest, "upload the file again"),
            UploadError::Io(io) if aion_journal::is_full(io) => (
                Code::StorageFull,
                "free space on the node's state directory",
            ),
            UploadError::Io(_) => (
                Code::Internal,
                "see whether the node's state directory can be written, then upload again",
            ),
        };
        Self(Problem::new(code, error.to_string()).remedy(remedy))
    }
}

impl From<MappingError> for Refused {
    fn from(error: MappingError) -> Self {
        let code = match &error {
            MappingError::Folder(MountError::Closed { .. }) => Code::Denied,
            MappingError::Name(_) | MappingError::Folder(_) => Code::BadRequest,
            MappingError::Unknown(_) => Code::NotFound,
            MappingError::Io { .. } => Code::Internal,
        };
        let remedy = match &error {
            MappingError::Name(_) => "give the mount a plain name, such as notes".to_owned(),
            MappingError::Folder(folder) => folder.remedy(),
            MappingError::Unknown(_) => "list the mappings: aionctl mount list".to_owned(),
            MappingError::Io { .. } => {
                "see whether the file can be written, then try again".to_owned()
            }
        };
        Self(Problem::new(code, error.to_string()).remedy(remedy))
    }
}

impl From<KeyError> for Refused {
    fn from(error: KeyError) -> Self {
        let said = error.to_string();
        match error {
            KeyError::Refused(problem) => Self(problem),
            KeyError::Io { source, .. } if aion_journal::is_full(&source) => {
                Self(Problem::new(Code::StorageFull, said))
            }
            KeyError::Io { .. } => Self(
                Problem::new(Code::Internal, said)
                    .remedy("see whether the file can be written, then try again"),
            ),
        }
    }
}

impl From<FolderError> for Refused {
    fn from(error: FolderError) -> Self {
        let code = match &error {
            FolderError::Io { source, .. } if aion_journal::is_full(source) => Code::StorageFull,
            FolderError::Io { .. } | FolderError::Form { .. } => Code::Internal,
            FolderError::Shared { .. } => Code::AlreadyExists,
        };
        let remedy = match &error {
            FolderError::Shared { .. } => {
                "edit the file that it is in, or split it into one file an object"
            }
            _ if code == Code::StorageFull => "free space on the disk, then do it again",
            _ => "see whether this folder can be written, then do it again",
        };
        Self(Problem::new(code, error.to_string()).remedy(remedy))
    }
}

pub(super) fn stopped() -> Refused {
    Refused::internal("the kernel has stopped")
}

/// A stream of JSON values as server-sent events. It ends as the node agent does, where nothing ends it before.
pub(super) fn events<T: Serialize>(
    values: impl Stream<Item = T> + Send + 'static,
    leaving: &Leaving,
) -> Response {
    aion_serve::events(values.take_until(leaving.closing()))
}
