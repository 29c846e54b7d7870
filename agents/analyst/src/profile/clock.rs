//! One column of dates, row by row.

use crate::cell::{Order, When, date, missing};

/// The longest text of a date.
const LONGEST: usize = 48;

/// Reads dates; neighbours are often of the same moment.
#[derive(Debug)]
pub(super) struct Clock {
    order: Order,
    text: [u8; LONGEST],
    length: usize,
    /// Days since 1970; NaN where it is no date.
    pub(super) at: f64,
    pub(super) first: Option<When>,
    pub(super) last: Option<When>,
}

impl Clock {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            text: [0; LONGEST],
            length: 0,
            at: f64::NAN,
            first: None,
            last: None,
        }
    }

    #[inline]
    pub(super) fn read(&mut self, text: &[u8]) {
        if text.is_empty() || self.text.get(..self.length) != Some(text) {
            self.another(text);
        }
    }

    #[inline(never)]
    fn another(&mut self, text: &[u8]) {
        (self.length, self.at) = (0, f64::NAN);
        if missing(text) {
            return;
        }
        let text = std::str::from_utf8(text).unwrap_or_default();
        let Some(when) = date(text, self.order) else {
            return;
        };
        if let Some(place) = self.text.get_mut(..text.len()) {
            place.copy_from_slice(text.as_bytes());
            self.length = text.len();
        }
        self.at = when.days();
        if self.first.is_none_or(|first| when < first) {
            self.first = Some(when);
        }
        if self.last.is_none_or(|last| when > last) {
            self.last = Some(when);
        }
    }
}
