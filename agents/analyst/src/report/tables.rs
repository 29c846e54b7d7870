//! The tables of the report.

use super::findings::{name_of, signed, slope_unit, told_trend};
use super::markdown::Writer;
use super::numbers::{count, figure, moment, percent};
use super::words::{odd, wanting, word};
use super::{CLEAR_TREND, WEAK_TREND};
use crate::cell::NumberStyle;
use crate::profile::{Certainty, Column, Kind, Outlier, Table};

const OUTLIERS_LISTED: usize = 10;
const VALUES_LISTED: usize = 5;

impl Writer {
    pub(super) fn columns(&mut self, table: &Table) {
        let head = "## Columns\n\n| column | holds | present | missing | different | remarks |\n|---|---|--:|--:|--:|---|";
        self.line(format_args!("{head}"));
        for c in &table.columns {
            let over = if c.distinct_capped { "over " } else { "" };
            self.line(format_args!(
                "| {} | {} | {} | {} | {over}{} | {} |",
                word(&c.name),
                c.kind.name(),
                count(c.present),
                count(c.missing),
                count(c.distinct),
                remarks(table, c)
            ));
        }
        self.line(format_args!(""));
    }

    pub(super) fn figures(&mut self, table: &Table) {
        let numeric = || table.columns.iter().filter(|c| c.numeric());
        let row = |c: &Column| {
            let q = |p| figure(c.quantiles.percentile(p));
            let (mean, stdev) = (figure(c.moments.mean()), figure(c.moments.stdev()));
            let (min, max) = (figure(c.moments.min), figure(c.moments.max));
            let quantiles = [5, 25, 50, 75, 95].map(q).join(" | ");
            format!(
                "{} | {mean} | {stdev} | {min} | {quantiles} | {max}",
                word(&c.name)
            )
        };
        let head = "## Figures\n\n| column | mean | stdev | min | 5 % | 25 % | median | 75 % | 95 % | max |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|";
        if !self.table(head, numeric().map(row)) {
            return;
        }
        const HOW: &str = "quantiles are interpolated (type 7, as R and NumPy do), stdev is the sample's (n − 1).";
        let exact = numeric().all(|c| c.quantiles.exact());
        let rounded = numeric().any(|c| c.rounded.count() > 0);
        let text = if !exact {
            "Mean, stdev (n − 1), min and max are computed without rounding on the way. **Quantiles are estimates** from a \
             uniform sample of the rows: there are more values than fit into memory."
                .into()
        } else if rounded {
            format!(
                "Some numbers have more digits than are held (about 16), and were rounded; {HOW}"
            )
        } else {
            format!("All figures are exact, but for the digits that are not shown: {HOW}")
        };
        self.line(format_args!("{text}\n"));
    }

    pub(super) fn outliers(&mut self, table: &Table) {
        let row = |c: &Column| {
            let place = |o: &Outlier| format!("{} ({})", figure(o.value), count(o.line));
            let mut places: Vec<String> =
                c.outliers.iter().take(OUTLIERS_LISTED).map(place).collect();
            if c.outlier_count > places.len() as u64 {
                places.push("…".into());
            }
            let usual = format!("{} to {}", figure(c.bounds.low), figure(c.bounds.high));
            let many = count(c.outlier_count);
            format!(
                "{} | {many} | {usual} | {}",
                word(&c.name),
                places.join(", ")
            )
        };
        let head = "## Outliers\n\nA value is called an outlier where two tests agree: it lies more than 1.5 times the \
                    middle half's width outside of that half (Tukey), and its modified z-score, from the median absolute \
                    deviation, is above 3.5 (Iglewicz and Hoaglin).\n\n\
                    | column | outliers | usual range | farthest, with their lines |\n|---|--:|---|---|";
        let with = |c: &&Column| c.numeric() && c.outlier_count > 0;
        self.table(head, table.columns.iter().filter(with).map(row));
    }

    pub(super) fn trends(&mut self, table: &Table) {
        let (days, unit) = table.axis().map_or((1.0, "row"), slope_unit);
        let over = match table.axis() {
            Some(axis) => word(&axis.name),
            None => "the order of the rows".into(),
        };
        let rows = table.columns.iter().filter_map(|c| {
            let trend = told_trend(table, c)?;
            let verdict = if trend.r2 >= CLEAR_TREND {
                "clear"
            } else if trend.r2 >= WEAK_TREND {
                "weak"
            } else {
                "none"
            };
            let change = figure(trend.slope * days);
            Some(format!(
                "{} | {change} | {:.2} | {verdict}",
                word(&c.name),
                trend.r2
            ))
        });
        let head = format!(
            "## Trends over {over}\n\n| column | change a {unit} | R² | |\n|---|--:|--:|---|"
        );
        if self.table(&head, rows) {
            let how = "A straight line by least squares; R² is the share of the variance that it explains.";
            self.line(format_args!("{how}\n"));
        }
    }

    pub(super) fn correlations(&mut self, table: &Table) {
        let rows = table.correlations.iter().map(|pair| {
            let [a, b] = [pair.a, pair.b].map(|index| name_of(table, index));
            format!("{a} | {b} | {} | {}", signed(pair.r), count(pair.n))
        });
        let head = "## Correlations\n\n| | | r | rows |\n|---|---|--:|--:|";
        if self.table(head, rows) {
            let how = "Pearson's r of at least 0.5 either way. It says that two columns move together, not why.";
            self.line(format_args!("{how}\n"));
        }
    }

    pub(super) fn values(&mut self, table: &Table) {
        let told = |c: &&Column| {
            let words = matches!(c.kind, Kind::Text | Kind::Mixed | Kind::Truth);
            words && c.top.first().is_some_and(|first| first.count > 1)
        };
        let row = |c: &Column| {
            let values: Vec<String> = c
                .top
                .iter()
                .take(VALUES_LISTED)
                .map(|value| {
                    let share = percent(value.count, c.present);
                    format!("{} ({}, {share})", word(&value.value), count(value.count))
                })
                .collect();
            format!("**{}**: {}", word(&c.name), values.join("; "))
        };
        self.list(
            "Most frequent values",
            table.columns.iter().filter(told).map(row),
        );
    }
}

fn remarks(table: &Table, c: &Column) -> String {
    let mut out = Vec::new();
    match c.kind {
        Kind::Date => {
            let (first, last) = (moment(c.first), moment(c.last));
            out.push(format!("{first} to {last}, written {}", word(&c.layout)));
            if table.axis == Some(c.index) {
                out.push("orders the rows below".into());
            }
            if c.short_years {
                out.push("years 69 to 99 are 1969 to 1999, the others 20…".into());
            }
            if c.certainty == Certainty::Undecided {
                out.push("**day and month could be exchanged**".into());
            }
        }
        Kind::Number => {
            if c.sequence {
                out.push("counts the rows; left out below".into());
            }
            if c.style != NumberStyle::Plain {
                out.push(format!("written {}", c.style.name()));
            }
            if !c.unit.is_empty() {
                out.push(format!("in {}", word(c.unit)));
            }
        }
        _ => {}
    }
    if c.odd.count() > 0 {
        let what = wanting(c.kind);
        out.push(odd(
            &c.odd,
            &format!("cell is {what}"),
            &format!("cells are {what}"),
        ));
    }
    out.join("; ")
}
