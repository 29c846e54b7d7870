//! Round values, labels and well-formed pictures.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::labels::tick_labels;
use super::scale::ticks;
use super::timeticks::time_ticks;
use super::{Bars, Panel, Point, Stretch, Time, render};
use crate::cell::When;

#[test]
fn ticks_are_round_and_within_the_range() {
    let cases: [(f64, f64, &[f64]); 4] = [
        (0.0, 10.0, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
        (-3.0, 7.0, &[-2.0, 0.0, 2.0, 4.0, 6.0]),
        (0.0, 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (5.0, 5.0, &[5.0]),
    ];
    for (from, to, want) in cases {
        let got = ticks(from, to, 5);
        assert_eq!(got.len(), want.len(), "{got:?}");
        assert!(
            got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9),
            "{got:?}"
        );
    }
}

#[test]
fn tick_labels_are_as_short_as_their_step_allows() {
    let cases: [(&str, &[f64]); 8] = [
        ("0 0.2 0.4", &[0.0, 0.2, 0.4]),
        ("−2 0 2", &[-2.0, 0.0, 2.0]),
        ("0 20k 40k", &[0.0, 20_000.0, 40_000.0]),
        ("0 500k 1000k", &[0.0, 500_000.0, 1_000_000.0]),
        ("0 5M 10M", &[0.0, 5e6, 10e6]),
        ("9990 9995 10000", &[9990.0, 9995.0, 10_000.0]),
        ("0 0.0005 0.0010", &[0.0, 0.0005, 0.001]),
        ("−2e+16 0 2e+16", &[-2e16, 0.0, 2e16]),
    ];
    for (want, values) in cases {
        assert_eq!(tick_labels(values).join(" "), want);
    }
}

#[test]
fn time_ticks_start_on_the_unit_that_fits_the_range() {
    let cases = [
        (
            (2024, 1, 15),
            (2024, 5, 20),
            "Feb 2024|Mar 2024|Apr 2024|May 2024",
        ),
        (
            (2024, 3, 1),
            (2024, 3, 3),
            "1 Mar 00:00|1 Mar 06:00|1 Mar 12:00|1 Mar 18:00|2 Mar 00:00|2 Mar 06:00|2 Mar 12:00|2 Mar 18:00|3 Mar 00:00",
        ),
        ((2024, 3, 1), (2024, 3, 5), "1 Mar|2 Mar|3 Mar|4 Mar|5 Mar"),
        (
            (2019, 6, 1),
            (2020, 6, 1),
            "Jul 2019|Oct 2019|Jan 2020|Apr 2020",
        ),
        ((2000, 6, 1), (2012, 6, 1), "2002|2004|2006|2008|2010|2012"),
        (
            (1900, 1, 1),
            (2020, 1, 1),
            "1900|1920|1940|1960|1980|2000|2020",
        ),
        (
            (1700, 1, 1),
            (2020, 1, 1),
            "1720|1760|1800|1840|1880|1920|1960|2000",
        ),
    ];
    for ((y, m, d), (to_y, to_m, to_d), want) in cases {
        let ticks = time_ticks(When::of(y, m, d), When::of(to_y, to_m, to_d));
        let labels: Vec<String> = ticks.into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels.join("|"), want);
    }
}

#[test]
fn any_name_gives_well_formed_xml() {
    let evil = "a<b> & \"c\" \0\u{1b}[31m \u{fffe} ]]>";
    let point = |x: f64, y: f64| Point { x, y };
    let stretch = |x, mean, low, high| Stretch { x, mean, low, high };
    let svg = render(
        evil,
        evil,
        &[
            Panel::Time(Time {
                title: evil.into(),
                x_label: evil.into(),
                y_label: evil.into(),
                from: When::of(1970, 1, 1),
                to: When::of(1970, 3, 1),
                stretches: vec![stretch(0.0, 1.0, 1.0, 1.0), stretch(30.0, 2.0, 1.0, 3.0)],
                line_label: evil.into(),
                trend: Some(([point(0.0, 1.0), point(30.0, 2.0)], evil.into())),
                marks: vec![point(3.0, 9.0)],
                mark_label: evil.into(),
            }),
            Panel::Bars(Bars {
                title: evil.into(),
                x_label: evil.into(),
                labels: vec![evil.into(), "b".into()],
                counts: vec![3, 4],
                ..Bars::default()
            }),
            Panel::Bars(Bars {
                title: "flat".into(),
                from: 1.0,
                to: 2.0,
                counts: vec![0, 0],
                line: Some((1.5, "median".into())),
                note: "2 outside".into(),
                ..Bars::default()
            }),
        ],
    );
    let mut reader = quick_xml::Reader::from_str(&svg);
    let mut texts = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Text(_) => texts += 1,
            _ => {}
        }
    }
    assert!(texts > 10);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}
