//! Dates whose parts are known before it is decided which is which.

use super::when::days_of;
use super::{When, iso, read_date};

/// In which order a column writes the parts of its dates; in the order in which they win where several read a column
/// equally well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Order {
    #[default]
    YearMonthDay,
    DayMonthYear,
    MonthDayYear,
    YearMonth,
    MonthYear,
    YearOnly,
}

impl Order {
    /// Every order, in their order.
    pub const ALL: [Self; 6] = [
        Self::YearMonthDay,
        Self::DayMonthYear,
        Self::MonthDayYear,
        Self::YearMonth,
        Self::MonthYear,
        Self::YearOnly,
    ];
}

/// A set of orders; `.0` is its bits, order by order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates(pub u8);

impl Dates {
    /// How many sets there are.
    pub const SETS: usize = 1 << Order::ALL.len();

    /// The set of one order.
    pub const fn of(order: Order) -> Self {
        Self(1 << order as u8)
    }

    /// Whether an order is in the set.
    #[inline]
    pub const fn has(self, order: Order) -> bool {
        self.0 & (1 << order as u8) != 0
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set's bits as an index into what has a place for each set.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A date as its parts, before it is decided which is which.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// Those in which it is a date.
    pub orders: Dates,
    /// The year has two digits: 69 to 99 are of the twentieth century, the others of this one (as POSIX strptime has
    /// it).
    pub short: bool,
    pub(super) parts: [i64; 3],
    /// Nanoseconds since midnight.
    pub(super) clock: i64,
    /// How the name of a month is written, in the letters of a report; by the part.
    pub(super) layout: [&'static str; 3],
    pub(super) signs: [&'static str; 2],
    pub(super) tail: String,
}

impl Moment {
    /// The moment in one order.
    pub fn time(&self, order: Order) -> Option<When> {
        if !self.orders.has(order) {
            return None;
        }
        let (year, month, day) = self.calendar(order);
        Some(When::of(year, month, day).plus_nanos(self.clock))
    }

    fn calendar(&self, order: Order) -> (i64, i64, i64) {
        let [a, b, c] = self.parts;
        let (year, month, day) = match order {
            Order::YearMonthDay => (a, b, c),
            Order::DayMonthYear => (c, b, a),
            Order::MonthDayYear => (c, a, b),
            Order::YearMonth => (a, b, 1),
            Order::MonthYear => (b, a, 1),
            Order::YearOnly => (a, 1, 1),
        };
        match self.short {
            true if year < 69 => (year + 2000, month, day),
            true => (year + 1900, month, day),
            false => (year, month, day),
        }
    }

    /// Puts an order into the set if the parts make a day that was.
    pub(super) fn allow(&mut self, order: Order) {
        let (year, month, day) = self.calendar(order);
        if (1..=12).contains(&month) && day >= 1 && day <= days_of(year, month) {
            self.orders.0 |= Dates::of(order).0;
        }
    }

    /// How the cell is written in an order, as a report shows it.
    pub fn layout(&self, order: Order) -> String {
        let letters = match order {
            Order::YearMonthDay => "YMD",
            Order::DayMonthYear => "DMY",
            Order::MonthDayYear => "MDY",
            Order::YearMonth => "YM",
            Order::MonthYear => "MY",
            Order::YearOnly => "Y",
        };
        let mut out = String::new();
        let signs = [""].into_iter().chain(self.signs);
        for ((letter, sign), named) in letters.chars().zip(signs).zip(self.layout) {
            out.push_str(sign);
            match letter {
                'Y' if self.short => out.push_str("YY"),
                'Y' => out.push_str("YYYY"),
                _ if !named.is_empty() => out.push_str(named),
                _ => out.extend([letter, letter]),
            }
        }
        out.push_str(&self.tail);
        out
    }
}

/// A cheap test that comes before the layouts: a date has a digit, and is neither short nor long.
#[inline]
pub fn may_be_date(text: &str) -> bool {
    (4..=48).contains(&text.len()) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Reads a trimmed cell in one order. Without an offset it is UTC.
pub fn date(text: &str, order: Order) -> Option<When> {
    if !may_be_date(text) {
        return None;
    }
    match iso(text) {
        Some(seconds) if order == Order::YearMonthDay => Some(When::unix(seconds)),
        _ => read_date(text).time(order),
    }
}
