//! The answer to whoever asked, and what is remembered.

use super::File;
use super::cautions::cautions;
use super::findings::findings;
use super::numbers::{count, moment, plural};
use super::written::written;
use crate::profile::{Column, Table};

/// How many cautions are in the answer itself.
pub(super) const CAUTIONS_TOLD: usize = 12;
/// Bytes of what is remembered.
const MEMORY: usize = 16 << 10;

/// What the file is, what stands out, where the report is. `plot` is empty where there is none.
pub fn summary(file: &File, table: &Table, focus: &[String], report: &str, plot: &str) -> String {
    let mut out = format!("{} Read as {}.\n", headline(file, table), written(table));
    let cautions = cautions(file, table);
    if !cautions.is_empty() {
        out += "\nRead with care:\n";
        for caution in cautions.iter().take(CAUTIONS_TOLD) {
            out += &format!("- {}\n", caution.text);
        }
        if cautions.len() > CAUTIONS_TOLD {
            let rest = count((cautions.len() - CAUTIONS_TOLD) as u64);
            out += &format!("- and {rest} more, all in the report.\n");
        }
    }
    let mut findings = findings(table, focus);
    if findings.is_empty() && table.rows > 0 {
        findings.push("No trend, outlier, correlation or gap stands out.".into());
    }
    if !findings.is_empty() {
        out.push('\n');
    }
    for finding in findings {
        out += &format!("- {finding}\n");
    }
    out += &format!("\nThe whole report is in {report}");
    if !plot.is_empty() {
        out += &format!(", the plot in {plot}");
    }
    out + ".\n"
}

/// What is remembered of the file.
pub fn memory(file: &File, table: &Table) -> String {
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let mut text = format!(
        "{} Columns: {}.\n{}",
        headline(file, table),
        names.join(", "),
        findings(table, &[]).join("\n")
    );
    text.truncate(text.floor_char_boundary(MEMORY));
    text.replace("**", "")
}

/// What the file is, in a sentence.
pub(super) fn headline(file: &File, table: &Table) -> String {
    let span = table.axis().and_then(Column::span);
    let period = span.map_or(String::new(), |(first, last)| {
        format!(", from {} to {}", moment(Some(first)), moment(Some(last)))
    });
    format!(
        "{} has {} and {}{period}.",
        file.name,
        plural(table.rows, "row", "rows"),
        plural(table.columns.len() as u64, "column", "columns")
    )
}
