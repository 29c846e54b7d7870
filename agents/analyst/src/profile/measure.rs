//! The figures of a table's columns, block by block.

use std::io;

use super::block::{BLOCK_ROWS, Block};
use super::clock::Clock;
use super::kept::Kept;
use super::odd::Odd;
use super::plan::Plan;
use super::table::{Correlation, Table};
use crate::cell::{self, NumberStyle};
use crate::csvfile::{Row, Rows};
use crate::stats::{Bounds, Centred, Moments, Pairs, Sample};

/// Values kept for quantiles, all columns together.
const SAMPLE_BUDGET: usize = 2_000_000;
/// Columns that are compared with each other.
const MAX_CORRELATED: usize = 30;
const CORRELATIONS_SHOWN: usize = 10;
/// The |r| from which a correlation is worth a word.
const CORRELATION_FLOOR: f64 = 0.5;

/// Takes the figures of a plan.
pub(super) struct Measuring {
    pub(super) plan: Plan,
    pub(super) block: Block,
    /// Those of a row, by the plan: NaN where there is none.
    pub(super) numbers: Vec<f64>,
    clocks: Vec<Clock>,
    places: Centred,
    columns: Vec<Figures>,
    /// Each column with those before it.
    pairs: Vec<Vec<Pairs>>,
    kept: Kept,
}

/// What is added up of one column.
struct Figures {
    moments: Moments,
    sample: Sample,
    centred: Centred,
    trend: Pairs,
    infinite: Odd,
}

impl Measuring {
    pub(super) fn new(plan: Plan, most_kept: usize) -> Self {
        let n = plan.numbers.len();
        let figures = || Figures {
            moments: Moments::default(),
            sample: Sample::new(SAMPLE_BUDGET / n.max(1)),
            centred: Centred::default(),
            trend: Pairs::default(),
            infinite: Odd::default(),
        };
        Self {
            block: Block::new(n),
            numbers: vec![f64::NAN; n],
            clocks: plan.dates.iter().map(|date| Clock::new(date.how)).collect(),
            places: Centred::default(),
            columns: (0..n).map(|_| figures()).collect(),
            pairs: (0..n.min(MAX_CORRELATED))
                .map(|i| vec![Pairs::default(); i])
                .collect(),
            kept: Kept {
                most: most_kept,
                ..Kept::default()
            },
            plan,
        }
    }

    /// Takes one row whose numbers are in `numbers`; whether the block is full now.
    #[inline]
    pub(super) fn row(&mut self, number: u64, row: &Row<'_>) -> bool {
        for (clock, date) in self.clocks.iter_mut().zip(&self.plan.dates) {
            clock.read(row.bytes(date.index));
        }
        let at = match self.plan.axis {
            Some(axis) => self.clocks.get(axis).map_or(f64::NAN, |clock| clock.at),
            None => (number + 1) as f64,
        };
        self.block.lines.push(row.line);
        self.block.places.push(at);
        for (i, (values, &x)) in self.block.values.iter_mut().zip(&self.numbers).enumerate() {
            let infinite = x.is_infinite();
            values.push(if infinite { f64::NAN } else { x });
            if infinite
                && let (Some(figures), Some(number)) =
                    (self.columns.get_mut(i), self.plan.numbers.get(i))
            {
                figures.infinite.note(row.bytes(number.index), row.line);
            }
        }
        self.block.lines.len() == BLOCK_ROWS
    }

    /// Takes the figures of a block, and keeps it where there is room.
    pub(super) fn measure(&mut self) {
        let mut block = std::mem::take(&mut self.block);
        self.places.set(&block.places);
        for (figures, values) in self.columns.iter_mut().zip(&block.values) {
            figures.moments.add_all(values);
            figures.sample.add_all(values);
            figures.centred.set(values);
            if !figures.trend.add_centred(&self.places, &figures.centred) {
                figures.trend.add_all(&block.places, values);
            }
        }
        let both = || self.columns.iter().zip(&block.values);
        for (pairs, (one, values)) in self.pairs.iter_mut().zip(both()) {
            for (pair, (other, others)) in pairs.iter_mut().zip(both()) {
                if !pair.add_centred(&other.centred, &one.centred) {
                    pair.add_all(others, values);
                }
            }
        }
        let columns = block.values.len();
        self.block = match self.kept.add(block) {
            None => Block::new(columns),
            Some(back) => {
                block = back;
                block.clear();
                block
            }
        };
    }

    /// Measures the last block.
    pub(super) fn end(&mut self) {
        if !self.block.lines.is_empty() {
            self.measure();
        }
    }
}

impl Table {
    /// Reads the table's rows for a plan, to the last block. `full` takes each.
    pub(super) fn blocks(
        &self,
        rows: &mut Rows<'_>,
        m: &mut Measuring,
        mut full: impl FnMut(&mut Measuring),
    ) -> io::Result<()> {
        self.pass_header(rows)?;
        let mut number = 0;
        while let Some(row) = rows.next()? {
            for (x, planned) in m.numbers.iter_mut().zip(&m.plan.numbers) {
                *x = number_in(row.bytes(planned.index), planned.how).unwrap_or(f64::NAN);
            }
            if m.row(number, &row) {
                full(m);
            }
            number += 1;
        }
        if !m.block.lines.is_empty() {
            full(m);
        }
        Ok(())
    }

    /// Makes the figures the table's own. They are of its plan.
    pub(super) fn take(&mut self, m: Measuring) {
        let numeric = self.numeric();
        for (&index, figures) in numeric.iter().zip(m.columns) {
            if let Some(column) = self.columns.get_mut(index) {
                column.quantiles = figures.sample.quantiles();
                column.bounds = Bounds::new(&column.quantiles);
                column.trend = figures.trend.fit();
                (column.moments, column.infinite) = (figures.moments, figures.infinite);
            }
        }
        for (date, clock) in m.plan.dates.iter().zip(&m.clocks) {
            if let Some(column) = self.columns.get_mut(date.index) {
                (column.first, column.last) = (clock.first, clock.last);
            }
        }
        for (pairs, &b) in m.pairs.iter().zip(&numeric) {
            for (pair, &a) in pairs.iter().zip(&numeric) {
                if let Some(r) = pair.correlation().filter(|r| r.abs() >= CORRELATION_FLOOR) {
                    self.correlations.push(Correlation { a, b, r, n: pair.n });
                }
            }
        }
        self.correlations
            .sort_by(|a, b| b.r.abs().total_cmp(&a.r.abs()));
        self.correlations.truncate(CORRELATIONS_SHOWN);
        self.kept = m.kept;
    }
}

/// A cell's number in a column's style; it may be infinite.
#[inline]
fn number_in(text: &[u8], style: NumberStyle) -> Option<f64> {
    if let Some((value, styles)) = cell::quick(text) {
        return styles.has(style).then_some(value);
    }
    if cell::missing(text) {
        return None;
    }
    cell::number(std::str::from_utf8(text).unwrap_or_default(), style)
}
