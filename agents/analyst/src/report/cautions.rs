//! What was not read as it stands.

use super::File;
use super::columns::of_column;
use super::numbers::{count, plural};
use super::summary::CAUTIONS_TOLD;
use crate::csvfile::Place;
use crate::profile::Table;

/// Something that was not read as it stands, with how much of it and the first place.
#[derive(Clone, Debug)]
pub struct Caution {
    /// In a sentence.
    pub text: String,
    /// A part of the table is in no figure.
    pub left: bool,
}

impl Caution {
    pub(super) fn new(left: bool, text: String) -> Self {
        Self { text, left }
    }
}

/// They belong into the answer: who reads a figure must know what is not in it. What was left out comes first.
pub fn cautions(file: &File, table: &Table) -> Vec<Caution> {
    let mut out = Vec::new();
    if !file.others.is_empty() {
        out.push(Caution::new(false, file.others.clone()));
    }
    if table.layout.title > 0 {
        let lines = plural(table.layout.title as u64, "line stands", "lines stand");
        let start = count(table.layout.dialect.start);
        out.push(Caution::new(
            false,
            format!("{lines} above line {start}: not part of the table."),
        ));
    }
    let comment = format!(
        "what begins with {} was not read",
        table.layout.dialect.comment
    );
    let places: [(&Place, bool, &str, &str, &str); 7] = [
        (
            &table.open,
            false,
            "quotation mark is never closed",
            "quotation marks are never closed",
            "read as part of the cell, which ends with its line",
        ),
        (
            &table.long,
            true,
            "row has more cells than there are columns",
            "rows have more cells than there are columns",
            "what is beyond the last column was not read",
        ),
        (
            &table.short,
            false,
            "row has fewer cells than there are columns",
            "rows have fewer cells than there are columns",
            "what is not there counts as missing",
        ),
        (
            &table.zeros,
            false,
            "row holds zero bytes",
            "rows hold zero bytes",
            "they were left out",
        ),
        (
            &table.recoded,
            false,
            "row is not UTF-8",
            "rows are not UTF-8",
            "read as Windows-1252",
        ),
        (
            &table.comments,
            false,
            "line is a comment",
            "lines are comments",
            &comment,
        ),
        (
            &table.lines,
            false,
            "row has a cell of several lines",
            "rows have cells of several lines",
            "read as one cell each",
        ),
    ];
    for (place, left, one, many, what) in places {
        if place.count > 0 {
            let first = count(place.line);
            let text = format!(
                "{} (first on line {first}): {what}.",
                plural(place.count, one, many)
            );
            out.push(Caution::new(left, text));
        }
    }
    for column in &table.columns {
        of_column(column, &mut out);
    }
    out.sort_by_key(|caution| !caution.left);
    out
}

/// Says in one line what of a table is in no figure; empty where nothing is.
pub fn left_out(file: &File, table: &Table) -> String {
    let all = cautions(file, table);
    let left: Vec<&Caution> = all.iter().filter(|caution| caution.left).collect();
    if left.is_empty() {
        return String::new();
    }
    let plain = |caution: &&Caution| {
        let text = caution.text.replace("**", "");
        text.strip_suffix('.').unwrap_or(&text).to_owned()
    };
    let mut texts: Vec<String> = left.iter().take(CAUTIONS_TOLD).map(plain).collect();
    if let Some(more) = left
        .len()
        .checked_sub(CAUTIONS_TOLD)
        .filter(|&more| more > 0)
    {
        texts.push(format!(
            "{} more of such, all in the report",
            count(more as u64)
        ));
    }
    format!(
        "not all of {} is in the figures: {}",
        file.name,
        texts.join("; ")
    )
}
