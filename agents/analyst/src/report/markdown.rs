//! The whole report.

use super::File;
use super::cautions::cautions;
use super::findings::findings;
use super::numbers::bytes;
use super::summary::headline;
use super::words::word;
use super::written::written;
use crate::profile::Table;

/// A report in Markdown. `plot` is empty where there is none.
pub fn markdown(
    file: &File,
    table: &Table,
    question: &str,
    focus: &[String],
    plot: &str,
) -> String {
    let mut out = Writer::default();
    out.line(format_args!("# {}\n", word(&file.name)));
    let question = word(question);
    if !question.is_empty() {
        out.line(format_args!("> {question}\n"));
    }
    let size = bytes(file.size);
    out.line(format_args!(
        "{} {size}, {}.\n",
        headline(file, table),
        written(table)
    ));
    let cautions = cautions(file, table).into_iter();
    out.list("Read with care", cautions.map(|caution| caution.text));
    out.list("What stands out", findings(table, focus).into_iter());
    if !plot.is_empty() {
        out.line(format_args!("![The columns that were drawn]({plot})\n"));
    }
    out.columns(table);
    out.figures(table);
    out.outliers(table);
    out.trends(table);
    out.correlations(table);
    out.values(table);
    out.text
}

/// The report so far.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes whatever is written.
        let _ = std::fmt::Write::write_fmt(&mut self.text, line);
        self.text.push('\n');
    }

    /// A heading and what is listed under it, where there is something.
    pub(super) fn list(&mut self, heading: &str, items: impl Iterator<Item = String>) {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return;
        }
        self.line(format_args!("## {heading}\n"));
        for item in items {
            self.line(format_args!("- {item}"));
        }
        self.line(format_args!(""));
    }

    /// A heading and a table under it, where there are rows. `head` are its first two lines, and what comes before them.
    pub(super) fn table(&mut self, head: &str, rows: impl Iterator<Item = String>) -> bool {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return false;
        }
        self.line(format_args!("{head}"));
        for row in rows {
            self.line(format_args!("| {row} |"));
        }
        self.line(format_args!(""));
        true
    }
}
