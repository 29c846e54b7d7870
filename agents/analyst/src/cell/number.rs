//! Numbers as people write them.

use super::{NumberStyle, Styles};

/// What one cell may mean as a number.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Those in which it is one.
    pub styles: Styles,
    /// The currency or per cent sign that it has.
    pub unit: &'static str,
    /// It has more digits than an `f64` holds.
    pub rounded: bool,
}

impl Reading {
    /// The number in one style; none where it is no number in it. It may be infinite: the text says so, or is too large.
    pub fn value(&self, style: NumberStyle) -> Option<f64> {
        let _ = style;
        todo!()
    }
}

/// Reads a trimmed cell in one style.
pub fn number(text: &str, style: NumberStyle) -> Option<f64> {
    read_number(text).value(style)
}

/// Says in which styles a trimmed cell is a number.
pub fn read_number(text: &str) -> Reading {
    let _ = text;
    todo!()
}
