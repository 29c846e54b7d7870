//! Numbers as people write them.

use std::borrow::Cow;

use super::shape::{rounded, shape};
use super::words::unit_of;
use super::{NumberStyle, Styles, quick};
use crate::word;

/// How long sign and digits of a number may be.
const MAX_CORE: usize = 64;

/// What one cell may mean as a number.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Those in which it is one.
    pub styles: Styles,
    /// The currency or per cent sign that it has.
    pub unit: &'static str,
    /// It has more digits than an `f64` holds.
    pub rounded: bool,
    minus: bool,
    /// The value, where it is the same in every style.
    whole: Option<f64>,
    /// Digits, groups still in them; so many bytes of it.
    text: [u8; MAX_CORE],
    length: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            styles: Styles::NONE,
            unit: "",
            rounded: false,
            minus: false,
            whole: None,
            text: [0; MAX_CORE],
            length: 0,
        }
    }
}

impl Reading {
    /// The number in one style; none where it is no number in it. It may be infinite: the text says so, or is too large.
    pub fn value(&self, style: NumberStyle) -> Option<f64> {
        if !self.styles.has(style) {
            return None;
        }
        let value = match self.whole {
            Some(whole) => whole,
            None => self.digits(style)?,
        };
        Some(if self.minus { -value } else { value })
    }

    fn digits(&self, style: NumberStyle) -> Option<f64> {
        let decimal = if style.comma() { b',' } else { b'.' };
        let mut plain = [0; MAX_CORE];
        let mut n = 0;
        for &byte in self.text.get(..self.length)? {
            let byte = match byte {
                _ if byte == decimal => b'.',
                b',' | b'.' | b' ' | b'\'' => continue,
                _ => byte,
            };
            *plain.get_mut(n)? = byte;
            n += 1;
        }
        std::str::from_utf8(plain.get(..n)?).ok()?.parse().ok()
    }
}

/// Reads a trimmed cell in one style.
pub fn number(text: &str, style: NumberStyle) -> Option<f64> {
    read_number(text).value(style)
}

/// Says in which styles a trimmed cell is a number. A minus is written as - or U+2212 before or after the number, or as
/// parentheses around it; a currency stands before or after it; spaces of every kind make groups. Hexadecimal and
/// underscores are not numbers of a table.
pub fn read_number(text: &str) -> Reading {
    let mut r = Reading::default();
    if text.is_empty() || text.len() > 120 {
        return r;
    }
    if let Some((value, styles)) = quick(text) {
        (r.whole, r.styles) = (Some(value), styles);
        return r;
    }
    if !may_be_number(text.as_bytes()) {
        return r;
    }
    let text = plain(text);
    let Some(core) = r.bare(&text) else { return r };
    if core == "∞"
        || ["inf", "infinity", "1.#inf"]
            .iter()
            .any(|name| word::same(core, name))
    {
        (r.whole, r.styles) = (Some(f64::INFINITY), Styles::BOTH);
        return r;
    }
    let Some(place) = r.text.get_mut(..core.len()) else {
        return r;
    };
    place.copy_from_slice(core.as_bytes());
    r.length = core.len();
    r.styles = shape(core.as_bytes());
    r.rounded = !r.styles.is_empty() && rounded(core.as_bytes());
    r
}

/// A cheap test: a number has a digit, or says that it is infinite.
fn may_be_number(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| byte.is_ascii_digit() || !byte.is_ascii())
        || text
            .windows(3)
            .any(|letters| letters.eq_ignore_ascii_case(b"inf"))
}

/// Makes every space, minus and digit a plain one.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let digit = |c: char, zero: char| char::from_digit(c as u32 - zero as u32, 10);
    let one = |c| match c {
        '\u{2212}' | '\u{fe63}' | '\u{ff0d}' | '\u{2012}' => Some('-'),
        '’' | '\u{2bc}' | '٬' => Some('\''),
        '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{61c}' => None,
        '٠'..='٩' => digit(c, '٠'),
        '۰'..='۹' => digit(c, '۰'),
        '٫' => Some('.'),
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    };
    Cow::Owned(text.chars().filter_map(one).collect())
}

impl Reading {
    /// Takes sign, parentheses and unit off a number.
    fn bare<'t>(&mut self, mut text: &'t str) -> Option<&'t str> {
        let mut signs = 0;
        loop {
            text = text.trim_matches(' ');
            let (&first, &last) = (text.as_bytes().first()?, text.as_bytes().last()?);
            let rest = if first == b'(' && last == b')' {
                self.minus = true;
                signs += 1;
                // A parenthesis alone is both of them.
                text.get(1..text.len() - 1)?
            } else if first == b'-' || first == b'+' {
                self.minus |= first == b'-';
                signs += 1;
                text.get(1..)?
            } else if last == b'-' {
                self.minus = true;
                signs += 1;
                text.get(..text.len() - 1)?
            } else if first.is_ascii_digit() && last.is_ascii_digit() || !self.unit.is_empty() {
                break;
            } else if let Some((rest, unit)) = unit_of(text) {
                self.unit = unit;
                rest
            } else {
                break;
            };
            text = rest;
            if text.is_empty() {
                return None;
            }
        }
        (signs <= 1).then_some(text)
    }
}
