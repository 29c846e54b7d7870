//! What is measured in a table.

use super::column::Kind;
use super::table::Table;
use crate::cell::{NumberStyle, Order};

/// Which columns have figures, which are dates, which of those orders the rows. A guess from the first rows has the
/// figures taken while the columns are still being learnt; where the guess was right the file is read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) numbers: Vec<Planned<NumberStyle>>,
    pub(super) dates: Vec<Planned<Order>>,
    /// Among the dates; none where the row's number orders the rows.
    pub(super) axis: Option<usize>,
}

/// A column by its index, and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned<S> {
    pub(super) index: usize,
    pub(super) how: S,
}

impl Table {
    /// What the table's columns make of it.
    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for column in &self.columns {
            if column.numeric() {
                plan.numbers.push(Planned {
                    index: column.index,
                    how: column.style,
                });
            } else if column.kind == Kind::Date {
                if self.axis == Some(column.index) {
                    plan.axis = Some(plan.dates.len());
                }
                plan.dates.push(Planned {
                    index: column.index,
                    how: column.order,
                });
            }
        }
        plan
    }
}
