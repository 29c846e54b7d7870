//! What most cells are, read at once.

use super::Styles;

/// Reads what most cells of numbers are: up to fifteen digits, with a minus before them and one sign between them that
/// can only be the decimal one. None is no verdict: the cell is `read_number`'s then.
#[inline]
pub fn quick(text: &str) -> Option<(f64, Styles)> {
    let _ = text;
    todo!()
}

/// Reads the commonest forms of a date: 2024-03-01, and the same with T or a space and 12:30 or 12:30:05 behind it. It
/// gives seconds since 1970 in UTC. None is no verdict: the cell is `read_date`'s then.
#[inline]
pub fn iso(text: &str) -> Option<i64> {
    let _ = text;
    todo!()
}
