//! Bytes of a delimited text file as rows of trimmed cells, once it is known how the file is written. What the cells
//! mean may not enter.

mod dialect;
mod encoding;
mod place;
mod rows;

pub use dialect::{Dialect, EMPTY, text};
pub use encoding::Encoding;
pub use place::Place;
pub use rows::{Row, Rows};
