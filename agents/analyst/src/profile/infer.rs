//! What the first pass gathers about one column.

use super::column::Column;
use super::header::{called_date, called_year};
use super::odd::Odd;
use super::tally::Tally;
use super::travel::Travel;
use crate::cell::{self, Dates, NumberStyle, Order, Reading, Styles};

/// After how many cells that are none a column is not asked for dates, times and truth values any more.
const DATE_TRIES: u64 = 200;
/// The longest of the usual forms of a date.
const MOMENT: usize = 20;

/// What is learnt of a column, cell by cell.
pub(super) struct Inference {
    pub(super) column: Column,
    /// Cells by the set of styles or orders that read them; `no_number` and `none` are those that none reads.
    pub(super) numbers: Vec<Odd>,
    pub(super) dates: Vec<Odd>,
    pub(super) no_number: Odd,
    pub(super) none: Odd,
    pub(super) travel: Travel,
    pub(super) layout: [Option<String>; Order::ALL.len()],
    asked: u64,
    pub(super) clocks: u64,
    pub(super) truths: u64,
    pub(super) no_clock: Odd,
    pub(super) no_truth: Odd,
    pub(super) whole: bool,
    pub(super) sequence: bool,
    last: f64,
    pub(super) tally: Tally,
    /// The name says that a bare year may be a date.
    yearly: bool,
    /// The name says that eight digits may be a date.
    dated: bool,
    /// Numbers that were taken for nothing else.
    pub(super) plain: Odd,
    /// Cells that say what another said before that is nothing but text.
    pub(super) dull: u64,
    /// The last date of the usual form, which comes again in the next row as a rule, and its hash.
    moment: [u8; MOMENT],
    length: usize,
    hash: u64,
    /// How often one came again.
    pub(super) again: u64,
    /// The last cell is a date or a time.
    a_date: bool,
    /// The number of the last cell, in each of its styles; where it was not quick, `reading` has it.
    value: f64,
    styles: Styles,
    reading: Option<Reading>,
}

impl Inference {
    pub(super) fn new(index: usize, name: String, columns: usize) -> Self {
        Self {
            numbers: vec![Odd::default(); Styles::SETS],
            dates: vec![Odd::default(); Dates::SETS],
            no_number: Odd::default(),
            none: Odd::default(),
            travel: Travel::default(),
            layout: Default::default(),
            asked: 0,
            clocks: 0,
            truths: 0,
            no_clock: Odd::default(),
            no_truth: Odd::default(),
            whole: true,
            sequence: true,
            last: 0.0,
            tally: Tally::new(columns),
            yearly: called_year(&name),
            dated: called_date(&name),
            plain: Odd::default(),
            dull: 0,
            moment: [0; MOMENT],
            length: 0,
            hash: 0,
            again: 0,
            a_date: false,
            value: 0.0,
            styles: Styles::NONE,
            reading: None,
            column: Column {
                index,
                name,
                ..Column::default()
            },
        }
    }

    /// The last cell's number in a style.
    #[inline]
    pub(super) fn number(&self, style: NumberStyle) -> Option<f64> {
        if !self.styles.has(style) {
            return None;
        }
        match &self.reading {
            None => Some(self.value),
            Some(reading) => reading.value(style),
        }
    }

    /// Takes a cell.
    #[inline]
    pub(super) fn add(&mut self, text: &[u8], line: u64) {
        if text.is_empty() {
            self.miss();
            return;
        }
        if text.len() == self.length && self.moment.get(..self.length) == Some(text) {
            self.styles = Styles::NONE;
            self.column.present += 1;
            self.again += 1;
            self.tally.again(self.hash);
            return;
        }
        let quick = cell::quick(text);
        if let Some((value, styles)) = quick
            && self.usual(text, value, styles)
        {
            return;
        }
        self.another(text, quick, line);
    }

    #[inline]
    fn miss(&mut self) {
        self.styles = Styles::NONE;
        self.column.missing += 1;
        self.sequence = false;
    }

    /// Whether the column may have a date that is written as this number is.
    #[inline]
    fn may_be_date(&self, length: usize) -> bool {
        length == 4 && self.yearly || length == 8 && self.dated
    }

    /// Counts a number that tells nothing new: one of a style that was met, in a column whose numbers have no unit.
    #[inline]
    fn usual(&mut self, text: &[u8], value: f64, styles: Styles) -> bool {
        let date = self.may_be_date(text.len());
        let Some(met) = self.numbers.get_mut(styles.index()) else {
            return false;
        };
        if self.plain.count() == 0 || met.count() == 0 || !self.column.unit.is_empty() || date {
            return false;
        }
        met.place.count += 1;
        (self.value, self.styles) = (value, styles);
        // It is dropped only where there is one: that is a call.
        if self.reading.is_some() {
            self.reading = None;
        }
        self.column.present += 1;
        self.plain.place.count += 1;
        if !self.tally.capped {
            self.tally.add(text);
        }
        if self.whole || self.sequence {
            self.follow(value, styles.has(NumberStyle::Plain));
        }
        true
    }

    /// Whether the numbers are still whole, and count the rows.
    fn follow(&mut self, value: f64, plain: bool) {
        self.whole &= value == value.trunc();
        // Of a number that is large enough the next one is itself.
        let next = value == self.last + 1.0 && value > self.last;
        self.sequence &= plain && self.whole && (self.column.present == 1 || next);
        self.last = value;
    }

    #[inline(never)]
    fn another(&mut self, text: &[u8], quick: Option<(f64, Styles)>, line: u64) {
        (self.value, self.styles) = quick.unwrap_or((0.0, Styles::NONE));
        self.reading = None;
        if quick.is_none() && cell::missing(text) {
            self.miss();
            return;
        }
        self.column.present += 1;
        let (hash, dull) = self.tally.add(text);
        if dull {
            self.dull += 1;
            return;
        }
        if self.layout[Order::YearMonthDay as usize].is_some()
            && cell::iso(text).is_some()
            && let Some(moment) = self.moment.get_mut(..text.len())
        {
            moment.copy_from_slice(text);
            (self.length, self.hash) = (text.len(), hash);
            self.an_iso_date(text, line);
            return;
        }
        let words = std::str::from_utf8(text).unwrap_or_default();
        if quick.is_none() {
            let reading = cell::read_number(words);
            self.styles = reading.styles;
            self.reading = Some(reading).filter(|reading| !reading.styles.is_empty());
        }
        if self.styles.is_empty() {
            self.no_number.note(text, line);
            self.sequence = false;
        } else {
            self.a_number(text, line);
            // A bare year or a day of eight digits is a number too.
            if !self.may_be_date(text.len()) {
                self.plain.note(text, line);
                return;
            }
        }
        self.try_date(words, line);
        let asked = self.truths > 0 || self.no_truth.count() < DATE_TRIES;
        let truth = !self.a_date && asked && cell::truth(words).is_some();
        if truth {
            self.truths += 1;
        } else {
            self.no_truth.note(text, line);
        }
        if self.styles.is_empty() && !truth && !self.a_date {
            self.tally.bore(hash);
        }
    }

    fn a_number(&mut self, text: &[u8], line: u64) {
        if let Some(odd) = self.numbers.get_mut(self.styles.index()) {
            odd.note(text, line);
        }
        let c = &mut self.column;
        let (unit, rounded) = match &self.reading {
            Some(reading) => (reading.unit, reading.rounded),
            None => ("", false),
        };
        if rounded {
            c.rounded.note(text, line);
        }
        if c.present - self.no_number.count() - self.dull - self.again == 1 {
            c.unit = unit;
        } else if c.unit != unit {
            c.other_unit.note(text, line);
        }
        if !self.whole && !self.sequence {
            return;
        }
        let plain = self.number(NumberStyle::Plain);
        let first = || self.styles.first().and_then(|style| self.number(style));
        let value = plain.or_else(first).unwrap_or_default();
        self.follow(value, plain.is_some());
    }

    /// Counts a date whose form was met, or another that is the same to a reader: it is no number, and has one order.
    fn an_iso_date(&mut self, text: &[u8], line: u64) {
        self.no_number.note(text, line);
        self.sequence = false;
        if let Some(odd) = self.dates.get_mut(Dates::of(Order::YearMonthDay).index()) {
            odd.note(text, line);
        }
        self.no_clock.note(text, line);
        self.no_truth.note(text, line);
    }

    fn try_date(&mut self, text: &str, line: u64) {
        let bytes = text.as_bytes();
        self.a_date = true;
        // What came again is of dates.
        let others = self.plain.count() + self.none.count() + self.dull + 1;
        if self.asked > DATE_TRIES && self.column.present == others && self.clocks == 0 {
            self.none.note(bytes, line);
            self.no_clock.note(bytes, line);
            self.a_date = false;
            return;
        }
        self.asked += 1;
        let clock = cell::time_of_day(text).is_some();
        if clock {
            self.clocks += 1;
        } else {
            self.no_clock.note(bytes, line);
        }
        let moment = match cell::may_be_date(text) {
            true => cell::read_date(text),
            false => cell::Moment::default(),
        };
        if moment.orders.is_empty() {
            self.none.note(bytes, line);
            self.a_date = clock;
            return;
        }
        if let Some(odd) = self.dates.get_mut(moment.orders.index()) {
            odd.note(bytes, line);
        }
        self.column.short_years |= moment.short;
        for (order, layout) in Order::ALL.into_iter().zip(&mut self.layout) {
            if moment.orders.has(order) && layout.is_none() {
                *layout = Some(moment.layout(order));
            }
        }
        self.travel.add(&moment);
    }
}
