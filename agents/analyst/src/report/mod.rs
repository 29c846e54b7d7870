//! A profile in words and pictures: findings for a person in a hurry, a report in Markdown, a figure. It computes nothing
//! that the profile does not say.

mod cautions;
mod columns;
mod findings;
mod markdown;
mod numbers;
mod plot;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod words;
mod written;

pub use cautions::{Caution, cautions, left_out};
pub use markdown::markdown;
pub use plot::plot;
pub use summary::{memory, summary};

/// The R² from which a trend is called clear.
const CLEAR_TREND: f64 = 0.5;
/// The R² from which it is mentioned at all.
const WEAK_TREND: f64 = 0.1;

/// What the report says about the file itself.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Which other tables it has, and how they are read; empty where there are none.
    pub others: String,
}
