//! Where the table lies among the rows: its width, where it starts, what is above it, and its header.

use super::Layout;
use super::header::is_header;
use super::sample::{Sampled, is_value, pattern, widths};
use crate::cell;

/// How many rows of a title a spreadsheet is thought to fill up.
const MAX_TITLE: usize = 20;

impl Layout {
    /// Finds the table among its first rows, of which there is one at least.
    pub(super) fn place(&mut self, rows: Vec<Sampled>) {
        let first = rows.first().map_or(0, |row| row.line);
        let (rows, comments) = self.without_comments(rows);
        let width = usual_width(&rows);
        let full = rows
            .iter()
            .position(|row| row.cells.len() == width && 2 * present(&row.cells) >= width);
        let mut begin = full.map_or(0, |i| i + padded(rows.get(i..).unwrap_or_default(), width));
        // A header may be shorter or longer than its rows by some cells: it is all names, and the rows are not.
        if let (Some(above), Some(row)) = (
            begin.checked_sub(1).and_then(|i| rows.get(i)),
            rows.get(begin),
        ) {
            let above = &above.cells;
            let wide = above.len() > 1 && 2 * above.len() >= width && present(above) == above.len();
            if wide && names(above) && !names(&row.cells) {
                begin -= 1;
            }
        }
        // Above one column nothing can be told from a header but by what it holds.
        let rows = rows.get(begin..).unwrap_or_default();
        let Some((top, rest)) = rows.split_first() else {
            return;
        };
        (self.dialect.width, self.dialect.start, self.title) = (width, top.line, begin);
        if !self.dialect.comment.is_empty() {
            self.title += comments.len();
        }
        self.header = is_header(&top.cells, rest);
        if self.header {
            self.names.clone_from(&top.cells);
        } else if let Some(names) = commented_names(&comments, top.line, width) {
            self.names = names;
            self.title = self.title.saturating_sub(1); // that line was read
        }
        self.trailing = self.ends_with_nothing(rows);
        if self.dialect.start == first {
            self.title = 0;
        }
    }

    /// Leaves out the lines above the table that begin with a comment sign. A sign before the very first cell of a header
    /// is part of it: below it no line has one.
    fn without_comments(&mut self, rows: Vec<Sampled>) -> (Vec<Sampled>, Vec<Sampled>) {
        let width = usual_width(&rows);
        for sign in ["#", "//", "%", "!"] {
            let (mut rest, mut comments) = (Vec::new(), Vec::new());
            for row in &rows {
                let beside = row.cells.len() != width || width == 1 || rest.is_empty();
                if row.first().starts_with(sign) && beside {
                    &mut comments
                } else {
                    &mut rest
                }
                .push(row.clone());
            }
            if !comments.is_empty() && !rest.is_empty() && 2 * comments.len() <= rows.len() {
                self.dialect.comment = sign;
                return (rest, comments);
            }
        }
        (rows, Vec::new())
    }

    /// Whether the last cell is empty in every row and has no name.
    fn ends_with_nothing(&self, rows: &[Sampled]) -> bool {
        let width = self.dialect.width;
        if width < 2 || self.dialect.separator == b' ' {
            return false;
        }
        for (i, row) in rows.iter().enumerate() {
            let cells = row.cells.len();
            let last = row
                .cells
                .get(width - 1)
                .is_some_and(|text| !text.is_empty());
            if last || cells > width || i > 0 && cells < width - 1 {
                return false;
            }
        }
        rows.len() > if self.header { 1 } else { 2 }
    }
}

/// How many rows of a title come first that a spreadsheet filled up to the width of the table: none of them is full, and
/// a full row of names above values follows.
fn padded(rows: &[Sampled], width: usize) -> usize {
    for (i, pair) in rows.windows(2).take(MAX_TITLE - 1).enumerate() {
        let [row, next] = pair else { continue };
        if row.cells.len() == width && present(&row.cells) == width {
            return if names(&row.cells) && !names(&next.cells) {
                i
            } else {
                0
            };
        }
    }
    0
}

/// The names that the last comment above the first row gives, if it gives as many as there are.
fn commented_names(comments: &[Sampled], line: u64, width: usize) -> Option<Vec<String>> {
    let near = comments
        .iter()
        .filter(|comment| comment.line + 1 == line && comment.cells.len() == width && width > 1);
    near.map(|comment| {
        let mut cells = comment.cells.clone();
        if let Some(first) = cells.first_mut() {
            *first = first
                .trim_start_matches(['#', '%', '/', ' '])
                .trim()
                .to_owned();
        }
        cells
    })
    .find(|cells| names(cells))
}

/// The width that makes the most of the rows, by the pattern score of one width.
fn usual_width(rows: &[Sampled]) -> usize {
    let mut best = (1, -1.0);
    for (width, count) in widths(rows) {
        let score = pattern(width, count);
        if score > best.1 || score == best.1 && width > best.0 {
            best = (width, score);
        }
    }
    best.0
}

/// Counts the cells that are not empty.
fn present(cells: &[String]) -> usize {
    cells.iter().filter(|text| !text.is_empty()).count()
}

/// Whether no cell is a value.
fn names(cells: &[String]) -> bool {
    !cells
        .iter()
        .any(|text| is_value(text) || cell::missing(text))
}
