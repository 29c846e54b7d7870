//! How a table in text form is written: what separates and encloses its cells, where its rows begin, and which of them
//! names the columns. No file is read, and nothing is counted that is not in the head.

use std::io;

use crate::csvfile::Dialect;

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
    let _ = text;
    todo!()
}

/// Finds the layout from the beginning of a file; `whole` says whether that is all of it.
pub fn detect(head: &[u8], whole: bool) -> io::Result<Layout> {
    let _ = (head, whole);
    todo!()
}
