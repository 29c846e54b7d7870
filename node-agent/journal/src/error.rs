//! What can go wrong with a journal, and what a person can do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::Lsn;

/// Why a journal cannot be opened, read or kept.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another daemon has it.
    #[error(
        "journal {dir} is in use by another aion-node: stop that one first, or give this one another --home"
    )]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// Bytes that were safely on disk are not what was written.
    #[error(
        "journal is damaged at byte {offset} of {file} ({what}), and what follows it had been acknowledged: \
         restore the directory from a backup, or move it away to begin with empty state"
    )]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Byte within it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Segments that follow one another do not join.
    #[error(
        "journal lacks the bytes from {from} to {to} ({file} is missing or was cut): restore the directory \
         from a backup, or move it away to begin with empty state"
    )]
    Gap {
        /// Where it breaks off.
        from: Lsn,
        /// Where it goes on.
        to: Lsn,
        /// The segment whose bytes are missing.
        file: PathBuf,
    },
    /// Written by a newer build.
    #[error(
        "{file} has journal format {found}, this build reads up to {known}: start the newer build"
    )]
    NewerFormat {
        /// The segment or snapshot.
        file: PathBuf,
        /// In the file.
        found: u32,
        /// Of this build.
        known: u32,
    },
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

impl JournalError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Why a batch was not appended. Nothing of it is in the journal.
#[derive(Debug, Error)]
pub enum AppendError {
    /// There is no room, on the disk or within the journal's own bound; the same batch may be tried again.
    #[error("no room for the journal in {dir}: {why}")]
    Full {
        /// The journal's directory.
        dir: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// The disk failed. What was written since the last sync may be lost, so nothing more is written.
    #[error("cannot write {path}: {why}; check the disk, then start the daemon again")]
    Failed {
        /// The segment.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
}

/// Whether an error says that space ran out.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
