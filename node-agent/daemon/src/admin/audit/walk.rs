//! The walk back through the journal, a segment at a time: which calls the wanted turns made, and how each ended.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use aion_abi::audit::Place;
use aion_journal::{JournalError, Lsn, facts, segments};
use aion_kernel::{CallId, Fact, Kind, Millis, Name, Outcome, Refusal, TurnId};

/// A call that was made.
#[derive(Debug)]
pub(super) struct Made {
    place: Place,
    pub(super) call: CallId,
    pub(super) turn: TurnId,
    pub(super) kind: Kind,
    pub(super) target: Option<Name>,
    pub(super) at: Millis,
    pub(super) found: Found,
}

/// What the journal says of it.
#[derive(Debug)]
pub(super) enum Found {
    Refused(Refusal),
    /// The kernel itself did it.
    Served,
    /// Its driver was started; and how that ended, where it did.
    Started(Option<Ended>),
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) tokens: u64,
    pub(super) at: Millis,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Walked {
    /// Newest first.
    pub(super) calls: Vec<Made>,
    /// Where there may be older ones.
    pub(super) next: Option<Place>,
}

/// The newest calls of these turns that stand before a place, as many as `limit`, in one segment; in the newest two where the
/// walk begins, since the current one may just have been begun. Blocks on the disk.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) fn back(
    dir: &Path,
    turns: &BTreeSet<TurnId>,
    before: Option<Place>,
    limit: usize,
) -> Result<Walked, JournalError> {
    let mut walked = Walked {
        calls: Vec::new(),
        next: None,
    };
    let Some(oldest) = turns.first() else {
        return Ok(walked);
    };
    let stands_before = |place: Place| before.is_none_or(|before| place < before);
    let all = segments(dir)?;
    let at = all.iter().position(|base| stands_before(first(*base)));
    let Some(at) = at else {
        return Ok(walked);
    };
    // A call may end in a later segment than it begins in.
    let mut ends = HashMap::new();
    if let Some(newer) = at.checked_sub(1).and_then(|newer| all.get(newer)) {
        read(dir, *newer, turns, &mut ends)?;
    }
    let most = if before.is_none() { 2 } else { 1 };
    for base in all.iter().skip(at).take(most) {
        let Segment { mut calls, queued } = read(dir, *base, turns, &mut ends)?;
        calls.retain(|it| stands_before(it.place));
        walked.calls.extend(calls.into_iter().rev());
        let is_last = queued.contains(oldest) || Some(base) == all.last();
        walked.next = (!is_last).then_some(first(*base));
        if walked.calls.len() > limit {
            walked.calls.truncate(limit);
            walked.next = walked.calls.last().map(|it| it.place);
        }
        if is_last || walked.calls.len() >= limit {
            break;
        }
    }
    Ok(walked)
}

/// What stands before everything in a segment.
fn first(base: Lsn) -> Place {
    Place {
        batch: base.0,
        fact: 0,
    }
}

/// What one segment has of the turns.
struct Segment {
    /// Oldest first.
    calls: Vec<Made>,
    /// The turns that began in it: their calls all stand behind.
    queued: BTreeSet<TurnId>,
}

/// Reads a segment. `ends` has what ended in the segment after it, and then what ended in this one without having begun here.
fn read(
    dir: &Path,
    base: Lsn,
    turns: &BTreeSet<TurnId>,
    ends: &mut HashMap<CallId, Ended>,
) -> Result<Segment, JournalError> {
    let (mut calls, mut queued): (Vec<Made>, _) = (Vec::new(), BTreeSet::new());
    let (mut begun, mut later) = (HashMap::new(), HashMap::new());
    facts(dir, base, |batch, fact, line| {
        let place = Place {
            batch: batch.0,
            fact,
        };
        let Some(fact) = parsed(line) else {
            return;
        };
        match fact {
            Fact::TurnQueued { turn, .. } if turns.contains(&turn) => {
                queued.insert(turn);
            }
            Fact::CallEnded {
                call,
                outcome,
                usage,
                at,
            } => {
                let ended = Ended {
                    outcome,
                    tokens: usage.total(),
                    at,
                };
                match begun.remove(&call).and_then(|at: usize| calls.get_mut(at)) {
                    Some(made) => made.found = Found::Started(Some(ended)),
                    None => {
                        later.insert(call, ended);
                    }
                }
            }
            fact => {
                if let Some(made) = made(place, fact, turns) {
                    if matches!(made.found, Found::Started(_)) {
                        begun.insert(made.call, calls.len());
                    }
                    calls.push(made);
                }
            }
        }
    })?;
    for (call, at) in begun {
        if let (Some(ended), Some(made)) = (ends.remove(&call), calls.get_mut(at)) {
            made.found = Found::Started(Some(ended));
        }
    }
    *ends = later;
    Ok(Segment { calls, queued })
}

/// The fact, where it is one of those that are looked at. Most are told by their beginning.
fn parsed(line: &[u8]) -> Option<Fact> {
    let is_wanted = [&br#"{"fact":"call-"#[..], br#"{"fact":"turn-queued"#];
    let is_wanted = is_wanted.iter().any(|it| line.starts_with(it));
    is_wanted
        .then(|| serde_json::from_slice(line).ok())
        .flatten()
}

fn made(place: Place, fact: Fact, turns: &BTreeSet<TurnId>) -> Option<Made> {
    let (call, turn, kind, target, at, found) = match fact {
        Fact::CallStarted {
            call,
            turn,
            kind,
            target,
            at,
            ..
        } => (call, turn, kind, target, at, Found::Started(None)),
        Fact::CallServed {
            call,
            turn,
            kind,
            at,
            ..
        } => (call, turn, kind, None, at, Found::Served),
        Fact::CallRefused {
            call,
            turn,
            kind,
            target,
            refusal,
            at,
        } => (call, turn, kind, target, at, Found::Refused(refusal)),
        _ => return None,
    };
    turns.contains(&turn).then_some(Made {
        place,
        call,
        turn,
        kind,
        target,
        at,
        found,
    })
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
