//! What goes wrong with memory.

use std::io;

use aion_abi::{code::Code, problem::Problem};

use super::bounds::OutOfBounds;

/// Why a memory syscall was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemoryError {
    #[error("{0}")]
    Bound(#[from] OutOfBounds),
    #[error("memory pool {pool} is full: it would hold {would} of {most} {what}")]
    Quota {
        pool: String,
        what: &'static str,
        would: u64,
        most: u64,
    },
    #[error("{0} is no name of a tenant, pool or agent")]
    Name(String),
    #[error("the disk that holds memory pool {0} is full")]
    Full(String),
    #[error(
        "memory pool {pool} is damaged: {file} is no longer a database that can be read ({why})"
    )]
    Corrupt {
        pool: String,
        file: String,
        why: String,
    },
    #[error(
        "memory pool {pool} was written by a newer AION-OS: {file} has format {found}, this one knows {known}"
    )]
    Newer {
        pool: String,
        file: String,
        found: i64,
        known: i64,
    },
    #[error("memory pool {0} is busy with another call")]
    Busy(String),
    #[error("{file} of memory pool {pool} cannot be used: {why}")]
    Unusable {
        pool: String,
        file: String,
        why: String,
    },
    #[error("memory pool {pool} could not be erased: {source}")]
    NotErased { pool: String, source: io::Error },
    #[error("memory pool {pool}: {why}")]
    Internal { pool: String, why: String },
}

impl From<MemoryError> for Problem {
    fn from(error: MemoryError) -> Self {
        let text = error.to_string();
        match error {
            MemoryError::Bound(_) | MemoryError::Name(_) => Problem::new(Code::BadRequest, text),
            MemoryError::Quota { .. } => Problem::new(Code::QuotaExceeded, text)
                .remedy("forget what is no longer needed, or raise spec.quotaMiB of the MemoryPool"),
            MemoryError::Full(_) => Problem::new(Code::StorageFull, text),
            MemoryError::Corrupt { file, .. } => Problem::new(Code::Internal, text).remedy(format!(
                "stop the node, move {file} with its -wal and -shm away or put a backup in its place, then start the node: without one the pool begins empty"
            )),
            MemoryError::Newer { .. } => {
                Problem::new(Code::Internal, text).remedy("run the newer AION-OS on this node, or put a backup of the older format back")
            }
            MemoryError::Busy(_) => Problem::new(Code::Overloaded, text).retry_after_ms(1000),
            MemoryError::Unusable { .. } => {
                Problem::new(Code::Internal, text).remedy("let the node's user read and write its state directory")
            }
            MemoryError::NotErased { .. } => {
                Problem::new(Code::Internal, text).remedy("mend the disk or its rights, then erase again")
            }
            MemoryError::Internal { .. } => Problem::new(Code::Internal, text),
        }
    }
}
