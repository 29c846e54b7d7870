//! How far it is from row to row.

use crate::cell::{Moment, Order, When};

/// The orders that a day and a month could have.
const CHOICES: [Order; 3] = [
    Order::YearMonthDay,
    Order::DayMonthYear,
    Order::MonthDayYear,
];

/// How far it is from row to row in each of these orders, in hours.
#[derive(Debug)]
pub(super) struct Travel {
    pub(super) steps: u64,
    far: [f64; 3],
    last: [When; 3],
}

impl Default for Travel {
    fn default() -> Self {
        Self {
            steps: 0,
            far: [0.0; 3],
            last: [When::ZERO; 3],
        }
    }
}

impl Travel {
    pub(super) fn add(&mut self, moment: &Moment) {
        if moment.orders.0.count_ones() < 2 {
            return; // one order is no choice
        }
        for ((far, last), order) in self.far.iter_mut().zip(&mut self.last).zip(CHOICES) {
            let when = moment.time(order);
            if let Some(when) = when
                && *last != When::ZERO
            {
                *far += when.hours_since(*last).abs();
            }
            *last = when.unwrap_or(When::ZERO);
        }
        self.steps += 1;
    }

    /// How far it was in one order.
    pub(super) fn far(&self, order: Order) -> f64 {
        let of = self
            .far
            .iter()
            .zip(CHOICES)
            .find(|(_, each)| *each == order);
        of.map_or(0.0, |(&far, _)| far)
    }
}
