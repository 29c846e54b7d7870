//! How many different values a column has, and how often each occurs while they are few.

use super::odd::clip;
use crate::word;

/// Distinct values counted for one column.
const MAX_DISTINCT: usize = 100_000;
/// Distinct values whose frequencies are kept.
const MAX_TOP: usize = 1_000;
const TOP_SHOWN: usize = 10;
/// All columns together; a table of very many counts fewer in each.
const ALL_DISTINCT: usize = 4_000_000;
const ALL_TOP: usize = 100_000;

/// A value and how often it occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frequency {
    /// The value.
    pub value: String,
    /// How often it occurs.
    pub count: u64,
}

/// Counts the distinct values of one column, by open addressing with linear probing in tables of a power of two; a hash
/// of zero is an empty place.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) distinct: usize,
    /// There are more than that.
    pub(super) capped: bool,
    most: usize,
    top: usize,
    hashes: Vec<u64>,
    /// While there are few: what has the hash in the same place. Empty afterwards.
    few: Vec<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    label: String,
    count: u64,
    /// It is no number, date, time or truth value: nothing but text.
    dull: bool,
}

impl Tally {
    /// Counts for one of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        let columns = columns.max(1);
        Self {
            distinct: 0,
            capped: false,
            most: MAX_DISTINCT.min(ALL_DISTINCT / columns),
            top: MAX_TOP.min(ALL_TOP / columns),
            hashes: vec![0; 64],
            few: vec![Known::default(); 64],
        }
    }

    /// Counts one value. It gives its hash, and says whether the value was met before and is dull.
    #[inline]
    pub(super) fn add(&mut self, text: &[u8]) -> (u64, bool) {
        if self.capped {
            return (0, false);
        }
        let hash = word::hash(text);
        let at = self.place(hash);
        if self.hashes.get(at) != Some(&hash) {
            self.enter(hash, text);
            return (hash, false);
        }
        // 64 bits: among a hundred thousand values two share a hash once in four billion files.
        match self.few.get_mut(at) {
            Some(known) => {
                known.count += 1;
                (hash, known.dull)
            }
            None => (hash, false),
        }
    }

    /// Counts a value that was counted before, by its hash.
    #[inline]
    pub(super) fn again(&mut self, hash: u64) {
        if !self.few.is_empty() {
            let at = self.place(hash);
            if let Some(known) = self.few.get_mut(at) {
                known.count += 1;
            }
        }
    }

    /// Makes a place for a new value.
    #[cold]
    fn enter(&mut self, hash: u64, text: &[u8]) {
        self.capped |= self.distinct == self.most;
        if self.capped || self.distinct == self.top {
            self.few = Vec::new();
        }
        if self.capped {
            return;
        }
        self.distinct += 1;
        if 2 * self.distinct > self.hashes.len() {
            self.grow();
        }
        let at = self.place(hash);
        if let Some(place) = self.hashes.get_mut(at) {
            *place = hash;
        }
        if let Some(known) = self.few.get_mut(at) {
            (known.label, known.count) = (clip(text), 1);
        }
    }

    /// Notes that a value is dull.
    pub(super) fn bore(&mut self, hash: u64) {
        let at = self.place(hash);
        if hash != 0
            && let Some(known) = self.few.get_mut(at)
        {
            known.dull = true;
        }
    }

    /// Where a hash is, or may be put.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let mask = self.hashes.len() - 1;
        let mut at = hash as usize & mask;
        while self
            .hashes
            .get(at)
            .is_some_and(|&other| other != 0 && other != hash)
        {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let size = 4 * self.hashes.len();
        let hashes = std::mem::replace(&mut self.hashes, vec![0; size]);
        let mut few = std::mem::take(&mut self.few);
        if !few.is_empty() {
            self.few = vec![Known::default(); size];
        }
        for (i, hash) in hashes
            .into_iter()
            .enumerate()
            .filter(|(_, hash)| *hash != 0)
        {
            let at = self.place(hash);
            if let Some(place) = self.hashes.get_mut(at) {
                *place = hash;
            }
            if let (Some(known), Some(old)) = (self.few.get_mut(at), few.get_mut(i)) {
                *known = std::mem::take(old);
            }
        }
    }

    /// The most frequent values; none where there are too many to count each.
    pub(super) fn frequencies(&self) -> Vec<Frequency> {
        let mut all: Vec<&Known> = self.few.iter().filter(|known| known.count > 0).collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
        all.into_iter()
            .take(TOP_SHOWN)
            .map(|known| Frequency {
                value: known.label.clone(),
                count: known.count,
            })
            .collect()
    }
}
