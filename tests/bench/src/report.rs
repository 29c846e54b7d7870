//! Figures, and how they are shown: a table for eyes, `bench.json` for scripts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

/// One measured figure. Names are stable: scripts compare them from run to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// e.g. `syscall_uds_1k`.
    pub(crate) name: &'static str,
    /// Measured here, in `unit`.
    pub(crate) value: f64,
    /// e.g. `requests/s`, `ms`, `MiB`.
    pub(crate) unit: &'static str,
    /// What the same run measured for the baseline, in the same unit.
    pub(crate) baseline: Option<f64>,
    /// `value / baseline`.
    pub(crate) ratio: Option<f64>,
    /// What it is to be, for the reader of the table.
    #[serde(skip)]
    pub(crate) goal: &'static str,
}

impl Figure {
    /// A figure that stands alone.
    pub(crate) fn plain(
        name: &'static str,
        value: f64,
        unit: &'static str,
        goal: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            unit,
            baseline: None,
            ratio: None,
            goal,
        }
    }

    /// A part of `whole`, with a bar as long as its share.
    pub(crate) fn share(name: &'static str, value: f64, unit: &'static str, whole: f64) -> Self {
        let share = (value / whole).clamp(0.0, 1.0);
        let blocks = (share * BAR.chars().count() as f64).round() as usize;
        Self {
            name,
            value,
            unit,
            baseline: Some(whole),
            ratio: Some(value / whole),
            goal: BAR
                .char_indices()
                .nth(blocks)
                .map_or(BAR, |(end, _)| &BAR[..end]),
        }
    }

    /// A figure beside what the same run measured for a baseline.
    pub(crate) fn against(
        name: &'static str,
        value: f64,
        unit: &'static str,
        baseline: f64,
        goal: &'static str,
    ) -> Self {
        Self {
            baseline: Some(baseline),
            ratio: Some(value / baseline),
            ..Self::plain(name, value, unit, goal)
        }
    }
}

/// The bar of a whole.
const BAR: &str = "████████████████████";

/// The median.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median, in milliseconds.
pub(crate) fn median_ms(mut delays: Vec<Duration>) -> f64 {
    delays.sort_unstable();
    delays
        .get(delays.len() / 2)
        .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
}

/// What one in a hundred exceeds, in milliseconds.
pub(crate) fn p99_ms(sorted: &[Duration]) -> f64 {
    sorted
        .get(sorted.len() * 99 / 100)
        .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
}

/// The table a person reads.
pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(["figure", "value", "unit", "baseline", "ratio", "goal"]);
    let number = |value: Option<f64>, digits: usize| {
        Cell::new(value.map_or("–".to_owned(), |value| format!("{value:.digits$}")))
            .set_alignment(CellAlignment::Right)
    };
    for figure in figures {
        let digits = if figure.value < 100.0 { 2 } else { 0 };
        table.add_row([
            Cell::new(figure.name),
            number(Some(figure.value), digits),
            Cell::new(figure.unit),
            number(figure.baseline, digits),
            number(figure.ratio, 2),
            Cell::new(figure.goal),
        ]);
    }
    table
}

/// Writes `bench.json`.
pub(crate) fn write(figures: &[Figure], path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
}
