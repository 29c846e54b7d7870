//! Words that occur nowhere else, and looking for them in the raw bytes of a store.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fs, path::Path, sync::Arc};

use aion_abi::syscall::memory::Item;

use super::{
    super::{
        conformance::{clocks, item},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
};

pub(super) fn open(home: &Path) -> EmbeddedMemory {
    EmbeddedMemory::open(
        home,
        EmbeddedConfig::shipped(|_| ()),
        Arc::new(FakeEmbedder::default()),
        clocks,
    )
    .unwrap()
}

/// In the middle of every mark.
const TAG: &str = "qzvk";
const TAIL: usize = 13;

/// What follows the tag, wherever it occurs in a file below.
pub(super) struct Seen(HashSet<Vec<u8>>);

pub(super) fn raw(folder: &Path) -> Seen {
    let mut seen = HashSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen.extend(raw(&path).0);
            continue;
        }
        let bytes = fs::read(path).unwrap().to_ascii_lowercase();
        let tagged = bytes
            .windows(TAG.len() + TAIL)
            .filter(|window| window.starts_with(TAG.as_bytes()));
        seen.extend(tagged.map(|window| window[TAG.len()..].to_vec()));
    }
    Seen(seen)
}

/// A word that occurs nowhere else. The index keeps of it what it does not share with its neighbour, so it
/// is told by its end, after a tag that makes it quick to search for.
pub(super) struct Mark(pub(super) String);

impl Mark {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        Self(format!(
            "{:08x}{TAG}{:012x}7",
            random.u32(..),
            random.u64(..1 << 48)
        ))
    }

    pub(super) fn is_in(&self, seen: &Seen) -> bool {
        seen.0.contains(&self.0.as_bytes()[self.0.len() - TAIL..])
    }
}

/// Marks of an item: in its text, in capitals in its text, in its id, its attribute and its collection.
pub(super) fn marked(random: &mut fastrand::Rng) -> (Item, Vec<Mark>) {
    let marks: Vec<Mark> = (0..5).map(|_| Mark::new(random)).collect();
    let filler: String = (0..random.usize(0..600))
        .map(|n| if n % 7 == 0 { ' ' } else { 'e' })
        .collect();
    let text = format!(
        "{filler} {} and {} {filler}",
        marks[0].0,
        marks[1].0.to_uppercase()
    );
    let mut item = item(&marks[2].0, &text);
    item.attributes.insert("mark".into(), marks[3].0.clone());
    item.collection = marks[4].0.clone();
    (item, marks)
}
