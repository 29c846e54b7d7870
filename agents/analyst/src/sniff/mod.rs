//! How a table in text form is written: what separates and encloses its cells, where its rows begin, and which of them
//! names the columns. No file is read, and nothing is counted that is not in the head.

mod header;
mod hint;
mod place;
mod quotes;
mod sample;
mod separator;
mod spaces;
#[cfg(test)]
mod tests;

use std::io;

use memchr::{memchr, memrchr2};

use crate::csvfile::{self, Dialect, EMPTY};
use hint::hint;
use quotes::quotes;
use sample::sample;
use separator::separator;

/// How much of a head is looked at.
const SAMPLE_BYTES: usize = 128 << 10;

/// How a file is written and where its table lies in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// How it is written.
    pub dialect: Dialect,
    /// The first row names the columns.
    pub header: bool,
    /// The header's cells.
    pub names: Vec<String>,
    /// Lines above the table that are no part of it.
    pub title: usize,
    /// What the text was made of, where it is not the file itself.
    pub source: String,
    /// Each row ends with a separator behind which nothing comes.
    pub trailing: bool,
}

/// Finds the table in a text with commas that was made of a sheet: how it is written is known.
pub fn detect_in(text: &[u8]) -> io::Result<Layout> {
    let dialect = Dialect {
        separator: b',',
        quote: b'"',
        start: 1,
        ..Dialect::default()
    };
    let rows = sample(text, &dialect);
    if rows.is_empty() {
        return Err(io::Error::other(
            "the sheet is empty: name another, or give one with a row of names and rows of values",
        ));
    }
    let mut layout = Layout {
        dialect,
        ..Layout::default()
    };
    layout.place(rows);
    Ok(layout)
}

/// Finds the layout from the beginning of a file; `whole` says whether that is all of it.
pub fn detect(head: &[u8], whole: bool) -> io::Result<Layout> {
    let (mut dialect, text) = csvfile::text(head, whole)?;
    let mut text = text.as_slice();
    if let Some(first) = text.get(..SAMPLE_BYTES)
        && text.len() > SAMPLE_BYTES
        && let Some(end) = memrchr2(b'\r', b'\n', first).filter(|&end| end > 0)
    {
        text = first.get(..=end).unwrap_or(first);
    }
    dialect.start = 1;
    dialect = match hint(text) {
        Some((named, rest)) if memchr(named, rest).is_none() => {
            // The line names a separator that never comes: it is no row, and no help.
            dialect.start = 2;
            separator(text, &dialect)
        }
        Some((named, _)) => {
            (dialect.hint, dialect.start, dialect.separator) = (true, 2, named);
            (dialect.quote, dialect.escape) = quotes(text, named);
            dialect
        }
        None => separator(text, &dialect),
    };
    let rows = sample(text, &dialect);
    if rows.is_empty() {
        return Err(io::Error::other(EMPTY));
    }
    let mut layout = Layout {
        dialect,
        ..Layout::default()
    };
    layout.place(rows);
    Ok(layout)
}
