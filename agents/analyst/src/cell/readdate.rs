//! A cell taken apart as a date: numbers with - / . or spaces between them, or with the name of a month; a weekday
//! before them, a clock behind.

use super::clock::clock_of;
use super::names::{month_name, without_weekday};
use super::{Moment, Order};

/// Takes a cell apart as a date, a clock and an offset. The numbers' order is the column's to decide.
pub fn read_date(text: &str) -> Moment {
    let mut m = Moment::default();
    let mut rest = without_weekday(text.trim());
    let mut n = 0;
    let mut digits = [0; 3];
    let mut month = None;
    while n < 3 {
        let (value, width) = digits_of(rest);
        if (1..=4).contains(&width) {
            m.set(n, value, "");
            set(&mut digits, n, width);
            rest = behind(rest, width);
        } else if width == 8 && n == 0 {
            m.parts = [value / 10_000, value / 100 % 100, value % 100];
            digits = [4, 2, 2];
            rest = behind(rest, 8);
            n = 3;
            break;
        } else if month.is_none()
            && let Some((value, width)) = month_name(rest)
        {
            month = Some(n);
            m.set(n, value, if width > 4 { "Month" } else { "Mon" });
            rest = behind(rest, width);
        } else {
            break;
        }
        n += 1;
        if n == 3 {
            break;
        }
        let sign = between(rest);
        let after = behind(rest, sign.len());
        let (_, width) = digits_of(after);
        // A clock may follow a date of fewer parts.
        let clock = (1..=2).contains(&width) && behind(after, width).starts_with(':');
        if sign.is_empty() || clock || width == 0 && month_name(after).is_none() {
            break;
        }
        set(&mut m.signs, n - 1, sign);
        rest = after;
    }
    if n == 3 && month.is_none() && digits[0] != 4 && m.signs[0] != m.signs[1] {
        return m;
    }
    m.find(n, month, digits);
    if m.orders.is_empty() {
        return m;
    }
    match clock_of(rest) {
        Some((clock, tail)) if tail.is_empty() || n == 3 => {
            m.clock = clock;
            m.tail = tail;
            m
        }
        _ => Moment::default(),
    }
}

impl Moment {
    fn set(&mut self, n: usize, value: i64, layout: &'static str) {
        set(&mut self.parts, n, value);
        if !layout.is_empty() {
            set(&mut self.layout, n, layout);
        }
    }

    /// Finds in which orders so many parts are a date, one of them perhaps a month by its name.
    fn find(&mut self, n: usize, month: Option<usize>, digits: [usize; 3]) {
        use Order::{DayMonthYear, MonthDayYear, MonthYear, YearMonth, YearMonthDay, YearOnly};
        let [first, second, third] = digits;
        let year = |width: usize| width == 4 || width == 2;
        match (n, month) {
            (3, Some(1)) if first == 4 && third <= 2 => self.allow(YearMonthDay),
            (3, Some(1)) if first <= 2 && year(third) => {
                self.short = third == 2;
                self.allow(DayMonthYear);
            }
            (3, Some(0)) if second <= 2 && year(third) => {
                self.short = third == 2;
                self.allow(MonthDayYear);
            }
            (3, None) if first == 4 && second <= 2 && third <= 2 => self.allow(YearMonthDay),
            (3, None) if first <= 2 && second <= 2 && year(third) => {
                self.short = third == 2;
                self.allow(DayMonthYear);
                self.allow(MonthDayYear);
                if self.short && first == 2 {
                    self.allow(YearMonthDay);
                }
            }
            (2, _) if first == 4 && (month == Some(1) || second == 2 && self.signs[0] != ".") => {
                self.allow(YearMonth)
            }
            (2, _) if second == 4 && (month == Some(0) || first <= 2 && self.signs[0] == "/") => {
                self.allow(MonthYear)
            }
            (2, Some(0)) if second == 2 => {
                self.short = true;
                self.allow(MonthYear);
            }
            (1, _) if first == 4 => self.allow(YearOnly),
            _ => {}
        }
    }
}

fn set<T>(all: &mut [T], at: usize, value: T) {
    if let Some(place) = all.get_mut(at) {
        *place = value;
    }
}

/// What is behind so many bytes.
pub(super) fn behind(text: &str, width: usize) -> &str {
    text.get(width..).unwrap_or_default()
}

/// The number that a text begins with, of nine digits at most, and how many digits there are.
pub(super) fn digits_of(text: &str) -> (i64, usize) {
    let width = text.bytes().take_while(u8::is_ascii_digit).count();
    let value = text
        .bytes()
        .take(width.min(9))
        .fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
    (value, width)
}

/// The sign between two parts of a date.
fn between(text: &str) -> &'static str {
    [". ", ", ", " de ", "- ", "-", "/", ".", " ", ","]
        .into_iter()
        .find(|sign| text.starts_with(sign))
        .unwrap_or("")
}
