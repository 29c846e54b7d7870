//! Whether the first row names the columns.

use std::collections::HashSet;

use super::sample::{Sampled, is_value};
use crate::cell;

/// A column votes for it where its first cell is text above numbers or dates, and against it where the first cell is
/// like the rest. Where nobody votes (all text) the first row is a header if its cells are there, differ, and do not come
/// again below.
pub(super) fn is_header(first: &[String], rest: &[Sampled]) -> bool {
    let mut votes = 0;
    let mut plausible = true;
    let mut seen = HashSet::new();
    for (i, name) in first.iter().enumerate() {
        if cell::missing(name) || !seen.insert(name) {
            plausible = false;
            continue;
        }
        let (mut values, mut present) = (0, 0);
        for text in rest
            .iter()
            .filter_map(|row| row.cells.get(i))
            .filter(|text| !cell::missing(text))
        {
            present += 1;
            values += usize::from(is_value(text) && (is_year(text) || !is_year(name)));
            plausible &= text != name;
        }
        if is_value(name) {
            // It may be a column named after its year.
            votes += if is_year(name) && present > 0 && values == 0 {
                1
            } else {
                -1
            };
        } else if present > 0 && 2 * values > present {
            votes += 1;
        }
    }
    if votes == 0 { plausible } else { votes > 0 }
}

fn is_year(text: &str) -> bool {
    text.len() == 4
        && (text.starts_with("19") || text.starts_with("20"))
        && text.bytes().all(|byte| byte.is_ascii_digit())
}
