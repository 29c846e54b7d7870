//! Files at any place.

use std::cell::RefCell;
use std::io;

use super::CHUNK;
use super::part::{Part, Source};
use crate::sheet::ReadAt;

/// Reads a file at any place, a chunk at a time, of which it keeps two: the parts of an archive are read from their
/// beginnings to their ends.
pub struct At {
    source: Source,
    held: RefCell<Held>,
}

/// The chunks: the one that was asked for last comes first.
#[derive(Default)]
struct Held {
    chunks: [(u64, Part); 2],
}

impl At {
    /// Reads nothing yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            held: RefCell::default(),
        }
    }
}

impl ReadAt for At {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut held = self.held.borrow_mut();
        let mut n = 0;
        while let Some(free) = into.get_mut(n..).filter(|free| !free.is_empty()) {
            let part = held.chunk(&self.source, offset + n as u64)?;
            let copied = part.len().min(free.len());
            if copied == 0 {
                break;
            }
            if let (Some(free), Some(part)) = (free.get_mut(..copied), part.get(..copied)) {
                free.copy_from_slice(part);
            }
            n += copied;
        }
        Ok(n)
    }
}

impl Held {
    /// What there is from an offset on; nothing at the end.
    fn chunk(&mut self, source: &Source, offset: u64) -> io::Result<&[u8]> {
        let holds =
            |(from, part): &(u64, Part)| (*from..*from + part.data.len() as u64).contains(&offset);
        if !holds(&self.chunks[0]) {
            self.chunks.swap(0, 1);
        }
        if !holds(&self.chunks[0]) {
            let begin = offset - offset % CHUNK as u64;
            let [(from, part), _] = &mut self.chunks;
            *from = begin;
            source.read(part, begin)?;
        }
        let (from, part) = &self.chunks[0];
        let skip = usize::try_from(offset - from).unwrap_or(usize::MAX);
        Ok(part.data.get(skip..).unwrap_or_default())
    }
}
