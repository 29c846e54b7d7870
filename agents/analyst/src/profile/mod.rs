//! What the columns of a table are, and what stands out in them. It reads the table from its start: `infer` learns what
//! the columns are, and takes their figures on the way where a guess from the first rows holds; else `measure` does, in a
//! second pass. `locate` finds where the outliers lie, in a pass of its own only where the numbers are too many to be
//! kept. No rows are kept, and numbers only up to a bound, so memory does not grow with the file. It writes no words and
//! no pictures.

mod analyse;
mod block;
mod clock;
mod column;
mod decide;
mod header;
mod infer;
mod kept;
mod learn;
mod locate;
mod measure;
mod odd;
mod plan;
mod style;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod travel;

pub use analyse::{Open, Options, Pass, analyse};
pub use column::{Bin, Certainty, Column, Histogram, Kind, Outlier, Series};
pub use odd::Odd;
pub use table::{Correlation, Table};
pub use tally::Frequency;
