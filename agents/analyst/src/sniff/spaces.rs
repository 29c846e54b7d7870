//! Tables whose columns are set apart by spaces.

use super::sample::{is_value, sample};
use crate::cell;
use crate::csvfile::Dialect;

/// Recognises such a table: every row has the same number of words, and most of them are numbers or dates.
pub(super) fn by_spaces(text: &[u8], d: &Dialect) -> Option<Dialect> {
    let spaced = Dialect {
        separator: b' ',
        quote: b'"',
        ..d.clone()
    };
    let rows = sample(text, &spaced);
    let whole = sample(
        text,
        &Dialect {
            separator: 0,
            ..d.clone()
        },
    );
    let width = rows.get(1)?.cells.len();
    if rows.len() < 3 || whole.len() != rows.len() || width < 2 {
        return None;
    }
    let (mut values, mut cells) = (0, 0);
    for (i, (row, line)) in rows.iter().zip(&whole).enumerate() {
        // The rows may have names, which have no name.
        let short = i == 0 && row.cells.len() == width - 1;
        if row.cells.len() != width && !short || i > 0 && is_value(line.first()) {
            return None;
        }
        cells += row.cells.len();
        values += row
            .cells
            .iter()
            .filter(|text| is_value(text) || cell::missing(text))
            .count();
    }
    (2 * values >= cells).then_some(spaced)
}
