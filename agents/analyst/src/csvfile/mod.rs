//! Bytes of a delimited text file as rows of trimmed cells, once it is known how the file is written. What the cells
//! mean may not enter.

mod codepages;
mod decode;
mod dialect;
mod encoding;
mod index;
mod parse;
mod place;
mod plausible;
mod quick;
mod rows;
#[cfg(test)]
mod tests;

pub use dialect::{Dialect, EMPTY, text};
pub use encoding::Encoding;
pub use place::Place;
pub use rows::{Row, Rows};
