//! A part that ends where it is too large, or has a tag or a text that is.

use std::io::{self, BufRead, Read};

use memchr::memrchr;

use super::refused;

/// How long one tag, or the text between two, may be.
const MAX_TOKEN: usize = 1 << 20;
/// How much is unpacked at once.
const BUFFER: usize = 32 << 10;

/// What is unpacked, within its bounds.
pub(super) struct Bounded {
    source: Box<dyn Read>,
    name: String,
    left: u64,
    /// How far behind the last beginning of a tag the reader is.
    token: usize,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Bounded {
    /// A part of at most so many bytes.
    pub(super) fn new(source: Box<dyn Read>, name: &str, most: u64) -> Self {
        Self {
            source,
            name: name.to_owned(),
            left: most,
            token: 0,
            buffer: vec![0; BUFFER],
            from: 0,
            to: 0,
        }
    }
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token > MAX_TOKEN {
            return refused(format!(
                "{} has a cell or a tag of more than {} KiB",
                self.name,
                MAX_TOKEN >> 10
            ));
        }
        if self.from == self.to {
            self.to = self.source.read(&mut self.buffer)?;
            self.from = 0;
            let Some(left) = self.left.checked_sub(self.to as u64) else {
                return refused(format!(
                    "{} is larger than this agent unpacks: save the sheet as CSV",
                    self.name
                ));
            };
            self.left = left;
        }
        Ok(self.buffer.get(self.from..self.to).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.to - self.from);
        let used = self
            .buffer
            .get(self.from..self.from + n)
            .unwrap_or_default();
        self.token = match memrchr(b'<', used) {
            Some(at) => n - at - 1,
            None => self.token + n,
        };
        self.from += n;
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.fill_buf()?;
        let n = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..n), rest.get(..n)) {
            into.copy_from_slice(rest);
        }
        self.consume(n);
        Ok(n)
    }
}
