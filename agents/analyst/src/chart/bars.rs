//! How often values occur.

use super::canvas::{
    Canvas, DASHES, END, LEFT, LINE_BLUE, PANEL_BOTTOM, PANEL_HEIGHT, PANEL_TOP, Sample, Style,
    TREND_RED, shorten,
};
use super::labels::tick_labels;
use super::scale::{Scale, ticks, widen};

/// How often values occur: in steps of equal width where there are no labels, else one bar a label.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// Above the panel.
    pub title: String,
    /// What the values are.
    pub x_label: String,
    /// Where the first step begins.
    pub from: f64,
    /// Where the last ends.
    pub to: f64,
    /// What each bar is.
    pub labels: Vec<String>,
    /// How long each bar is.
    pub counts: Vec<u64>,
    /// Stands at the right end of the title's line.
    pub note: String,
    /// Marks one value of the axis, e.g. the median, and says what it is.
    pub line: Option<(f64, String)>,
}

impl Bars {
    pub(super) fn draw(&self, c: &mut Canvas, y: f64) {
        let most = self.counts.iter().copied().max().unwrap_or(1).max(1);
        let (_, high) = widen(0.0, most as f64, 5);
        let scale_y = c.frame(y, &self.title, [&self.x_label, "rows"], (0.0, high));
        let bottom = y + PANEL_HEIGHT - PANEL_BOTTOM;
        let step = (END - LEFT) / self.counts.len().max(1) as f64;
        let gap = if self.labels.is_empty() {
            1.0
        } else {
            step * 0.2
        };
        for (i, &count) in self.counts.iter().enumerate() {
            let top = scale_y.at(count as f64);
            let x = LEFT + step * i as f64;
            c.rect(x + gap / 2.0, top, step - gap, bottom - top, LINE_BLUE);
            if let Some(label) = self.labels.get(i) {
                let label = shorten(label, (step / 7.0) as usize);
                let x = LEFT + step * (i as f64 + 0.5);
                c.text(x, bottom + 18.0, &label, Style::middle(11));
            }
        }
        let mut entries = Vec::new();
        if self.labels.is_empty() {
            let scale_x = Scale {
                from: self.from,
                to: self.to,
                start: LEFT,
                end: END,
            };
            let values = ticks(self.from, self.to, 8);
            for (&value, label) in values.iter().zip(tick_labels(&values)) {
                c.tick(scale_x.at(value), bottom, &label);
            }
            if let Some((value, label)) = &self.line {
                let x = scale_x.at(*value);
                c.line((x, y + PANEL_TOP), (x, bottom), TREND_RED, 2.0, DASHES);
                entries.push((label.as_str(), Sample::Dashes));
            }
        }
        if !self.note.is_empty() {
            entries.push((&self.note, Sample::Mark));
        }
        c.legend(y, &entries);
    }
}
