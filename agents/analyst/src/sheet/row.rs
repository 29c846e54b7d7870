//! A row of a sheet, within bounds.

use std::io;

use super::refused;

/// The columns of a table.
pub(super) const MAX_CELLS: usize = 2048;
/// How long a cell, or all cells of a row, may be.
const MAX_TEXT: usize = 4 << 20;

/// Which row it is, from 1, and its cells; what is behind the last of them is empty.
#[derive(Clone, Default)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) cells: Vec<String>,
    size: usize,
}

impl Row {
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.size = 0;
    }

    /// Sets a cell, and the empty ones before it.
    pub(super) fn put(&mut self, at: usize, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if at >= MAX_CELLS {
            return refused(format!(
                "the sheet has more than {MAX_CELLS} columns: leave some out and try again"
            ));
        }
        self.size += text.len();
        bounded(self.size)?;
        if self.cells.len() <= at {
            self.cells.resize(at + 1, String::new());
        }
        if let Some(cell) = self.cells.get_mut(at) {
            text.clone_into(cell);
        }
        Ok(())
    }
}

/// Adds to a cell's text.
pub(super) fn append(text: &mut String, more: &str) -> io::Result<()> {
    bounded(text.len() + more.len())?;
    text.push_str(more);
    Ok(())
}

fn bounded(size: usize) -> io::Result<()> {
    if size > MAX_TEXT {
        return refused(format!(
            "the sheet has a row of more than {} MiB: save it as CSV and try again",
            MAX_TEXT >> 20
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cell_beyond_the_last_column_is_refused_and_an_empty_one_is_none() {
        let mut row = Row::default();
        row.put(MAX_CELLS - 1, "last").unwrap();
        row.put(MAX_CELLS, "").unwrap();
        assert_eq!(row.cells.len(), MAX_CELLS);
        let refused = row.put(MAX_CELLS, "one more").unwrap_err();
        assert!(refused.to_string().contains("more than 2048 columns"));
    }
}
