//! Idempotency keys of one instance: a retry joins the call in flight or gets its
//! recorded outcome, and never runs twice.
//!
//! Kept: the keys of calls in flight (as many as run: slots bound them), and the last [`KEPT`] that ended within
//! [`KEPT_MS`], with answers of [`KEPT_BYTES`] together, and [`ALL_KEPT_BYTES`] of all instances. What a key that was
//! let go of names is run again. An instance that uses no keys has no table.
//!
//! What a turn says (`agent.message`) is kept apart, the last [`SAID`]: it is many, a retry comes at once, and a turn
//! that runs again says it again.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    body::BodyDigest,
    ids::{CallId, Millis, TurnId},
    name::IdempotencyKey,
    outcome::Outcome,
    syscall::{Class, Kind},
};

/// Ended keys kept per instance.
pub(crate) const KEPT: usize = 256;
/// Of the messages that a turn says.
pub(crate) const SAID: usize = 32;
/// How long an ended key is kept, in milliseconds: a day.
pub(crate) const KEPT_MS: u64 = 24 * 3_600_000;

/// Bytes of the answers kept per instance; the newest is kept though it is larger.
pub(crate) const KEPT_BYTES: u64 = 8 << 20;
/// The same of all instances: the journal has to hold them, beside everything else.
pub(crate) const ALL_KEPT_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyTable {
    entries: BTreeMap<IdempotencyKey, Entry>,
    /// Keys that ended, in the order they did.
    ended: VecDeque<IdempotencyKey>,
    /// The same of messages.
    #[serde(default)]
    said: VecDeque<IdempotencyKey>,
    /// Keys of turns that are to run again, until they do: they do not age, and no other turn pushes them out.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    parked: VecDeque<IdempotencyKey>,
    /// Of the answers of those that ended.
    #[serde(skip)]
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    call: CallId,
    kind: Kind,
    digest: BodyDigest,
    /// `None` while in flight.
    ended: Option<Ended>,
    /// Its turn runs again since: what may be done a second time is not kept when it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    at: Millis,
    outcome: Outcome,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// Nothing: run.
    New,
    /// Another request has it.
    Mismatch(CallId),
    /// The same request is in flight: join it.
    InFlight(CallId),
    /// The same request ended so.
    Ended(CallId, &'a Outcome),
}

impl KeyTable {
    pub(crate) fn lookup(
        &self,
        key: &IdempotencyKey,
        kind: Kind,
        digest: BodyDigest,
        now: Millis,
    ) -> Lookup<'_> {
        match self.entries.get(key) {
            None => Lookup::New,
            Some(entry) if entry.is_expired(now) => Lookup::New,
            Some(entry) if (entry.kind, entry.digest) != (kind, digest) => {
                Lookup::Mismatch(entry.call)
            }
            Some(Entry {
                call, ended: None, ..
            }) => Lookup::InFlight(*call),
            Some(Entry {
                call,
                ended: Some(ended),
                ..
            }) => Lookup::Ended(*call, &ended.outcome),
        }
    }

    pub(crate) fn begin(
        &mut self,
        key: IdempotencyKey,
        call: CallId,
        kind: Kind,
        digest: BodyDigest,
    ) {
        let entry = Entry {
            call,
            kind,
            digest,
            ended: None,
            anew: false,
        };
        if let Some(old) = self.entries.insert(key.clone(), entry)
            && old.ended.is_some()
        {
            self.bytes -= old.bytes();
            self.queue(old.kind).retain(|other| *other != key);
            self.parked.retain(|other| *other != key);
        }
    }

    /// Gives the keys that are let go of for it, but for those of messages.
    pub(crate) fn end(
        &mut self,
        key: &IdempotencyKey,
        call: CallId,
        outcome: &Outcome,
        at: Millis,
    ) -> Vec<IdempotencyKey> {
        let mut gone = Vec::new();
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.call == call) else {
            return gone;
        };
        let kind = entry.kind;
        // What changed nothing, and what was perhaps said: the same again is a new call.
        let free = match outcome {
            Outcome::Interrupted => true,
            Outcome::Unknown => kind == Kind::AgentMessage,
            _ => false,
        };
        if free {
            self.entries.remove(key);
            return gone;
        }
        entry.ended = Some(Ended {
            at,
            outcome: outcome.clone(),
        });
        if entry.anew && entry.may_run_again() {
            self.entries.remove(key);
            return gone;
        }
        self.bytes += entry.bytes();
        self.queue(kind).push_back(key.clone());
        while self.said.len() > SAID {
            if let Some(oldest) = self.said.pop_front() {
                self.forget(&oldest);
            }
        }
        while let Some(oldest) = self.ended.front() {
            let expired = self
                .entries
                .get(oldest)
                .is_none_or(|entry| entry.is_expired(at));
            let too_much = self.bytes > KEPT_BYTES && self.ended.len() > 1;
            if !expired && !too_much && self.ended.len() <= KEPT {
                break;
            }
            gone.extend(self.let_go());
        }
        gone
    }

    /// Forgets the key that ended longest ago, a message's where there is no other, and last those of turns that wait
    /// to run again; gives it.
    pub(crate) fn let_go(&mut self) -> Option<IdempotencyKey> {
        let oldest = self.ended.pop_front();
        let oldest = oldest.or_else(|| self.said.pop_front());
        let oldest = oldest.or_else(|| self.parked.pop_front())?;
        self.forget(&oldest);
        Some(oldest)
    }

    /// A turn runs again from its start. Its keys of what may be done a second time are free: messages, completions of
    /// which nobody knows the end, and what was stopped before anything was done.
    pub(crate) fn free_for(&mut self, turn: TurnId) {
        let mut free = Vec::new();
        for (key, entry) in &mut self.entries {
            if key.is_step_of(turn) {
                entry.anew = entry.ended.is_none();
                free.extend(entry.may_run_again().then(|| key.clone()));
            }
        }
        for key in free {
            self.forget(&key);
            self.ended.retain(|other| *other != key);
            self.said.retain(|other| *other != key);
            self.parked.retain(|other| *other != key);
        }
    }

    /// A turn waits to run again: what it did is kept until it does.
    pub(crate) fn park(&mut self, turn: TurnId) {
        let (own, others) = std::mem::take(&mut self.ended)
            .into_iter()
            .partition(|key| key.is_step_of(turn));
        self.ended = others;
        let mut own: VecDeque<_> = own;
        self.parked.append(&mut own);
    }

    /// It waits no longer: its keys are as if they had ended now.
    pub(crate) fn unpark(&mut self, turn: TurnId, at: Millis) {
        if self.parked.is_empty() {
            return;
        }
        let (own, others): (VecDeque<_>, _) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|key| key.is_step_of(turn));
        self.parked = others;
        for key in own {
            if let Some(ended) = self.entries.get_mut(&key).and_then(|it| it.ended.as_mut()) {
                ended.at = at;
                self.ended.push_back(key);
            }
        }
    }

    fn forget(&mut self, key: &IdempotencyKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes();
        }
    }

    fn queue(&mut self, kind: Kind) -> &mut VecDeque<IdempotencyKey> {
        match kind {
            Kind::AgentMessage => &mut self.said,
            _ => &mut self.ended,
        }
    }

    /// Bytes of the answers that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// After it was read from a snapshot.
    pub(crate) fn recount(&mut self) {
        self.bytes = self.entries.values().map(Entry::bytes).sum();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bodies of the outcomes that are kept.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = BodyDigest> {
        self.entries
            .values()
            .filter_map(|entry| match &entry.ended.as_ref()?.outcome {
                Outcome::Ok { body } => body.as_ref().map(|body| body.digest),
                _ => None,
            })
    }
}

impl Entry {
    fn bytes(&self) -> u64 {
        match self.ended.as_ref().map(|ended| &ended.outcome) {
            Some(Outcome::Ok { body: Some(body) }) => body.size,
            _ => 0,
        }
    }

    fn may_run_again(&self) -> bool {
        match self.ended.as_ref().map(|ended| &ended.outcome) {
            Some(Outcome::Cancelled { .. } | Outcome::DeadlineExceeded) => true,
            Some(Outcome::Unknown) => {
                self.kind.class() == Class::Cost || self.kind == Kind::AgentMessage
            }
            Some(_) => self.kind == Kind::AgentMessage,
            None => false,
        }
    }

    fn is_expired(&self, now: Millis) -> bool {
        self.ended
            .as_ref()
            .is_some_and(|ended| now.since(ended.at) > KEPT_MS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DIGEST: BodyDigest = BodyDigest([1; 32]);
    const OK: Outcome = Outcome::Ok { body: None };

    fn key(n: usize) -> IdempotencyKey {
        IdempotencyKey::new(&format!("k{n}")).unwrap()
    }

    #[test]
    fn what_was_perhaps_said_is_said_again() {
        let at = Millis(5);
        let after = |kind| {
            let mut table = KeyTable::default();
            table.begin(key(1), CallId(7), kind, DIGEST);
            table.end(&key(1), CallId(7), &Outcome::Unknown, at);
            table.lookup(&key(1), kind, DIGEST, at) == Lookup::New
        };
        assert!(after(Kind::AgentMessage));
        assert!(!after(Kind::MemoryRemember), "it may have happened");
    }

    #[test]
    fn a_retry_joins_then_gets_the_outcome() {
        let mut table = KeyTable::default();
        let at = Millis(5);
        assert_eq!(
            table.lookup(&key(1), Kind::FsWrite, DIGEST, at),
            Lookup::New
        );
        table.begin(key(1), CallId(9), Kind::FsWrite, DIGEST);
        assert_eq!(
            table.lookup(&key(1), Kind::FsWrite, DIGEST, at),
            Lookup::InFlight(CallId(9))
        );
        table.end(&key(1), CallId(9), &OK, at);
        assert_eq!(
            table.lookup(&key(1), Kind::FsWrite, DIGEST, at),
            Lookup::Ended(CallId(9), &OK)
        );
    }

    #[test]
    fn another_request_under_the_same_key_is_told_so() {
        let mut table = KeyTable::default();
        table.begin(key(1), CallId(9), Kind::FsWrite, DIGEST);
        let other = BodyDigest([2; 32]);
        let mismatch = Lookup::Mismatch(CallId(9));
        assert_eq!(
            table.lookup(&key(1), Kind::FsWrite, other, Millis(5)),
            mismatch
        );
        assert_eq!(
            table.lookup(&key(1), Kind::FsRead, DIGEST, Millis(5)),
            mismatch
        );
    }

    #[test]
    fn an_interrupted_call_frees_its_key() {
        let mut table = KeyTable::default();
        table.begin(key(1), CallId(9), Kind::FsRead, DIGEST);
        table.end(&key(1), CallId(9), &Outcome::Interrupted, Millis(5));
        assert_eq!(
            table.lookup(&key(1), Kind::FsRead, DIGEST, Millis(5)),
            Lookup::New
        );
        assert!(table.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_by_count_and_by_age() {
        let mut table = KeyTable::default();
        table.begin(key(9_999), CallId(1), Kind::FsWrite, DIGEST);
        for n in 0..KEPT + 10 {
            table.begin(key(n), CallId(n as u64 + 2), Kind::FsWrite, DIGEST);
            table.end(&key(n), CallId(n as u64 + 2), &OK, Millis(5));
        }
        assert_eq!(table.entries.len(), KEPT + 1, "the one in flight stays");
        assert_eq!(
            table.lookup(&key(9), Kind::FsWrite, DIGEST, Millis(5)),
            Lookup::New
        );
        let last = KEPT + 9;
        let late = Millis(6 + KEPT_MS);
        assert!(matches!(
            table.lookup(&key(last), Kind::FsWrite, DIGEST, Millis(5 + KEPT_MS)),
            Lookup::Ended(..)
        ));
        assert_eq!(
            table.lookup(&key(last), Kind::FsWrite, DIGEST, late),
            Lookup::New
        );
        table.begin(key(last), CallId(7_777), Kind::FsWrite, DIGEST);
        table.end(&key(last), CallId(7_777), &OK, late);
        assert_eq!(
            (table.entries.len(), table.ended.len()),
            (2, 1),
            "the old ones went"
        );
    }
}
