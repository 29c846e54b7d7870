//! What of a column was not read as it stands.

use super::cautions::Caution;
use super::words::{odd, wanting, word};
use crate::profile::{Certainty, Column, Kind, Odd};

/// Adds the cautions of a column.
pub(super) fn of_column(c: &Column, out: &mut Vec<Caution>) {
    let name = word(&c.name);
    let mut cells = |of: &Odd, left: bool, one: &str, many: &str, what: &str| {
        if of.count() > 0 {
            let text = format!("**{name}**: {}: {what}.", odd(of, one, many));
            out.push(Caution::new(left, text));
        }
    };
    if c.kind != Kind::Text && c.kind != Kind::Mixed {
        let what = wanting(c.kind);
        let (one, many) = (format!("cell is {what}"), format!("cells are {what}"));
        cells(&c.odd, true, &one, &many, "left out");
    }
    match c.kind {
        Kind::Number => {
            let style = c.style.name();
            cells(
                &c.against,
                true,
                &format!("number is not written as {style}"),
                &format!("numbers are not written as {style}"),
                "not read, since a column has one decimal sign and one kind of groups",
            );
            cells(
                &c.infinite,
                true,
                "number is infinite or too large",
                "numbers are infinite or too large",
                "left out of every figure",
            );
            let unit = match c.unit {
                "" => "without a unit".into(),
                unit => format!("in {}", word(unit)),
            };
            cells(
                &c.other_unit,
                false,
                &format!("number has another unit than the first, which is {unit}"),
                &format!("numbers have another unit than the first, which is {unit}"),
                "read as if it were the same",
            );
            cells(
                &c.rounded,
                false,
                "number has more digits than are held",
                "numbers have more digits than are held",
                "rounded to about 16",
            );
            if c.undecided {
                let sign = match c.style.grouping() {
                    true => "a group's",
                    false => "a decimal sign",
                };
                let text = format!(
                    "**{name}**: what stands before three digits could be a decimal sign or a group's; read as {sign} ({style})."
                );
                out.push(Caution::new(false, text));
            }
        }
        Kind::Mixed => cells(
            &c.odd,
            false,
            "cell is no number of one way of writing",
            "cells are no numbers of one way of writing",
            "no figures were made",
        ),
        Kind::Date => {
            let layout = word(&c.layout);
            let text = match c.certainty {
                Certainty::Sure => return,
                Certainty::Undecided => {
                    format!("**{name}**: day and month could be exchanged; read as {layout}.")
                }
                Certainty::Nearest => format!(
                    "**{name}**: day, month and year could be exchanged; read as {layout}, in which the rows lie closest together."
                ),
            };
            out.push(Caution::new(false, text));
        }
        _ => {}
    }
}
