//! The passes over a file.

use std::io::{self, Read};

use memchr::memrchr;

use super::kept::MAX_KEPT;
use super::measure::Measuring;
use super::plan::Plan;
use super::table::Table;
use crate::csvfile::Rows;
use crate::sniff::{self, Layout};

/// How much of the head the guess is made from.
const GUESS_BYTES: usize = 64 << 10;

/// Gives a reader from the first byte of the file. It is called once for each pass.
pub type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>;

/// What the caller is interested in.
pub struct Options<'a> {
    /// Column names, lower case, that come first.
    pub focus: &'a [String],
    /// The text was made of this; empty where it is the file itself.
    pub source: &'a str,
    /// Called at the beginning of each pass.
    pub pass: &'a dyn Fn(Pass),
    /// How many numbers are kept for the last pass.
    pub most_kept: usize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            focus: &[],
            source: "",
            pass: &|_| {},
            most_kept: MAX_KEPT,
        }
    }
}

/// What the file is read for. The second is left out where the figures were taken in the first, the third where the
/// numbers were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pass {
    Learning,
    Measuring,
    Locating,
}

/// Reads the table. `head` is its beginning, `whole` says whether that is all of it.
pub fn analyse<'a>(
    open: Open<'a>,
    head: &[u8],
    whole: bool,
    options: &Options<'_>,
) -> io::Result<Table> {
    let layout = detect(head, whole, options.source)?;
    let guessed = guess(&layout, head, whole);
    let mut table = Table {
        layout,
        ..Table::default()
    };
    let mut m = Measuring::new(guessed, options.most_kept);
    table.pass(open, options, Pass::Learning, |table, rows| {
        table.infer(rows, &mut m)
    })?;
    let plan = table.plan();
    if m.plan != plan {
        m = Measuring::new(plan, options.most_kept);
        table.pass(open, options, Pass::Measuring, |table, rows| {
            table.blocks(rows, &mut m, Measuring::measure)
        })?;
    }
    table.take(m);
    table.prepare(options.focus);
    match table.kept.blocks.take() {
        Some(blocks) => {
            for block in blocks {
                table.locate(&block);
            }
        }
        None => table.pass(open, options, Pass::Locating, Table::locate_again)?,
    }
    for column in &mut table.columns {
        column.sort_outliers();
    }
    Ok(table)
}

fn detect(head: &[u8], whole: bool, source: &str) -> io::Result<Layout> {
    if source.is_empty() {
        return sniff::detect(head, whole);
    }
    let mut layout = sniff::detect_in(head)?;
    layout.source = source.into();
    Ok(layout)
}

/// The plan that the first rows make.
fn guess(layout: &Layout, mut head: &[u8], whole: bool) -> Plan {
    let first = head.get(..GUESS_BYTES).unwrap_or(head);
    if let Some(end) = memrchr(b'\n', first).filter(|&end| end > 0)
        && (!whole || head.len() > GUESS_BYTES)
    {
        head = head.get(..=end).unwrap_or(head);
    }
    let mut table = Table {
        layout: layout.clone(),
        ..Table::default()
    };
    let learnt = Rows::new(Box::new(head), &layout.dialect)
        .and_then(|mut rows| table.infer(&mut rows, &mut Measuring::new(Plan::default(), 0)));
    match learnt {
        Ok(()) => table.plan(),
        Err(_) => Plan::default(),
    }
}

impl Table {
    /// Reads the file once.
    fn pass<'a>(
        &mut self,
        open: Open<'a>,
        options: &Options<'_>,
        pass: Pass,
        read: impl FnOnce(&mut Self, &mut Rows<'a>) -> io::Result<()>,
    ) -> io::Result<()> {
        (options.pass)(pass);
        let mut rows = Rows::new(open()?, &self.layout.dialect)?;
        read(self, &mut rows)?;
        (self.open, self.lines, self.zeros) = (rows.open, rows.lines, rows.zeros);
        (self.recoded, self.comments) = (rows.recoded, rows.comments);
        Ok(())
    }

    /// Passes over the row that names the columns.
    pub(super) fn pass_header(&self, rows: &mut Rows<'_>) -> io::Result<()> {
        if self.layout.header {
            rows.next()?;
        }
        Ok(())
    }
}
