//! The journal: the facts of the kernel and the bodies they refer to, kept on disk.
//!
//! Append-only *segments* named by the position of their first byte, a *snapshot* of the kernel from time
//! to time, and a *mark* that says how far the disk is known to hold. One owner appends (the shell, one
//! `write` a batch), one thread syncs (group commit), nobody else writes; a lock file keeps a second
//! daemon out. Room is allocated a segment ahead, so that a full disk is seen before work is taken on and
//! not in the middle of it.
//!
//! What may not enter: what a fact means. Bytes go in and come out; folding them is the kernel's.
//! `docs/adr/0003-journal.md` says why this is not a crate and how recovery judges damage.

mod commit;
mod disk;
mod dump;
mod error;
mod frame;
mod mark;
mod open;
mod segment;
mod snapshot;
mod writer;

#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

pub use dump::{Entry, dump};
pub(crate) use error::is_full;
pub use error::{AppendError, JournalError};
pub use open::{Options, Recovered, Report, open};
pub use writer::{Batch, Durable, Journal, SnapshotWriter};

use std::fmt;

/// A position in the journal: bytes since its beginning, over all segments that ever were.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
