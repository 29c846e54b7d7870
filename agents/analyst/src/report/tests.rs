//! Numbers and names as they are written.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::findings::slope_unit;
use super::numbers::{figure, percent};
use super::words::{odd, word};
use crate::cell::When;
use crate::csvfile::Place;
use crate::profile::{Column, Odd};

#[test]
fn figures_are_written_for_a_reader() {
    for (want, value) in [
        ("0", 0.0),
        ("12", 12.0),
        ("−1,234", -1234.0),
        ("1,234,567", 1_234_567.0),
        ("0.33333", 1.0 / 3.0),
        ("3.1416", std::f64::consts::PI),
        ("1,234.6", 1234.56),
        ("12,345.7", 12345.67),
        ("0.00012", 0.00012),
        ("1.000e-05", 0.00001),
        ("−2.500e+20", -2.5e20),
        ("–", f64::NAN),
    ] {
        assert_eq!(figure(value), want);
    }
}

#[test]
fn a_share_is_never_rounded_to_nothing_or_all() {
    for (want, part, whole) in [
        ("0 %", 0, 10),
        ("100 %", 10, 10),
        ("<1 %", 1, 1000),
        (">99 %", 999, 1000),
        ("50 %", 1, 2),
        ("–", 0, 0),
    ] {
        assert_eq!(percent(part, whole), want);
    }
}

#[test]
fn a_slope_is_told_in_a_unit_that_the_data_spans_several_times() {
    for (want, days) in [("hour", 1), ("day", 30), ("month", 400), ("year", 2000)] {
        let axis = Column {
            first: Some(When::of(2024, 1, 1)),
            last: Some(When::of(2024, 1, 1 + days)),
            ..Column::default()
        };
        assert_eq!(slope_unit(&axis).1, want, "{days} days");
    }
}

#[test]
fn a_name_cannot_break_out_of_its_place_in_the_report() {
    assert_eq!(
        word("a|b\n**c** <i> [x](y) `z`"),
        "a\\|b \\*\\*c\\*\\* &lt;i> \\[x](y) \\`z\\`"
    );
    assert_eq!(word(&"x".repeat(60)), "x".repeat(60));
    assert_eq!(word(&"é".repeat(61)), "é".repeat(59) + "…");
}

#[test]
fn what_cannot_be_seen_in_a_cell_is_written_as_its_number() {
    let cell = Odd {
        place: Place { count: 1, line: 2 },
        text: "a\"\u{1b}\u{200e}".into(),
    };
    assert_eq!(
        odd(&cell, "cell", "cells"),
        "1 cell (line 2: \"a\\\"\\x1b\\u200e\")"
    );
}
