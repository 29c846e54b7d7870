//! How a file is written, and what no text is.

use std::borrow::Cow;
use std::io;

use super::Encoding;

/// How a file is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// How characters became bytes.
    pub encoding: Encoding,
    /// How many bytes of byte-order mark come before the first character.
    pub mark: usize,
    /// What stands between cells; 0 where a line is one cell. A space stands for any run of spaces.
    pub separator: u8,
    /// What encloses cells; 0 where nothing does. Within it a quote is doubled, or has `escape` before it.
    pub quote: u8,
    /// What comes before a quote within a cell; 0 where a quote is doubled.
    pub escape: u8,
    /// A carriage return alone ends a line.
    pub cr: bool,
    /// A line `sep=X` named the separator.
    pub hint: bool,
    /// What begins lines that are no rows; empty where nothing does.
    pub comment: &'static str,
    /// The line of the first row, counted from 1: what comes before is a title.
    pub start: u64,
    /// How many cells most rows have; 0 where that is not known yet.
    pub width: usize,
}

/// What is said of a file with nothing in it.
pub const EMPTY: &str = "the file is empty: give one with a row of names and rows of values";

impl Dialect {
    /// The separator in words.
    pub fn separator_name(&self) -> Cow<'static, str> {
        todo!()
    }
}

/// Finds the encoding of a file from its head, and gives the head in UTF-8. It refuses what is no text.
pub fn text(head: &[u8], whole: bool) -> io::Result<(Dialect, Vec<u8>)> {
    let _ = (head, whole);
    todo!()
}
