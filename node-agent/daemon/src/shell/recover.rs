//! Recovery: the newest snapshot, the facts behind it, folded; nothing is decided again.

use aion_journal::{self as journal, Journal, JournalError, Lsn, Report};
use aion_kernel::{ApplyError, BodyDigest, Fact, Kernel, Limits, NewerFormat, Snapshot};

use super::TurnEnd;

/// A kernel as the journal left it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The kernel; its first event is to be `Recovered`.
    pub kernel: Kernel,
    /// Its journal.
    pub journal: Journal,
    /// What recovery had to do, for the log.
    pub report: Report,
    /// Facts that were folded.
    pub facts: usize,
    /// The turns that ended behind the snapshot, by their input: what comes of an end may not have been done.
    pub ended: Vec<(BodyDigest, TurnEnd)>,
}

/// Why the state cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The files.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A snapshot that reads back whole and still is none.
    #[error("the snapshot at {at} cannot be read ({source}): start the build that wrote it")]
    Snapshot {
        /// Its position.
        at: Lsn,
        /// Why.
        source: serde_json::Error,
    },
    /// Written by a newer build.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// A fact that this build does not know.
    #[error(
        "fact number {number} of the journal cannot be read ({source}): start the build that wrote it: {text}"
    )]
    Fact {
        /// Counted from the snapshot.
        number: usize,
        /// Its beginning.
        text: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A fact that does not follow from those before it.
    #[error("fact number {number} of the journal does not follow from those before it: {source}")]
    Apply {
        /// Counted from the snapshot.
        number: usize,
        /// Why.
        source: ApplyError,
    },
}

/// Opens the journal and folds it.
///
/// # Errors
/// See [`RecoverError`]; nothing was changed but a torn tail cut off.
pub(crate) fn open(options: &journal::Options, limits: Limits) -> Result<Opened, RecoverError> {
    let (journal, recovered) = journal::open(options)?;
    let mut kernel = match &recovered.snapshot {
        None => Kernel::new(limits),
        Some((at, bytes)) => {
            let snapshot: Snapshot = serde_json::from_slice(bytes)
                .map_err(|source| RecoverError::Snapshot { at: *at, source })?;
            Kernel::restore(snapshot, limits)?
        }
    };
    let (mut number, mut ended) = (0, Vec::new());
    for frame in &recovered.facts {
        for line in frame
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            number += 1;
            let fact: Fact = serde_json::from_slice(line).map_err(|source| RecoverError::Fact {
                number,
                text: String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned(),
                source,
            })?;
            ended.extend(end(&kernel, &fact));
            kernel
                .apply(&fact)
                .map_err(|source| RecoverError::Apply { number, source })?;
        }
    }
    Ok(Opened {
        kernel,
        journal,
        report: recovered.report,
        facts: number,
        ended,
    })
}

/// The end of a turn, if the fact is one; the kernel still has the turn.
fn end(kernel: &Kernel, fact: &Fact) -> Option<(BodyDigest, TurnEnd)> {
    let Fact::TurnEnded { turn, outcome, at } = fact else {
        return None;
    };
    let row = kernel.state().turn(*turn)?;
    let end = TurnEnd {
        turn: *turn,
        outcome: outcome.clone(),
        usage: row.usage,
        calls: row.calls,
        at: *at,
    };
    Some((row.input.digest, end))
}
