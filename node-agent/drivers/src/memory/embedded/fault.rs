//! From SQLite's errors to what a caller can act on.

use rusqlite::{ErrorCode, ffi};

use super::{super::failure::MemoryError, place::Place};

/// What stopped work on an open pool: SQLite, or something already told.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Known(MemoryError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    pub(super) fn broken(place: &Place, why: impl Into<String>) -> Self {
        Self::Known(MemoryError::Internal {
            pool: place.pool.clone(),
            why: why.into(),
        })
    }

    /// Sorts an error by what can be done about it.
    pub(super) fn told(self, place: &Place) -> MemoryError {
        let error = match self {
            Self::Known(error) => return error,
            Self::Sql(error) => error,
        };
        let (pool, file) = (place.pool.clone(), place.shown.clone());
        let why = error.to_string();
        let cause = match &error {
            rusqlite::Error::SqliteFailure(cause, _) => cause,
            rusqlite::Error::IntegralValueOutOfRange(..) => {
                return MemoryError::Corrupt { pool, file, why };
            }
            _ => return MemoryError::Internal { pool, why },
        };
        match cause.code {
            ErrorCode::DiskFull => MemoryError::Full(pool),
            // On a full disk SQLite cannot make its shared index, which it only calls an IO error.
            _ if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => MemoryError::Full(pool),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if is_full(place) => {
                MemoryError::Full(pool)
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                MemoryError::Corrupt { pool, file, why }
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => MemoryError::Busy(pool),
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure => MemoryError::Unusable { pool, file, why },
            _ => MemoryError::Internal { pool, why },
        }
    }
}

/// A count or a time, which nothing of ours writes below zero.
pub(super) fn whole(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn is_full(place: &Place) -> bool {
    rustix::fs::statvfs(&place.database).is_ok_and(|disk| disk.f_bavail == 0)
}

/// The same for what goes wrong with folders and files themselves.
pub(super) fn told_io(place: &Place, error: &std::io::Error) -> MemoryError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => MemoryError::Full(place.pool.clone()),
        _ => MemoryError::Unusable {
            pool: place.pool.clone(),
            file: place.shown.clone(),
            why: error.to_string(),
        },
    }
}
