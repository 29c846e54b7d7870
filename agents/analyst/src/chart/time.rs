//! One column along time.

use std::fmt::Write as _;

use super::canvas::{
    BAND_BLUE, Canvas, DASHES, END, LEFT, LINE_BLUE, PANEL_BOTTOM, PANEL_HEIGHT, Sample, TREND_RED,
};
use super::scale::{Scale, widen};
use super::timeticks::time_ticks;
use crate::cell::When;

/// A place in a time panel. `x` is in days since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Along time.
    pub x: f64,
    /// The value.
    pub y: f64,
}

/// The mean and the range of the values around one moment.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The moment, in days since 1970.
    pub x: f64,
    /// The mean.
    pub mean: f64,
    /// The least value.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

/// One column along time, with its trend and its outliers.
#[derive(Clone, Debug)]
pub struct Time {
    /// Above the panel.
    pub title: String,
    /// What the time is of.
    pub x_label: String,
    /// What the values are.
    pub y_label: String,
    /// The first moment.
    pub from: When,
    /// The last.
    pub to: When,
    /// The values.
    pub stretches: Vec<Stretch>,
    /// What a point of the line is, e.g. `mean of 3 days`.
    pub line_label: String,
    /// The fitted line's two ends and its label; none where there is no trend worth drawing.
    pub trend: Option<([Point; 2], String)>,
    /// Values that stand apart.
    pub marks: Vec<Point>,
    /// What they are.
    pub mark_label: String,
}

impl Time {
    pub(super) fn draw(&self, c: &mut Canvas, y: f64) {
        let scale_y = c.frame(y, &self.title, [&self.x_label, &self.y_label], self.range());
        let bottom = y + PANEL_HEIGHT - PANEL_BOTTOM;
        let scale_x = Scale {
            from: whole_days(self.from),
            to: whole_days(self.to),
            start: LEFT,
            end: END,
        };
        for (when, label) in time_ticks(self.from, self.to) {
            c.tick(scale_x.at(whole_days(when)), bottom, &label);
        }
        let mut entries = Vec::new();
        if self.stretches.iter().any(|s| s.high > s.low) {
            self.band(c, scale_x, scale_y);
            entries.push(("range", Sample::Band));
        }
        self.polyline(c, scale_x, scale_y);
        entries.push((self.line_label.as_str(), Sample::Line));
        if let Some(([a, b], label)) = &self.trend {
            let place = |p: &Point| (scale_x.at(p.x), scale_y.at(p.y));
            c.line(place(a), place(b), TREND_RED, 2.0, DASHES);
            entries.push((label, Sample::Dashes));
        }
        if !self.marks.is_empty() {
            for mark in &self.marks {
                c.mark(scale_x.at(mark.x), scale_y.at(mark.y));
            }
            entries.push((&self.mark_label, Sample::Mark));
        }
        c.legend(y, &entries);
    }

    /// From the least to the largest of what is drawn, and a little farther.
    fn range(&self) -> (f64, f64) {
        let bands = self.stretches.iter().flat_map(|s| [s.low, s.high]);
        let marks = self.marks.iter().map(|mark| mark.y);
        let trend = self
            .trend
            .iter()
            .flat_map(|(ends, _)| ends.map(|end| end.y));
        let (low, high) = bands
            .chain(marks)
            .chain(trend)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        widen(low, high, 5)
    }

    fn band(&self, c: &mut Canvas, scale_x: Scale, scale_y: Scale) {
        let highs = self.stretches.iter().map(|s| (s.x, s.high));
        let lows = self.stretches.iter().rev().map(|s| (s.x, s.low));
        let path = path(highs.chain(lows), scale_x, scale_y);
        c.put(format_args!("<path d=\"{path}Z\" fill=\"{BAND_BLUE}\"/>\n"));
    }

    fn polyline(&self, c: &mut Canvas, scale_x: Scale, scale_y: Scale) {
        let path = path(
            self.stretches.iter().map(|s| (s.x, s.mean)),
            scale_x,
            scale_y,
        );
        c.put(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{LINE_BLUE}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\"/>\n"
        ));
    }
}

fn path(places: impl Iterator<Item = (f64, f64)>, scale_x: Scale, scale_y: Scale) -> String {
    let mut path = String::new();
    for (i, (x, y)) in places.enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        // A string takes whatever is written.
        let _ = write!(path, "{letter}{:.1} {:.1}", scale_x.at(x), scale_y.at(y));
    }
    path
}

/// Days since 1970, without the parts of a second.
fn whole_days(when: When) -> f64 {
    When::unix(when.seconds).days()
}
