//! Lines, texts and frames as SVG.

use std::borrow::Cow;
use std::fmt::{Arguments, Write as _};

use super::labels::tick_labels;
use super::scale::{Scale, ticks};

// The figure's measures in pixels.
const WIDTH: f64 = 960.0;
pub(super) const PANEL_HEIGHT: f64 = 300.0;
pub(super) const HEAD_HEIGHT: f64 = 64.0;
pub(super) const FOOT_HEIGHT: f64 = 16.0;
pub(super) const LEFT: f64 = 84.0;
/// Where the panels end at the right.
pub(super) const END: f64 = WIDTH - 28.0;
pub(super) const PANEL_TOP: f64 = 40.0;
pub(super) const PANEL_BOTTOM: f64 = 52.0;

// Colours that stay apart for the colour-blind: Okabe and Ito, Color Universal Design (2008).
pub(super) const INK: &str = "#1f2933";
pub(super) const FAINT: &str = "#6b7785";
pub(super) const GRID: &str = "#e4e8ec";
pub(super) const LINE_BLUE: &str = "#0072b2";
pub(super) const BAND_BLUE: &str = "#cfe5f3";
pub(super) const TREND_RED: &str = "#d55e00";
const MARK_COLOUR: &str = "#cc79a7";

/// The dashes of a line that is computed.
pub(super) const DASHES: &str = "7 4";

/// How a text is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Style {
    pub(super) size: u32,
    pub(super) bold: bool,
    pub(super) faint: bool,
    pub(super) anchor: &'static str,
    pub(super) turn: bool,
}

impl Style {
    /// A faint text, which is in the middle of its place.
    pub(super) const fn middle(size: u32) -> Self {
        Self {
            size,
            bold: false,
            faint: true,
            anchor: "middle",
            turn: false,
        }
    }
}

/// What a legend shows beside a label.
#[derive(Clone, Copy)]
pub(super) enum Sample {
    Band,
    Line,
    Dashes,
    Mark,
}

/// The figure so far.
pub(super) struct Canvas {
    out: String,
}

impl Canvas {
    pub(super) fn new(title: &str, subtitle: &str, height: f64) -> Self {
        let mut canvas = Self { out: String::new() };
        canvas.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" \
             height=\"{height:.0}\" role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\">\n"
        ));
        let whole = format!("{title}: {subtitle}");
        canvas.put(format_args!("<title>{}</title>\n", escape(&whole)));
        canvas.put(format_args!(
            "<rect width=\"{WIDTH:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n"
        ));
        let large = Style {
            size: 18,
            bold: true,
            ..Style::default()
        };
        canvas.text(LEFT, 30.0, title, large);
        let small = Style {
            size: 12,
            faint: true,
            ..Style::default()
        };
        canvas.text(LEFT, 50.0, subtitle, small);
        canvas
    }

    pub(super) fn end(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    pub(super) fn put(&mut self, text: Arguments<'_>) {
        // A string takes whatever is written.
        let _ = self.out.write_fmt(text);
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: Style) {
        let fill = if style.faint { FAINT } else { INK };
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{}\" fill=\"{fill}\"",
            style.size
        ));
        if style.bold {
            self.put(format_args!(" font-weight=\"600\""));
        }
        if !style.anchor.is_empty() {
            self.put(format_args!(" text-anchor=\"{}\"", style.anchor));
        }
        if style.turn {
            self.put(format_args!(" transform=\"rotate(-90 {x:.1} {y:.1})\""));
        }
        self.put(format_args!(">{}</text>\n", escape(text)));
    }

    pub(super) fn line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        colour: &str,
        width: f64,
        dashes: &str,
    ) {
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width:.1}\""
        ));
        if !dashes.is_empty() {
            self.put(format_args!(" stroke-dasharray=\"{dashes}\""));
        }
        self.put(format_args!("/>\n"));
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, fill: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\"/>\n"
        ));
    }

    pub(super) fn mark(&mut self, x: f64, y: f64) {
        self.put(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"none\" stroke=\"{MARK_COLOUR}\" stroke-width=\"2\"/>\n"
        ));
    }

    /// Writes a label below a place of the horizontal axis.
    pub(super) fn tick(&mut self, x: f64, bottom: f64, label: &str) {
        self.line((x, bottom), (x, bottom + 5.0), INK, 1.0, "");
        self.text(x, bottom + 20.0, label, Style::middle(11));
    }

    /// Draws title, horizontal grid with its labels, both axis labels, and gives the scale of y.
    pub(super) fn frame(
        &mut self,
        y: f64,
        title: &str,
        [x_label, y_label]: [&str; 2],
        (from, to): (f64, f64),
    ) -> Scale {
        let (top, bottom) = (y + PANEL_TOP, y + PANEL_HEIGHT - PANEL_BOTTOM);
        let scale = Scale {
            from,
            to,
            start: bottom,
            end: top,
        };
        let heading = Style {
            size: 14,
            bold: true,
            ..Style::default()
        };
        self.text(LEFT, y + 22.0, &shorten(title, 60), heading);
        let values = ticks(from, to, 5);
        for (&value, label) in values.iter().zip(tick_labels(&values)) {
            let at = scale.at(value);
            self.line((LEFT, at), (END, at), GRID, 1.0, "");
            let style = Style {
                anchor: "end",
                ..Style::middle(11)
            };
            self.text(LEFT - 8.0, at + 4.0, &label, style);
        }
        self.line((LEFT, bottom), (END, bottom), INK, 1.0, "");
        let centre = f64::midpoint(LEFT, END);
        self.text(
            centre,
            bottom + 40.0,
            &shorten(x_label, 80),
            Style::middle(12),
        );
        let turned = Style {
            turn: true,
            ..Style::middle(12)
        };
        self.text(
            22.0,
            f64::midpoint(top, bottom),
            &shorten(y_label, 28),
            turned,
        );
        scale
    }

    /// Writes the entries from the right end of the panel's first line. The width of a text is estimated: no font is at
    /// hand to measure it.
    pub(super) fn legend(&mut self, y: f64, entries: &[(&str, Sample)]) {
        let mut x = END;
        for (label, sample) in entries.iter().rev() {
            x -= 6.6 * label.chars().count() as f64 + 44.0;
            let (at, to) = ((x, y + 18.0), (x + 22.0, y + 18.0));
            match sample {
                Sample::Band => self.rect(x, y + 18.0 - 5.0, 22.0, 10.0, BAND_BLUE),
                Sample::Line => self.line(at, to, LINE_BLUE, 2.0, ""),
                Sample::Dashes => self.line(at, to, TREND_RED, 2.0, DASHES),
                Sample::Mark => self.mark(x + 11.0, y + 18.0),
            }
            let style = Style {
                anchor: "",
                ..Style::middle(12)
            };
            self.text(x + 30.0, y + 22.0, label, style);
        }
    }
}

/// A text of so many characters at most.
pub(super) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let begin: String = text.chars().take(most.saturating_sub(1)).collect();
    Cow::Owned(begin + "…")
}

/// Makes text safe inside an element or an attribute; control characters, which XML has no way to write, become spaces.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}
