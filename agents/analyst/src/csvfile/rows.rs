//! A file row by row. Empty lines and comments are passed over.

use std::io::{self, Read};

use super::{Dialect, Place};

/// Rows of a source, one at a time in the reader's own buffer.
pub struct Rows<'a> {
    source: Box<dyn Read + 'a>,
    dialect: Dialect,
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

/// One row: its trimmed cells lie in one text. Good until the reader goes on.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    text: &'r str,
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

    /// A trimmed cell; empty beyond the last.
    #[inline]
    pub fn cell(&self, index: usize) -> &'r str {
        match self.spans.get(index) {
            Some(&(from, to)) => self.text.get(from as usize..to as usize).unwrap_or(""),
            None => "",
        }
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
    pub fn new(source: Box<dyn Read + 'a>, dialect: &Dialect) -> io::Result<Self> {
        let _ = (source, dialect);
        todo!()
    }

    /// Goes to the next row; none at the end of the file.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Row<'_>>> {
        let _ = (&self.source, &self.dialect);
        todo!()
    }
}
