//! The figure.

use super::findings::told_trend;
use super::numbers::{count, figure, plural};
use super::summary::headline;
use super::{File, WEAK_TREND};
use crate::chart::{self, Bars, Panel, Point, Stretch, Time};
use crate::profile::{Column, Histogram, Kind, Series, Table};

/// Draws the columns worth a picture; none where there are none.
pub fn plot(file: &File, table: &Table, focus: &[String]) -> Option<String> {
    let drawn = table.plotted(focus);
    let mut panels: Vec<Panel> = drawn
        .into_iter()
        .filter_map(|index| panel(table, table.columns.get(index)?))
        .collect();
    if panels.is_empty() {
        panels.extend(most_telling(table).map(frequencies));
    }
    let subtitle = headline(file, table);
    (!panels.is_empty()).then(|| chart::render(&file.name, &subtitle, &panels))
}

fn panel(table: &Table, column: &Column) -> Option<Panel> {
    match (&column.series, &column.histogram) {
        (Some(series), _) => over_time(table, column, series),
        (None, Some(histogram)) => Some(distribution(column, histogram)),
        (None, None) => None,
    }
}

fn over_time(table: &Table, column: &Column, series: &Series) -> Option<Panel> {
    let axis = table.axis()?;
    let (from, to) = axis.span()?;
    let filled = || series.bins.iter().filter(|bin| bin.values.n > 0);
    let stretches = filled().map(|bin| Stretch {
        x: bin.at.mean,
        mean: bin.values.mean,
        low: bin.values.min,
        high: bin.values.max,
    });
    let trend = told_trend(table, column).filter(|trend| trend.r2 >= WEAK_TREND);
    let end = |x: f64| move |y: f64| Point { x, y };
    let trend = trend.map(|trend| {
        let ends = [series.from, series.to].map(|x| end(x)(trend.at(x)));
        (ends, format!("trend (R² {:.2})", trend.r2))
    });
    // A row without a date has no place.
    let placed = column
        .outliers
        .iter()
        .filter(|outlier| !outlier.at.is_nan());
    Some(Panel::Time(Time {
        title: column.name.clone(),
        x_label: axis.name.clone(),
        y_label: column.name.clone(),
        from,
        to,
        stretches: stretches.collect(),
        line_label: match filled().any(|bin| bin.values.n > 1) {
            true => format!("mean of {}", stretch(series)),
            false => column.name.clone(),
        },
        trend,
        marks: placed
            .map(|outlier| end(outlier.at)(outlier.value))
            .collect(),
        mark_label: "outlier".into(),
    }))
}

/// The width of a bin in words.
fn stretch(series: &Series) -> String {
    let hours = (series.to - series.from) / series.bins.len() as f64 * 24.0;
    if hours >= 36.0 {
        format!("{:.0} days", (hours / 24.0).round())
    } else if hours >= 20.0 {
        "a day".into()
    } else if hours >= 1.5 {
        format!("{:.0} hours", hours.round())
    } else if hours >= 50.0 / 60.0 {
        "an hour".into()
    } else {
        "a moment".into()
    }
}

fn distribution(column: &Column, h: &Histogram) -> Panel {
    let note = match h.below + h.above {
        0 => String::new(),
        outside => format!(
            "{} not shown ({} to {})",
            plural(outside, "outlier", "outliers"),
            figure(column.moments.min),
            figure(column.moments.max)
        ),
    };
    let median = column.quantiles.percentile(50);
    Panel::Bars(Bars {
        title: column.name.clone(),
        x_label: column.name.clone(),
        from: h.from,
        to: h.to,
        labels: Vec::new(),
        counts: h.counts.clone(),
        note,
        line: Some((median, format!("median {}", figure(median)))),
    })
}

/// The text column with the fewest different values, if any value comes twice.
fn most_telling(table: &Table) -> Option<&Column> {
    let told = |c: &&Column| {
        let twice = c.top.first().is_some_and(|first| first.count > 1);
        matches!(c.kind, Kind::Text | Kind::Truth) && c.top.len() > 1 && twice
    };
    table.columns.iter().filter(told).min_by_key(|c| c.distinct)
}

fn frequencies(column: &Column) -> Panel {
    let shown = column.top.len();
    Panel::Bars(Bars {
        title: match column.distinct > shown as u64 {
            true => {
                let all = count(column.distinct);
                format!("{}: the {shown} most frequent of {all} values", column.name)
            }
            false => column.name.clone(),
        },
        x_label: column.name.clone(),
        labels: column.top.iter().map(|value| value.value.clone()).collect(),
        counts: column.top.iter().map(|value| value.count).collect(),
        ..Bars::default()
    })
}
