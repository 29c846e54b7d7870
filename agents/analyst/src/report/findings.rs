//! What stands out.

use super::numbers::{count, figure, minus, percent, plural};
use super::words::word;
use super::{CLEAR_TREND, WEAK_TREND};
use crate::cell::When;
use crate::profile::{Column, Kind, Table};
use crate::stats::Line;
use crate::word::lower;

/// How many rows a trend must rest on.
const MIN_TREND_ROWS: u64 = 8;
/// How many findings there are of each kind.
const EACH: usize = 3;

/// The sentences that matter most, at most a handful of each kind; columns in focus come first.
pub(super) fn findings(table: &Table, focus: &[String]) -> Vec<String> {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    columns.sort_by_key(|column| !focus.contains(&lower(&column.name)));
    let trends = columns.iter().filter_map(|column| {
        let trend = told_trend(table, column)?;
        (trend.r2 >= floor(table)).then(|| trend_of(table, column, &trend))
    });
    let mut out: Vec<String> = trends.take(EACH).collect();
    let outlying = columns
        .iter()
        .filter(|c| c.numeric() && c.outlier_count > 0);
    out.extend(outlying.take(EACH).map(|column| outliers(column)));
    out.extend(correlations(table));
    out.extend(
        columns
            .iter()
            .filter_map(|column| gap(table, column))
            .take(EACH),
    );
    out
}

/// The R² a trend must have to be a finding. The order of the rows means less than a date.
fn floor(table: &Table) -> f64 {
    match table.axis() {
        None => CLEAR_TREND,
        Some(_) => WEAK_TREND,
    }
}

/// A column's trend, where it is one to tell of.
pub(super) fn told_trend(table: &Table, column: &Column) -> Option<Line> {
    let along = table.axis().is_none_or(|axis| axis.span().is_some());
    let rows = column.moments.n >= MIN_TREND_ROWS;
    let trend = column.trend.filter(|trend| trend.slope != 0.0)?;
    (column.numeric() && rows && along).then_some(trend)
}

fn trend_of(table: &Table, column: &Column, trend: &Line) -> String {
    let name = word(&column.name);
    let direction = if trend.slope < 0.0 { "falls" } else { "rises" };
    let strength = match trend.r2 < CLEAR_TREND {
        true => "weakly",
        false => "clearly",
    };
    let (slope, r2) = (trend.slope.abs(), trend.r2);
    let Some(axis) = table.axis() else {
        let by = figure(slope);
        return format!(
            "**{name}** {direction} {strength} along the rows: by {by} a row (R² {r2:.2})."
        );
    };
    let (days, unit) = slope_unit(axis);
    let (over, by) = (word(&axis.name), figure(slope * days));
    format!("**{name}** {direction} {strength} over {over}: by {by} a {unit} (R² {r2:.2}).")
}

/// The unit of time in which a slope reads best: one that the data spans several times.
pub(super) fn slope_unit(axis: &Column) -> (f64, &'static str) {
    let days = |when: Option<When>| when.unwrap_or(When::ZERO).days();
    let span = days(axis.last) - days(axis.first);
    if span >= 3.0 * 365.0 {
        (365.25, "year")
    } else if span >= 90.0 {
        (365.25 / 12.0, "month")
    } else if span >= 3.0 {
        (1.0, "day")
    } else {
        (1.0 / 24.0, "hour")
    }
}

fn outliers(column: &Column) -> String {
    let place = |outlier: &crate::profile::Outlier| {
        format!("{} on line {}", figure(outlier.value), count(outlier.line))
    };
    let places: Vec<String> = column.outliers.iter().take(3).map(place).collect();
    let more = match column.outlier_count - places.len() as u64 {
        0 => String::new(),
        rest => format!(" and {} more", count(rest)),
    };
    let how_many = plural(column.outlier_count, "outlier", "outliers");
    format!(
        "**{}** has {how_many}: {}{more}.",
        word(&column.name),
        places.join(", ")
    )
}

fn correlations(table: &Table) -> impl Iterator<Item = String> {
    table.correlations.iter().take(EACH).map(|pair| {
        let how = match pair.r < 0.0 {
            true => "go opposite ways",
            false => "go up and down together",
        };
        let [a, b] = [pair.a, pair.b].map(|index| name_of(table, index));
        format!("**{a}** and **{b}** {how} (r {}).", signed(pair.r))
    })
}

/// A column's name, safe in a line.
pub(super) fn name_of(table: &Table, index: usize) -> String {
    let column = table.columns.get(index);
    column.map_or(String::new(), |column| word(&column.name))
}

/// A coefficient with two decimals.
pub(super) fn signed(r: f64) -> String {
    minus(&format!("{r:.2}"))
}

fn gap(table: &Table, column: &Column) -> Option<String> {
    let name = word(&column.name);
    if column.kind == Kind::Empty && table.rows > 0 {
        return Some(format!("**{name}** is empty."));
    }
    if column.missing > 0 && 20 * column.missing >= table.rows {
        let rows = plural(column.missing, "row", "rows");
        let share = percent(column.missing, table.rows);
        return Some(format!("**{name}** is missing in {rows} ({share})."));
    }
    (column.kind == Kind::Mixed).then(|| {
        format!("**{name}** holds numbers and text, or numbers of several ways of writing, mixed.")
    })
}
