//! What a column is, once all of it was seen.

use super::column::{Certainty, Column, Kind};
use super::infer::Inference;
use super::style::Leaning;
use super::table::Table;
use crate::cell::{Dates, NumberStyle, Order};

impl Table {
    /// Makes up the mind about the columns: first about those that leave no choice, then about the others, which follow
    /// them where they may.
    pub(super) fn decide(&mut self, mut columns: Vec<Inference>) {
        let (mut commas, mut points) = (0, 0);
        let (mut days, mut months) = (0, 0);
        for f in &mut columns {
            f.settle();
            let (style, sure) = f.best_style(Leaning::NoComma);
            if sure && 10 * f.hits(style) >= 9 * f.column.present {
                if style.comma() {
                    commas += 1;
                } else if f.fractional() {
                    points += 1;
                }
            }
            let (order, sure) = f.best_order(Order::DayMonthYear);
            if sure != Certainty::Undecided && f.date_hits(order) > 0 {
                match order {
                    Order::DayMonthYear => days += 1,
                    Order::MonthDayYear => months += 1,
                    _ => {}
                }
            }
        }
        let separator = self.layout.dialect.separator;
        // 1,234 is a thousand or a fraction. The other columns say which; else semicolons do, which are used where commas
        // are decimal signs. They do not make thousands of 1.234.
        let comma = if commas > points {
            Leaning::LikeOthers
        } else if commas == points && separator == b';' {
            Leaning::LikeSemicolons
        } else {
            Leaning::NoComma
        };
        let order = match months > days {
            true => Order::MonthDayYear,
            false => Order::DayMonthYear,
        };
        for f in columns {
            let mut column = f.decide(self.rows, comma, order);
            if separator == b',' && column.style == NumberStyle::Plain {
                // Who separates by commas writes fractions with points, of three digits too.
                column.undecided = false;
            }
            self.columns.push(column);
        }
        let full = |c: &Column| c.kind == Kind::Date && 10 * c.present >= 9 * self.rows;
        self.axis = self.columns.iter().position(full);
    }
}

impl Inference {
    /// Adds what was counted in one for several.
    fn settle(&mut self) {
        // What was passed over is odd as its first was.
        for odd in [
            &mut self.no_number,
            &mut self.none,
            &mut self.no_clock,
            &mut self.no_truth,
        ] {
            odd.place.count += self.dull;
        }
        if let Some(odd) = self.dates.get_mut(Dates::of(Order::YearMonthDay).index()) {
            odd.place.count += self.again;
        }
        for odd in [&mut self.no_number, &mut self.no_clock, &mut self.no_truth] {
            odd.place.count += self.again;
        }
        (self.dull, self.again) = (0, 0);
        // What is a number and nothing else is no date, no time and no truth value either.
        for other in [&mut self.none, &mut self.no_clock, &mut self.no_truth] {
            other.join(&self.plain);
        }
    }

    fn decide(mut self, rows: u64, comma: Leaning, order: Order) -> Column {
        let mut c = std::mem::take(&mut self.column);
        // Its name is asked for.
        self.column.name.clone_from(&c.name);
        c.distinct = self.tally.distinct as u64;
        c.distinct_capped = self.tally.capped;
        c.top = self.tally.frequencies();
        let (style, _) = self.best_style(comma);
        let in_any_style = c.present - self.no_number.count();
        let (when, certainty) = self.best_order(order);
        // Most of the cells must be of a kind: nine in ten.
        let most = |n: u64| c.present > 0 && 10 * n >= 9 * c.present;
        if c.present == 0 {
            c.kind = Kind::Empty;
        } else if most(self.date_hits(when)) {
            c.kind = Kind::Date;
            let layout = self.layout.get_mut(when as usize);
            c.layout = layout.and_then(Option::take).unwrap_or_default();
            (c.order, c.certainty) = (when, certainty);
            c.odd = self.none.clone();
            for (_, odd) in self.dates().filter(|(orders, _)| !orders.has(when)) {
                c.odd.join(odd);
            }
        } else if most(in_any_style) {
            let mixed = !most(self.hits(style));
            c.kind = Kind::Number;
            c.style = style;
            c.fractions = !self.whole;
            c.sequence = self.sequence && rows > 2 && c.present == rows;
            c.odd = self.no_number.clone();
            for (_, odd) in self.numbers().filter(|(styles, _)| !styles.has(style)) {
                c.against.join(odd);
            }
            c.undecided = self.undecided();
            if mixed {
                c.kind = Kind::Mixed;
                c.odd.join(&c.against);
            }
        } else if most(self.clocks) {
            c.kind = Kind::Time;
            c.odd = self.no_clock;
        } else if most(self.truths) {
            c.kind = Kind::Truth;
            c.odd = self.no_truth;
        } else if 10 * in_any_style >= c.present {
            c.kind = Kind::Mixed;
            c.odd = self.no_number;
        } else {
            c.kind = Kind::Text;
        }
        c
    }
}
