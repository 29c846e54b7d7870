//! What separates the cells, by the data consistency measure of van den Burg, Nazábal and Sutton, Wrangling Messy CSV
//! Files by Detecting Row and Type Patterns, Data Mining and Knowledge Discovery 33(6), 2019
//! (<https://doi.org/10.1007/s10618-019-00646-y>): a pattern score, which is high where many rows have the same number
//! of cells and few other numbers occur, times a type score, the share of cells that are something known. Width by
//! itself counts for next to nothing.
//!
//! Two things differ from the paper. The number of patterns is not counted but weighed (the exponential of their
//! entropy), so that three lines of title above a thousand rows do not halve the score of the right separator. And lines
//! that are one number or one date as a whole are one cell: a column of decimal commas is no table of two columns.

use std::collections::HashMap;

use memchr::memchr;

use super::quotes::quotes;
use super::sample::{consistency, is_value, sample};
use super::spaces::by_spaces;
use crate::cell;
use crate::csvfile::Dialect;

/// The separators, in the order in which they win where several fit equally well.
const CANDIDATES: [u8; 10] = [b',', b';', b'\t', b'|', b'^', b'~', 0x1f, 0x01, b':', 0];

/// Finds separator and quotation marks.
pub(super) fn separator(text: &[u8], d: &Dialect) -> Dialect {
    let mut best = d.clone();
    let mut best_score = -1.0;
    for candidate in CANDIDATES {
        if candidate != 0 && memchr(candidate, text).is_none() {
            continue;
        }
        let (quote, escape) = quotes(text, candidate);
        let tried = Dialect {
            separator: candidate,
            quote,
            escape,
            ..d.clone()
        };
        let score = consistency(&sample(text, &tried));
        if score > best_score {
            (best, best_score) = (tried, score);
        }
    }
    if best.separator != 0 && whole_lines(text, d, best.separator) {
        best.separator = 0;
    }
    if best.separator == 0
        && let Some(spaced) = by_spaces(text, d)
    {
        return spaced;
    }
    best
}

/// Whether the lines are one value each: nearly all are a number or a date as they stand, and what the separator would
/// make of them is no better. With commas in numbers that is so where the first line has none, or where all have the
/// same number of digits behind the comma and some begin with a zero there.
fn whole_lines(text: &[u8], d: &Dialect, separator: u8) -> bool {
    if separator != b',' && separator != b':' {
        return false;
    }
    let rows = sample(
        text,
        &Dialect {
            separator: 0,
            quote: 0,
            ..d.clone()
        },
    );
    let head = match rows.first() {
        Some(row) if rows.len() >= 3 => row.first(),
        _ => return false,
    };
    if !is_value(head) && head.as_bytes().contains(&separator) {
        return false; // it names more than one column
    }
    let (mut values, mut zeros, mut most, mut long) = (0, 0, 0, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for line in rows
        .iter()
        .map(|row| row.first())
        .filter(|line| is_value(line))
    {
        values += 1;
        if cell::read_number(line).styles.is_empty() {
            long += 1; // a date or a time
            continue;
        }
        let Some((_, after)) = line.split_once(',') else {
            continue;
        };
        if after.bytes().all(|byte| byte.is_ascii_digit()) {
            let count = lengths.entry(after.len()).or_default();
            *count += 1;
            most = most.max(*count);
            zeros += usize::from(after.len() > 1 && after.starts_with('0'));
        }
    }
    if 10 * values < 9 * rows.len() && values != rows.len() - 1 {
        return false;
    }
    long > values / 2 || !is_value(head) || zeros > 0 && 10 * most >= 9 * values
}
