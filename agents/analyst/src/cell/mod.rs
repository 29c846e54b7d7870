//! The text of one cell: whether it is missing, a number, a truth value, a date or a time. No file and no column may
//! enter.

mod clock;
mod date;
mod names;
mod number;
mod quick;
mod readdate;
mod shape;
mod styles;
mod when;
mod words;

pub use clock::time_of_day;
pub use date::{Dates, Moment, Order, date, may_be_date};
pub use number::{Reading, number, read_number};
pub use quick::{iso, quick};
pub use readdate::read_date;
pub use styles::{NumberStyle, Styles};
pub use when::When;
pub use words::{missing, truth};

#[cfg(test)]
mod tests;
