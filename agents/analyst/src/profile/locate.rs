//! Where the outliers lie, and the pictures' points.

use std::io;

use super::block::Block;
use super::column::{Bin, Column, Histogram, Outlier, Series};
use super::measure::Measuring;
use super::table::Table;
use crate::csvfile::Rows;
use crate::word;

/// Outliers of one column; the farthest.
const OUTLIERS_KEPT: usize = 200;
const SERIES_BINS: usize = 240;
const HISTOGRAM_BINS: usize = 30;
const MAX_PLOTTED: usize = 3;
/// The R² from which a trend makes a column come before its neighbours.
const TREND_FLOOR: f64 = 0.1;

impl Table {
    /// Notes the outliers of a block, and puts its values into the columns' pictures.
    pub(super) fn locate(&mut self, block: &Block) {
        let numeric = self.columns.iter_mut().filter(|column| column.numeric());
        for (column, values) in numeric.zip(&block.values) {
            column.locate(block, values);
        }
    }

    /// Reads the file for that.
    pub(super) fn locate_again(&mut self, rows: &mut Rows<'_>) -> io::Result<()> {
        let mut m = Measuring::new(self.plan(), 0);
        // What is read is what was read before: only the columns' places change.
        let mut columns = std::mem::take(&mut self.columns);
        let read = self.blocks(rows, &mut m, |m| {
            let numeric = columns.iter_mut().filter(|column| column.numeric());
            for (column, values) in numeric.zip(&m.block.values) {
                column.locate(&m.block, values);
            }
            m.block.clear();
        });
        self.columns = columns;
        read
    }

    /// The indices of the columns worth a picture, the most interesting first: those that were asked for, then those with
    /// a trend, then the rest in their order.
    pub fn plotted(&self, focus: &[String]) -> Vec<usize> {
        let varies = |c: &&Column| c.numeric() && c.moments.n >= 3 && c.moments.max > c.moments.min;
        let mut ranked: Vec<(f64, usize)> = self
            .columns
            .iter()
            .filter(varies)
            .map(|column| (self.rank(column, focus), column.index))
            .collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        ranked.truncate(MAX_PLOTTED);
        ranked.into_iter().map(|(_, index)| index).collect()
    }

    fn rank(&self, column: &Column, focus: &[String]) -> f64 {
        if focus.contains(&word::lower(&column.name)) {
            return 2.0;
        }
        let trend = column.trend.filter(|trend| trend.r2 >= TREND_FLOOR);
        match trend {
            Some(trend) if self.axis.is_some() => trend.r2,
            _ => 0.0,
        }
    }

    /// Gives the columns that will be drawn a place for their points: along time where there is one, as histograms
    /// otherwise.
    pub(super) fn prepare(&mut self, focus: &[String]) {
        let span = self.axis().and_then(Column::span);
        for index in self.plotted(focus) {
            let Some(column) = self.columns.get_mut(index) else {
                continue;
            };
            if let Some((first, last)) = span {
                column.series = Some(Series {
                    from: first.days(),
                    to: last.days(),
                    bins: vec![Bin::default(); SERIES_BINS],
                });
                continue;
            }
            let (mut from, mut to) = (column.moments.min, column.moments.max);
            if column.bounds.usable() {
                (from, to) = (from.max(column.bounds.low), to.min(column.bounds.high));
            }
            if from < to {
                column.histogram = Some(Histogram {
                    from,
                    to,
                    counts: vec![0; HISTOGRAM_BINS],
                    below: 0,
                    above: 0,
                });
            }
        }
    }
}

impl Column {
    fn locate(&mut self, block: &Block, values: &[f64]) {
        if let Some(series) = &mut self.series {
            series.add(&block.places, values);
        }
        let bounds = self.bounds;
        if bounds.usable() {
            for (i, &value) in values.iter().enumerate() {
                if bounds.outside(value)
                    && let (Some(&line), Some(&at)) = (block.lines.get(i), block.places.get(i))
                {
                    self.keep(line, value, at);
                }
            }
        }
        if let Some(histogram) = &mut self.histogram {
            for &value in values.iter().filter(|value| !value.is_nan()) {
                histogram.add(value);
            }
        }
    }

    #[cold]
    fn keep(&mut self, line: u64, value: f64, at: f64) {
        self.outlier_count += 1;
        // Halves: the width between the bounds may be larger than an `f64`.
        let (low, high) = (self.bounds.low / 2.0, self.bounds.high / 2.0);
        let width = high - low;
        let reach = match value > self.bounds.high {
            true => (value / 2.0 - high) / width,
            false => (low - value / 2.0) / width,
        };
        self.outliers.push(Outlier {
            line,
            value,
            at,
            reach,
        });
        if self.outliers.len() >= 2 * OUTLIERS_KEPT {
            self.sort_outliers();
        }
    }

    pub(super) fn sort_outliers(&mut self) {
        self.outliers.sort_by(|a, b| {
            b.reach
                .partial_cmp(&a.reach)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        self.outliers.truncate(OUTLIERS_KEPT);
    }
}

impl Series {
    /// Puts the values of a block into their bins, those of neighbours in one bin at once.
    fn add(&mut self, places: &[f64], values: &[f64]) {
        let scale = self.bins.len() as f64 / (self.to - self.from);
        let last = self.bins.len().saturating_sub(1);
        let (mut begin, mut bin) = (0, None);
        for (i, (&at, value)) in places.iter().zip(values).enumerate() {
            if at.is_nan() || value.is_nan() {
                continue;
            }
            let index = Some((((at - self.from) * scale) as usize).min(last));
            if index != bin {
                self.fill(bin, places.get(begin..i), values.get(begin..i));
                (begin, bin) = (i, index);
            }
        }
        self.fill(bin, places.get(begin..), values.get(begin..));
    }

    fn fill(&mut self, bin: Option<usize>, places: Option<&[f64]>, values: Option<&[f64]>) {
        if let (Some(places), Some(values)) = (places, values)
            && let Some(bin) = bin.and_then(|bin| self.bins.get_mut(bin))
        {
            bin.values.add_all(values, places);
            bin.at.add_all(places, values);
        }
    }
}

impl Histogram {
    fn add(&mut self, value: f64) {
        if value < self.from {
            self.below += 1;
        } else if value > self.to {
            self.above += 1;
        } else {
            // Halves: the width of the range may be larger than an `f64`.
            let from = self.from / 2.0;
            let part = (value / 2.0 - from) / (self.to / 2.0 - from) * self.counts.len() as f64;
            let last = self.counts.len().saturating_sub(1);
            if let Some(count) = self.counts.get_mut((part as usize).min(last)) {
                *count += 1;
            }
        }
    }
}
