//! Panels below each other in one SVG. It knows of numbers, times and labels, not of tables.

mod bars;
mod canvas;
mod labels;
mod scale;
#[cfg(test)]
mod tests;
mod time;
mod timeticks;

pub use bars::Bars;
pub use time::{Point, Stretch, Time};

use canvas::{Canvas, FOOT_HEIGHT, HEAD_HEIGHT, PANEL_HEIGHT};

/// One drawing of a figure.
pub enum Panel {
    /// A column along time.
    Time(Time),
    /// How often values occur.
    Bars(Bars),
}

/// Draws the panels below each other under a title.
pub fn render(title: &str, subtitle: &str, panels: &[Panel]) -> String {
    let height = HEAD_HEIGHT + PANEL_HEIGHT * panels.len() as f64 + FOOT_HEIGHT;
    let mut canvas = Canvas::new(title, subtitle, height);
    for (i, panel) in panels.iter().enumerate() {
        let y = HEAD_HEIGHT + PANEL_HEIGHT * i as f64;
        match panel {
            Panel::Time(time) => time.draw(&mut canvas, y),
            Panel::Bars(bars) => bars.draw(&mut canvas, y),
        }
    }
    canvas.end()
}
