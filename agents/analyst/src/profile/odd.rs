//! Cells that are not what their column is.

use crate::csvfile::Place;

/// Bytes of a value kept as it is.
const MAX_LABEL: usize = 200;

/// How many cells there are, where the first is and what it says.
#[derive(Clone, Debug, Default)]
pub struct Odd {
    /// How many, and where the first is.
    pub place: Place,
    /// What the first says.
    pub text: String,
}

impl Odd {
    /// How many there are.
    #[inline]
    pub fn count(&self) -> u64 {
        self.place.count
    }

    #[inline]
    pub(super) fn note(&mut self, text: &[u8], line: u64) {
        self.place.count += 1;
        if self.place.count == 1 {
            self.first(text, line);
        }
    }

    #[cold]
    fn first(&mut self, text: &[u8], line: u64) {
        (self.text, self.place.line) = (clip(text), line);
    }

    /// Adds what another has counted; the earlier place stays.
    pub(super) fn join(&mut self, other: &Self) {
        if other.count() > 0 && (self.count() == 0 || other.place.line < self.place.line) {
            self.place.line = other.place.line;
            self.text.clone_from(&other.text);
        }
        self.place.count += other.place.count;
    }
}

/// A text of its own, cut off where it is long.
pub(super) fn clip(text: &[u8]) -> String {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if text.len() <= MAX_LABEL {
        return text.into();
    }
    let (begin, _) = text.split_at(text.floor_char_boundary(MAX_LABEL));
    format!("{begin}…")
}
