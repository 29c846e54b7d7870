//! All that is known of a file.

use super::column::Column;
use super::kept::Kept;
use crate::csvfile::Place;
use crate::sniff::Layout;

/// How two columns go together.
#[derive(Clone, Copy, Debug)]
pub struct Correlation {
    /// The index of one of them.
    pub a: usize,
    /// The index of the other.
    pub b: usize,
    /// Pearson's r.
    pub r: f64,
    /// How many rows have both.
    pub n: u64,
}

/// What is known of a file.
#[derive(Debug, Default)]
pub struct Table {
    /// How it is written.
    pub layout: Layout,
    /// How many rows it has.
    pub rows: u64,
    /// Rows with fewer cells than there are columns.
    pub short: Place,
    /// Rows with more.
    pub long: Place,
    /// What the reader met: quotation marks that nobody closed.
    pub open: Place,
    /// Cells of several lines.
    pub lines: Place,
    /// Zero bytes.
    pub zeros: Place,
    /// Rows in another encoding than the rest.
    pub recoded: Place,
    /// Comments.
    pub comments: Place,
    /// The columns, in their order.
    pub columns: Vec<Column>,
    /// The index of the date column that orders the rows; where there is none, the row's number does.
    pub axis: Option<usize>,
    /// The strongest of them.
    pub correlations: Vec<Correlation>,
    pub(super) kept: Kept,
}

impl Table {
    /// The date column that orders the rows.
    pub fn axis(&self) -> Option<&Column> {
        self.columns.get(self.axis?)
    }

    /// The indices of the columns whose figures mean something.
    pub(super) fn numeric(&self) -> Vec<usize> {
        let numeric = self.columns.iter().filter(|column| column.numeric());
        numeric.map(|column| column.index).collect()
    }
}
