//! A cell taken apart as a date, a clock and an offset.

use super::Moment;

/// Takes a cell apart as a date. The numbers' order is the column's to decide.
pub fn read_date(text: &str) -> Moment {
    let _ = text;
    todo!()
}

/// Reads a cell that is a time without a date, in nanoseconds since midnight.
pub fn time_of_day(text: &str) -> Option<i64> {
    let _ = text;
    todo!()
}
