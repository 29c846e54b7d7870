//! Which way of writing reads a column best.

use super::column::Certainty;
use super::header::called_year;
use super::infer::Inference;
use super::odd::Odd;
use crate::cell::{Dates, NumberStyle, Order, Styles, read_number};

/// Why a sign that could be either is taken for a decimal comma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaning {
    NoComma,
    LikeSemicolons,
    LikeOthers,
}

impl Inference {
    /// The numbers by the set of styles that reads them.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (Styles, &Odd)> {
        let sets = (0_u16..).map(Styles).zip(&self.numbers);
        sets.filter(|(styles, odd)| !styles.is_empty() && odd.count() > 0)
    }

    /// The dates by the set of orders that reads them.
    pub(super) fn dates(&self) -> impl Iterator<Item = (Dates, &Odd)> {
        let sets = (0_u8..).map(Dates).zip(&self.dates);
        sets.filter(|(orders, odd)| !orders.is_empty() && odd.count() > 0)
    }

    /// Counts the cells that a style reads.
    pub(super) fn hits(&self, style: NumberStyle) -> u64 {
        let read = self.numbers().filter(|(styles, _)| styles.has(style));
        read.map(|(_, odd)| odd.count()).sum()
    }

    /// Counts the cells that are dates in an order.
    pub(super) fn date_hits(&self, order: Order) -> u64 {
        let read = self.dates().filter(|(orders, _)| orders.has(order));
        read.map(|(_, odd)| odd.count()).sum()
    }

    /// The style that reads most, the first where several do; where those differ in the decimal sign, `comma` decides and
    /// it is not sure.
    pub(super) fn best_style(&self, comma: Leaning) -> (NumberStyle, bool) {
        let mut points = (NumberStyle::Plain, 0);
        let mut commas = (NumberStyle::DecimalComma, 0);
        for style in NumberStyle::ALL {
            let best = if style.comma() {
                &mut commas
            } else {
                &mut points
            };
            let n = self.hits(style);
            if n > best.1 {
                *best = (style, n);
            }
        }
        if points.1 == commas.1 {
            // Numbers that both read alike, without any sign in them, are read the plain way.
            let likely = match comma {
                Leaning::LikeOthers => true,
                Leaning::LikeSemicolons => points.0 != NumberStyle::Plain,
                Leaning::NoComma => false,
            };
            return match likely && self.signed() {
                true => (commas.0, false),
                false => (points.0, false),
            };
        }
        match commas.1 > points.1 {
            true => (commas.0, true),
            false => (points.0, true),
        }
    }

    /// Whether any number has a sign between its digits.
    fn signed(&self) -> bool {
        let all = read_number("0").styles;
        self.numbers().any(|(styles, _)| styles != all)
    }

    /// Whether a number has a point that can only be the decimal sign.
    pub(super) fn fractional(&self) -> bool {
        let only = read_number("0.5").styles;
        self.numbers().any(|(styles, _)| styles == only)
    }

    /// Whether some cells mean another number with the other decimal sign, and no cell tells which.
    pub(super) fn undecided(&self) -> bool {
        let (_, sure) = self.best_style(Leaning::NoComma);
        let (point, comma) = (read_number("1.234").styles, read_number("1,234").styles);
        let lakh = Styles::of(NumberStyle::Lakh).0;
        let either = [
            point,
            comma,
            Styles(comma.0 | lakh),
            Styles(comma.0 & !lakh),
        ];
        !sure && self.numbers().any(|(styles, _)| either.contains(&styles))
    }

    /// The order that reads most. Where several do, the one in which the rows lie closest together, if it is clearly so;
    /// else the preferred one, and it is not sure.
    pub(super) fn best_order(&self, preferred: Order) -> (Order, Certainty) {
        let (mut best, mut most) = (Order::YearMonthDay, 0);
        for order in Order::ALL {
            let n = self.date_hits(order);
            if n > most && (order != Order::YearOnly || called_year(&self.column.name)) {
                (best, most) = (order, n);
            }
        }
        let ties =
            |order: &Order| *order != Order::YearOnly && most > 0 && self.date_hits(*order) == most;
        let tied: Vec<Order> = Order::ALL.into_iter().filter(ties).collect();
        let (Some(&last), true) = (tied.last(), tied.len() > 1) else {
            return (best, Certainty::Sure);
        };
        const ENOUGH: u64 = 5;
        if self.travel.steps > ENOUGH {
            let clear = |order: &&Order| {
                let near = 2.0 * self.travel.far(**order);
                let others = tied.iter().filter(|other| other != order);
                others
                    .into_iter()
                    .all(|other| near < self.travel.far(*other))
            };
            if let Some(&order) = tied.iter().find(clear) {
                return (order, Certainty::Nearest);
            }
        }
        match tied.contains(&preferred) {
            true => (preferred, Certainty::Undecided),
            false => (last, Certainty::Undecided),
        }
    }
}
