//! The walk back through the journal, a segment at a time: which calls the wanted turns made, and how each ended.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
};

use aion_abi::audit::{Missing, Place};
use aion_journal::{JournalError, Lsn, facts, segments};
use aion_kernel::{CallId, Fact, Kind, Millis, Name, Outcome, Refusal, TurnId, Usage};

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

#[cfg(test)]
impl Made {
    /// A call of which this was found.
    pub(super) fn example(found: Found) -> Self {
        Self {
            place: first(Lsn(0)),
            call: CallId(1),
            turn: TurnId(1),
            kind: Kind::FsRead,
            target: None,
            at: Millis(100),
            found,
        }
    }
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
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Newest first, each with the number of its segment, from the newest on.
    pub(super) calls: Vec<(usize, Made)>,
    /// Where there may be older ones.
    pub(super) next: Option<Place>,
    /// Why there may be others.
    pub(super) missing: BTreeSet<Missing>,
}

/// How much of the journal an answer looks at, in bytes. A segment is read whole in any case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// For calls: another segment is read while they have not been.
    pub(super) back: u64,
    /// For how calls ended in segments behind the one that they began in.
    pub(super) on: u64,
}

/// Those of the node: what a segment has where nothing else is set, and for ends twice that.
pub(super) const BOUNDS: Bounds = Bounds {
    back: 32 << 20,
    on: 64 << 20,
};

/// A look at what some turns did.
pub(super) struct Walk<'a, F> {
    pub(super) dir: &'a Path,
    pub(super) turns: &'a BTreeSet<TurnId>,
    /// Whether a call without an end goes on, so that none is looked for.
    pub(super) goes_on: F,
    pub(super) bounds: Bounds,
}

impl<F: Fn(&Made) -> bool> Walk<'_, F> {
    /// The newest calls that stand before a place, as many as `limit`, as far as the bounds reach. Blocks on the disk.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub(super) fn back(&self, before: Option<Place>, limit: usize) -> Result<Walked, JournalError> {
        let mut walked = Walked::default();
        if self.turns.is_empty() {
            return Ok(walked);
        }
        let all = segments(self.dir)?;
        let begins_before = |base: &Lsn| before.is_none_or(|before| first(*base) < before);
        let newest = all.iter().position(begins_before).unwrap_or(all.len());
        let (mut looked, mut is_whole) = (0, false);
        for (at, base) in all.iter().enumerate().skip(newest) {
            let left = limit.saturating_sub(walked.calls.len());
            let segment = self.read(*base, before, left)?;
            looked += segment.bytes;
            // The newest is being written.
            if !segment.is_whole && at > 0 || segment.is_strange {
                walked.missing.insert(Missing::Unreadable);
            }
            let calls = segment.calls.into_iter().rev();
            walked.calls.extend(calls.map(|made| (at, made)));
            is_whole = segment.begins && !segment.is_cut;
            if segment.is_cut {
                walked.next = walked.calls.last().map(|(_, made)| made.place);
                break;
            }
            walked.next = (!is_whole && at + 1 < all.len()).then_some(first(*base));
            if walked.next.is_none() || walked.calls.len() >= limit || looked >= self.bounds.back {
                break;
            }
        }
        if !is_whole && walked.next.is_none() {
            walked.missing.insert(Missing::Older);
        }
        self.find_ends(&all, &mut walked)?;
        Ok(walked)
    }

    /// A call may end in a later segment than it begins in.
    fn find_ends(&self, all: &[Lsn], walked: &mut Walked) -> Result<(), JournalError> {
        let mut open: HashMap<CallId, &mut Made> = HashMap::new();
        let mut oldest = 0;
        for (at, made) in &mut walked.calls {
            if matches!(made.found, Found::Started(None)) && !(self.goes_on)(made) {
                oldest = *at;
                open.insert(made.call, made);
            }
        }
        let mut looked = 0;
        for (at, base) in all.iter().enumerate().take(oldest).rev() {
            if open.is_empty() || looked >= self.bounds.on {
                break;
            }
            let mut is_strange = false;
            let reached = facts(self.dir, *base, |_, _, line| match parsed(line) {
                Some(Ok(Fact::CallEnded {
                    call,
                    outcome,
                    usage,
                    at,
                })) => {
                    if let Some(made) = open.remove(&call) {
                        made.found = Found::Started(Some(Ended::of(outcome, &usage, at)));
                    }
                }
                Some(Err(_)) => is_strange = true,
                _ => {}
            })?;
            looked += reached.bytes;
            if !reached.is_whole && at > 0 || is_strange {
                walked.missing.insert(Missing::Unreadable);
            }
        }
        Ok(())
    }

    /// Reads a segment, and keeps the last of its calls that stand before a place.
    fn read(
        &self,
        base: Lsn,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Segment, JournalError> {
        let mut segment = Segment::default();
        // Where those are that have no end yet, counted from the first that was found.
        let (mut open, mut dropped) = (HashMap::new(), 0_usize);
        let oldest = self.turns.first();
        let reached = facts(self.dir, base, |batch, fact, line| {
            let place = Place {
                batch: batch.0,
                fact,
            };
            let fact = match parsed(line) {
                None => return,
                Some(Ok(fact)) => fact,
                Some(Err(_)) => {
                    segment.is_strange = true;
                    return;
                }
            };
            match fact {
                Fact::TurnQueued { turn, .. } => segment.begins |= oldest == Some(&turn),
                Fact::CallEnded {
                    call,
                    outcome,
                    usage,
                    at,
                } => {
                    let made = open.remove(&call);
                    let made = made.and_then(|it: usize| segment.calls.get_mut(it - dropped));
                    if let Some(made) = made {
                        made.found = Found::Started(Some(Ended::of(outcome, &usage, at)));
                    }
                }
                fact if before.is_none_or(|before| place < before) => {
                    let Some(made) = made(place, fact, self.turns) else {
                        return;
                    };
                    if segment.calls.len() == limit {
                        let oldest = segment.calls.pop_front();
                        oldest.and_then(|it| open.remove(&it.call));
                        dropped += 1;
                        segment.is_cut = true;
                    }
                    if matches!(made.found, Found::Started(_)) {
                        open.insert(made.call, dropped + segment.calls.len());
                    }
                    segment.calls.push_back(made);
                }
                _ => {}
            }
        })?;
        segment.bytes = reached.bytes;
        segment.is_whole = reached.is_whole;
        Ok(segment)
    }
}

/// What stands before everything in a segment.
fn first(base: Lsn) -> Place {
    Place {
        batch: base.0,
        fact: 0,
    }
}

/// What one segment has of the turns.
#[derive(Debug, Default)]
struct Segment {
    /// Oldest first.
    calls: VecDeque<Made>,
    /// There are older ones in it.
    is_cut: bool,
    /// The oldest of the turns began in it: all that they did stands behind.
    begins: bool,
    bytes: u64,
    is_whole: bool,
    /// A fact of it is none that this build knows.
    is_strange: bool,
}

impl Ended {
    fn of(outcome: Outcome, usage: &Usage, at: Millis) -> Self {
        Self {
            outcome,
            tokens: usage.total(),
            at,
        }
    }
}

/// The fact, where it is one of those that are looked at. Most are told by their beginning.
fn parsed(line: &[u8]) -> Option<Result<Fact, serde_json::Error>> {
    let is_wanted = [&br#"{"fact":"call-"#[..], br#"{"fact":"turn-queued"#];
    let is_wanted = is_wanted.iter().any(|it| line.starts_with(it));
    is_wanted.then(|| serde_json::from_slice(line))
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
