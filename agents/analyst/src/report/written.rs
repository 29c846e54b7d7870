//! How a file is written, in a line.

use super::numbers::count;
use super::words::word;
use crate::cell::NumberStyle;
use crate::csvfile::Encoding;
use crate::profile::{Kind, Table};

/// Says in one line how the file is written, as it was found.
pub(super) fn written(table: &Table) -> String {
    let layout = &table.layout;
    let dialect = &layout.dialect;
    let mut first = match layout.source.is_empty() {
        true => format!("separated by {}", dialect.separator_name()),
        false => layout.source.clone(),
    };
    if dialect.hint {
        first += " (as its line sep= says)";
    }
    let mut parts = vec![first];
    if dialect.quote == b'\'' {
        parts.push("cells in apostrophes".into());
    }
    parts.extend(decimals(table));
    if dialect.encoding != Encoding::Utf8 {
        let by = match dialect.encoding.guessed() {
            true => " by its letters",
            false => "",
        };
        parts.push(format!("{}{by}", dialect.encoding));
    }
    if dialect.cr {
        parts.push("lines ended by carriage returns".into());
    }
    if layout.trailing {
        parts.push("a separator at each line's end".into());
    }
    let start = count(dialect.start);
    parts.push(if layout.header {
        format!("header in line {start}")
    } else if !layout.names.is_empty() {
        format!("names in the comment above line {start}")
    } else {
        "no header, so the columns are numbered".into()
    });
    parts.join(", ")
}

/// Says which decimal signs there are: nothing where there is only the point.
fn decimals(table: &Table) -> Option<String> {
    let (mut commas, mut points) = (Vec::new(), Vec::new());
    for c in table.columns.iter().filter(|c| c.kind == Kind::Number) {
        if c.style.comma() && c.fractions {
            commas.push(word(&c.name));
        } else if c.style != NumberStyle::Plain || c.fractions {
            points.push(word(&c.name));
        }
    }
    if commas.is_empty() {
        return None;
    }
    Some(if points.is_empty() {
        "decimal commas".into()
    } else if commas.len() < points.len() {
        format!(
            "decimal commas in {} and points elsewhere",
            commas.join(", ")
        )
    } else {
        format!(
            "decimal points in {} and commas elsewhere",
            points.join(", ")
        )
    })
}
