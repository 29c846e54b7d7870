//! A file row by row. Empty lines and comments are passed over.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

use super::decode::{decode, repair};
use super::index::Index;
use super::parse::Parser;
use super::quick::{Found, quick};
use super::{Dialect, Place};

/// Bounds the memory of one row.
const MAX_ROW: usize = 4 << 20;
/// Bounds the width of a table; cells beyond it are counted only.
pub(super) const MAX_CELLS: usize = 2048;
/// How much is read at once, where no row is longer.
const BUFFER: usize = 128 << 10;

/// Rows of a source, one at a time in the reader's own buffer.
pub struct Rows<'a> {
    source: Box<dyn Read + 'a>,
    dialect: Dialect,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
    /// Where the next row begins in the buffer.
    at: usize,
    /// How much of the file came before the buffer.
    passed: u64,
    ended: bool,
    /// The line of the next row.
    next: u64,
    line: u64,
    index: Index,
    parser: Parser,
    found: Found,
    /// The row lies in the buffer as it is.
    whole: bool,
    /// Tests have every row go to the parser.
    pub(super) slow: bool,
    /// Quotation marks that nobody closed: they were read as part of their cell.
    pub open: Place,
    /// Rows with a cell of several lines.
    pub lines: Place,
    /// Rows with zero bytes, which were left out.
    pub zeros: Place,
    /// Rows that were not in the encoding of the rest, and were read as Windows-1252.
    pub recoded: Place,
    /// Lines that began with the comment sign.
    pub comments: Place,
}

/// One row: its trimmed cells lie in one buffer, and are UTF-8 each. Good until the reader goes on.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    bytes: &'r [u8],
    spans: &'r [(u32, u32)],
    /// How many cells the row has, those beyond the bound of a table too.
    pub width: usize,
    /// The line of the file on which the row begins, counted from 1.
    pub line: u64,
}

impl<'r> Row<'r> {
    /// How many cells there are, up to the bound of a table.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none; never true of a row that was read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A trimmed cell as it lies in the buffer, which costs nothing; empty beyond the last.
    #[inline]
    pub fn bytes(&self, index: usize) -> &'r [u8] {
        match self.spans.get(index) {
            Some(&(from, to)) => self
                .bytes
                .get(from as usize..to as usize)
                .unwrap_or_default(),
            None => &[],
        }
    }

    /// A trimmed cell; empty beyond the last.
    #[inline]
    pub fn cell(&self, index: usize) -> &'r str {
        std::str::from_utf8(self.bytes(index)).unwrap_or_default()
    }

    /// All of them, in order.
    #[inline]
    pub fn cells(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let row = *self;
        (0..row.len()).map(move |index| row.cell(index))
    }
}

impl<'a> Rows<'a> {
    /// Reads from the first byte of the file and passes over what comes before the first row.
    pub fn new(mut source: Box<dyn Read + 'a>, dialect: &Dialect) -> io::Result<Self> {
        source.read_exact(vec![0; dialect.mark].as_mut_slice())?;
        let mut rows = Self {
            source: decode(source, dialect.encoding),
            buffer: vec![0; BUFFER],
            filled: 0,
            at: 0,
            passed: 0,
            ended: false,
            next: 1,
            line: 0,
            index: Index::new(dialect),
            parser: Parser::default(),
            found: Found::default(),
            whole: false,
            slow: false,
            open: Place::default(),
            lines: Place::default(),
            zeros: Place::default(),
            recoded: Place::default(),
            comments: Place::default(),
            dialect: dialect.clone(),
        };
        while rows.next < dialect.start {
            match memchr(dialect.line_end(), rows.rest()) {
                Some(end) => {
                    rows.at += end + 1;
                    rows.next += 1;
                }
                None if rows.ended => break,
                None => rows.fill()?,
            }
        }
        Ok(rows)
    }

    /// Goes to the next row; none at the end of the file.
    #[inline]
    #[allow(clippy::should_implement_trait)] // its row is the reader's own, which no iterator can give
    pub fn next(&mut self) -> io::Result<Option<Row<'_>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let bytes = if self.whole {
            self.buffer.as_slice()
        } else {
            self.parser.flat.as_slice()
        };
        Ok(Some(Row {
            bytes,
            spans: &self.found.spans,
            width: self.found.width,
            line: self.line,
        }))
    }

    /// How many bytes were looked through for quotation marks that close nothing.
    #[cfg(test)]
    pub(super) fn looked_in_vain(&self) -> u64 {
        self.parser.spent
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..self.filled).unwrap_or_default()
    }

    #[inline]
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            if self.at == self.filled && self.ended {
                return Ok(false);
            }
            if !self.slow {
                let buffer = self.buffer.get(..self.filled).unwrap_or_default();
                if let Some(after) =
                    quick(buffer, self.at, &self.index, &self.dialect, &mut self.found)
                {
                    self.whole = true;
                    self.line = self.next;
                    self.next += 1;
                    let from = std::mem::replace(&mut self.at, after);
                    if !self.dialect.comment.is_empty() && self.is_comment(from) {
                        continue;
                    }
                    if self.found.width > 1
                        || self.found.spans.first().is_some_and(|(from, to)| from < to)
                    {
                        return Ok(true);
                    }
                    continue;
                }
            }
            if self.parsed()? {
                return Ok(true);
            }
        }
    }

    /// Has a row parsed, or reads more where it is not whole; whether there is one now.
    #[inline(never)]
    fn parsed(&mut self) -> io::Result<bool> {
        let rest = self.buffer.get(self.at..self.filled).unwrap_or_default();
        let place = self.passed + self.at as u64;
        let Some(used) = self.parser.parse(rest, place, &self.dialect, self.ended) else {
            if rest.len() > MAX_ROW {
                return Err(io::Error::other(format!(
                    "line {} is longer than {} MiB: a table has its rows on lines of their own",
                    self.next,
                    MAX_ROW >> 20
                )));
            }
            self.fill()?;
            return Ok(false);
        };
        self.whole = false;
        self.line = self.next;
        self.next += 1;
        let from = self.at;
        self.at += used;
        let raw = self.buffer.get(from..self.at).unwrap_or_default();
        if self.parser.multi {
            self.next +=
                (memchr_iter(self.dialect.line_end(), raw).count() as u64).saturating_sub(1);
        }
        for _ in 0..self.parser.end_row() {
            self.open.add(self.line);
        }
        self.found.width = self.parser.width;
        if !self.dialect.comment.is_empty() && self.is_comment(from) {
            return Ok(false);
        }
        Ok(self.finish(from))
    }

    /// Whether the row that begins at a place and ends where the next begins is a comment; it is counted then.
    fn is_comment(&mut self, from: usize) -> bool {
        let raw = self.buffer.get(from..self.at).unwrap_or_default();
        let start = raw
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t'))
            .unwrap_or(raw.len());
        let begins = raw
            .get(start..)
            .is_some_and(|raw| raw.starts_with(self.dialect.comment.as_bytes()));
        let is = begins && (self.found.width != self.dialect.width || self.dialect.width == 1);
        if is {
            self.comments.add(self.line);
        }
        is
    }

    /// Makes the cells of the row that was parsed; false where the line is empty.
    fn finish(&mut self, from: usize) -> bool {
        let raw = self.buffer.get(from..self.at).unwrap_or_default();
        if memchr(0, raw).is_some() {
            self.parser
                .mend(|cell, out| out.extend(cell.iter().filter(|&&byte| byte != 0)));
            if std::str::from_utf8(&self.parser.flat).map_or(true, |text| !text.trim().is_empty()) {
                self.zeros.add(self.line);
            }
        }
        if std::str::from_utf8(raw).is_err() {
            self.parser.mend(repair);
            self.recoded.add(self.line);
        }
        self.parser.spans(&mut self.found.spans);
        if self.parser.width == 1 && self.found.spans.first().is_none_or(|(from, to)| from == to) {
            return false;
        }
        if self.parser.multi {
            self.lines.add(self.line);
        }
        true
    }

    /// Reads more behind what is in the buffer.
    fn fill(&mut self) -> io::Result<()> {
        let mut same = self.filled;
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.passed += self.at as u64;
            self.at = 0;
            same = 0;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let n = self
            .source
            .read(self.buffer.get_mut(self.filled..).unwrap_or_default())?;
        self.filled += n;
        self.ended = n == 0;
        self.index
            .note(self.buffer.get(..self.filled).unwrap_or_default(), same);
        Ok(())
    }
}
