//! The journal: the facts of the kernel and the bodies they refer to, kept on disk.
//!
//! Append-only *segments* named by the position of their first byte, a *snapshot* of the kernel from time
//! to time, and a *mark* that says how far the disk is known to hold. One owner appends (the shell, one
//! `write` a batch), one thread syncs (group commit), nobody else writes; a lock file keeps a second
//! daemon out. Room is allocated a segment ahead, so that a full disk is seen before work is taken on and
//! not in the middle of it.
//!
//! What may not enter: what a fact means. Bytes go in and come out; folding them is the kernel's.
//! `docs/adr/0003-journal.md` says why this is our own and how recovery judges damage.

#![forbid(unsafe_code)]

mod commit;
mod disk;
mod dump;
mod error;
mod found;
mod frame;
mod lsn;
mod mark;
mod open;
mod past;
mod segment;
mod snapshot;
mod writer;

#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

pub use dump::{Entry, dump};
pub use error::{AppendError, JournalError, is_full};
pub use found::FoundBody;
pub use lsn::Lsn;
pub use open::{Options, Recovered, Report, open};
pub use past::{Reached, facts, segments};
pub use writer::{Batch, Durable, Journal, SnapshotWriter};
