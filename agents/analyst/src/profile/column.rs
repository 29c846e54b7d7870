//! What is known of one column.

use super::odd::Odd;
use super::tally::Frequency;
use crate::cell::{NumberStyle, Order, When};
use crate::stats::{Bounds, Line, Moments, Quantiles, Rough};

/// What a column holds. It is of a kind where nine in ten of its present cells are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    #[default]
    Empty,
    Number,
    Date,
    Text,
    /// Numbers and text, or numbers written in several ways, none of them nine in ten.
    Mixed,
    /// A time of day.
    Time,
    /// Yes and no.
    Truth,
}

impl Kind {
    /// The kind in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Number => "number",
            Self::Date => "date",
            Self::Text => "text",
            Self::Mixed => "mixed",
            Self::Time => "time",
            Self::Truth => "boolean",
        }
    }
}

/// How it was decided what is the day and what the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    /// Some cell leaves no choice.
    #[default]
    Sure,
    /// In this order the rows lie closest together.
    Nearest,
    /// It could be otherwise.
    Undecided,
}

/// A value far from the rest of its column.
#[derive(Clone, Copy, Debug)]
pub struct Outlier {
    /// The line of its row.
    pub line: u64,
    /// The value.
    pub value: f64,
    /// The row's place on the axis.
    pub at: f64,
    /// How far outside the bounds the value lies, in widths between them.
    pub reach: f64,
}

/// The values of one stretch of the axis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bin {
    /// The values themselves.
    pub values: Rough,
    /// Where their rows are.
    pub at: Rough,
}

/// A column along the axis.
#[derive(Clone, Debug)]
pub struct Series {
    /// The first place of the axis.
    pub from: f64,
    /// The last.
    pub to: f64,
    /// Stretches of equal width between them.
    pub bins: Vec<Bin>,
}

/// A column's values in steps of equal width between its outlier bounds.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Where the first step begins.
    pub from: f64,
    /// Where the last ends.
    pub to: f64,
    /// How many values are in each.
    pub counts: Vec<u64>,
    /// How many are below the first.
    pub below: u64,
    /// How many are above the last.
    pub above: u64,
}

/// One column.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Its place among the columns.
    pub index: usize,
    /// What it is called.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Cells with a value.
    pub present: u64,
    /// Cells without.
    pub missing: u64,
    /// How many different values there are.
    pub distinct: u64,
    /// There are more than `distinct`.
    pub distinct_capped: bool,
    /// Present cells that are not of the column's kind.
    pub odd: Odd,
    /// Numbers that are written in another way than the column's, and were not read.
    pub against: Odd,
    /// Numbers that are infinite or larger than an `f64`; no figure has them in it.
    pub infinite: Odd,
    /// Numbers with more digits than an `f64` holds.
    pub rounded: Odd,
    /// Numbers with another currency or per cent sign than the first, which has `unit`.
    pub other_unit: Odd,
    /// The unit of the first number.
    pub unit: &'static str,
    /// The most frequent values, where there are few enough to count them all.
    pub top: Vec<Frequency>,
    /// How its numbers are written.
    pub style: NumberStyle,
    /// The decimal sign could be a group's.
    pub undecided: bool,
    /// Some are not whole.
    pub fractions: bool,
    /// It counts the rows: 1, 2, 3, …
    pub sequence: bool,
    /// Mean, deviation and extremes.
    pub moments: Moments,
    /// Its quantiles.
    pub quantiles: Quantiles,
    /// What is outside of them is an outlier.
    pub bounds: Bounds,
    /// The line along the axis.
    pub trend: Option<Line>,
    /// The farthest outliers.
    pub outliers: Vec<Outlier>,
    /// How many there are.
    pub outlier_count: u64,
    /// The picture of its values, where it has one.
    pub histogram: Option<Histogram>,
    /// The picture along the axis, where it has one.
    pub series: Option<Series>,
    /// In which order its dates are written.
    pub order: Order,
    /// How they are written, as a report shows it.
    pub layout: String,
    /// How the order was decided.
    pub certainty: Certainty,
    /// Its years have two digits.
    pub short_years: bool,
    /// The first moment; none where there is no date.
    pub first: Option<When>,
    /// The last moment.
    pub last: Option<When>,
}

impl Column {
    /// Whether the column's figures mean something.
    pub fn numeric(&self) -> bool {
        self.kind == Kind::Number && !self.sequence
    }

    /// The first and the last moment, where they differ.
    pub fn span(&self) -> Option<(When, When)> {
        let span = (self.first?, self.last?);
        (span.1 > span.0).then_some(span)
    }
}
