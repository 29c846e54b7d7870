//! Cells as people write them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::shape::shape;
use super::{
    NumberStyle, NumberStyle::*, Order, When, iso, missing, number, quick, read_date, read_number,
    time_of_day, truth,
};

#[test]
fn numbers_are_read_in_their_style() {
    for (text, style, want) in [
        ("12", Plain, Some(12.0)),
        ("-1.5e3", Plain, Some(-1500.0)),
        ("1,5E+03", DecimalComma, Some(1500.0)),
        ("12 %", Plain, Some(12.0)),
        ("$4.20", Plain, Some(4.2)),
        ("-€3", Plain, Some(-3.0)),
        ("€-3", Plain, Some(-3.0)),
        ("3 EUR", Plain, Some(3.0)),
        ("R$ 1.234,50", DotGrouped, Some(1234.5)),
        ("CHF 1'250.40", TickPoint, Some(1250.4)),
        ("1’250.40", TickPoint, Some(1250.4)),
        ("₹12,34,567.80", Lakh, Some(1_234_567.8)),
        ("12,34,567.80", Grouped, None),
        ("1,234.5", Plain, None),
        ("1,234.5", Grouped, Some(1234.5)),
        ("1,234,567", Grouped, Some(1_234_567.0)),
        ("12,34", Grouped, None),
        ("1,2345", Grouped, None),
        (",123", Grouped, None),
        (",5", DecimalComma, Some(0.5)),
        ("12,34", DecimalComma, Some(12.34)),
        ("1.234,5", DotGrouped, Some(1234.5)),
        ("1.234,5", DecimalComma, None),
        ("-1 234,5", SpacedComma, Some(-1234.5)),
        ("\u{2212}1\u{202f}234,5", SpacedComma, Some(-1234.5)),
        ("1\u{a0}234\u{2009}567", SpacedPoint, Some(1_234_567.0)),
        ("1 23", SpacedPoint, None),
        ("1.234.567", DotGrouped, Some(1_234_567.0)),
        ("1.5", DecimalComma, None),
        ("(1,250.00)", Grouped, Some(-1250.0)),
        ("(€ 12.50)", Plain, Some(-12.5)),
        ("1,250.00-", Grouped, Some(-1250.0)),
        ("+7", Plain, Some(7.0)),
        ("۱۲۳", Plain, Some(123.0)),
        ("Inf", Plain, Some(f64::INFINITY)),
        ("-∞", DecimalComma, Some(f64::NEG_INFINITY)),
        ("1e999", Plain, Some(f64::INFINITY)),
    ] {
        assert_eq!(number(text, style), want, "{text} {style:?}");
    }
    for text in [
        "(-5)", "--5", "0x10", "1_000", "-", "e", "1e", "1-2", "%", "",
    ] {
        assert_eq!(number(text, Plain), None, "{text}");
    }
}

#[test]
fn words_are_known() {
    for text in [
        "", "-", "NA", "n/a", "#N/A", "NULL", "None", "NaN", "–", "…", "(null)", "1.#QNAN",
    ] {
        assert!(missing(text), "{text}");
    }
    for text in [
        "0",
        "nano",
        "no",
        "nonexistent",
        "x",
        "12",
        "-5",
        "(5)",
        "#1",
    ] {
        assert!(!missing(text), "{text}");
    }
    assert_eq!(
        (truth("Hayır"), truth("YES"), truth("1")),
        (Some((false, 13)), Some((true, 2)), None)
    );
}

#[test]
fn a_number_with_more_digits_than_are_held_says_so() {
    for (text, want) in [
        ("9007199254740993", true),
        ("9007199254740992", false),
        ("0.1", false),
        ("123456789012345678", true),
        ("100000000000000000000", true),
        ("3.14159265358979", false),
    ] {
        let reading = read_number(text);
        assert!(
            !reading.styles.is_empty() && reading.rounded == want,
            "{text}: {reading:?}"
        );
    }
}

#[test]
fn dates_are_read_in_the_orders_that_they_may_have() {
    // Each is the 29th of February 2024, at ten past eleven where there is a clock.
    for (text, want) in [
        ("2024-02-29", "YYYY-MM-DD"),
        ("2024-02-29T11:10:00Z", "YYYY-MM-DDThh:mm:ss±hh:mm"),
        ("2024-02-29 11:10", "YYYY-MM-DD hh:mm"),
        ("2024-02-29 12:10:00+01", "YYYY-MM-DD hh:mm:ss±hh:mm"),
        ("2024-02-29 06:40:00.000-04:30", "YYYY-MM-DD hh:mm:ss±hh:mm"),
        ("2024-02-29T13:10+0200", "YYYY-MM-DDThh:mm±hh:mm"),
        ("2024/2/29", "YYYY/MM/DD"),
        ("29.2.2024", "DD.MM.YYYY"),
        ("29. 2. 2024", "DD. MM. YYYY"),
        ("29/02/2024", "DD/MM/YYYY"),
        ("29/02/2024 11:10", "DD/MM/YYYY hh:mm"),
        ("02/29/2024", "MM/DD/YYYY"),
        ("2/29/2024 11:10:00 AM", "MM/DD/YYYY hh:mm:ss AM/PM"),
        ("02/29/24, 11:10 a.m.", "MM/DD/YY, hh:mm AM/PM"),
        ("29 Feb 2024", "DD Mon YYYY"),
        ("29-FEB-24", "DD-Mon-YY"),
        ("29. Februar 2024", "DD. Month YYYY"),
        ("29 février 2024", "DD Month YYYY"),
        ("February 29, 2024", "Month DD, YYYY"),
        (
            "Thu, 29 Feb 2024 11:10:00 GMT",
            "DD Mon YYYY hh:mm:ss±hh:mm",
        ),
        ("20240229", "YYYYMMDD"),
    ] {
        let moment = read_date(text);
        let read: Vec<_> = Order::ALL
            .into_iter()
            .filter_map(|order| Some((order, moment.time(order)?)))
            .collect();
        let [(order, when)] = read.as_slice() else {
            unreachable!("{text}: {read:?}")
        };
        assert_eq!(when.date(), (2024, 2, 29), "{text}");
        assert!(
            matches!(when.clock(), (0, 0, 0) | (11, 10, 0)),
            "{text}: {when:?}"
        );
        assert_eq!(moment.layout(*order), want, "{text}");
    }
    for text in [
        "2023-02-29",
        "31/04/2024",
        "13:10",
        "2024-02-29 25:00",
        "1.2.3",
        "29/02-2024",
        "2024-02-29 11:10 noon",
        "May be",
        "marvel 1, 2024",
    ] {
        assert!(read_date(text).orders.is_empty(), "{text}");
    }
}

#[test]
fn a_day_that_may_be_a_month_is_read_in_both_orders() {
    use Order::{DayMonthYear, MonthDayYear, YearMonthDay};
    let orders = |text| {
        [DayMonthYear, MonthDayYear, YearMonthDay].map(|order| read_date(text).orders.has(order))
    };
    assert_eq!(orders("03/04/2024"), [true, true, false]);
    assert_eq!(orders("13/04/24"), [true, false, true]);
}

#[test]
fn a_calendar_goes_on_and_a_difference_is_bounded() {
    assert_eq!(When::of(2023, 14, 30).date(), (2024, 3, 1));
    assert_eq!(When::of(1, 1, 1), When::ZERO);
    assert_eq!(When::of(2024, 1, 2).hours_since(When::of(2024, 1, 1)), 24.0);
    assert_eq!(
        When::of(2024, 1, 1).hours_since(When::ZERO),
        i64::MAX as f64 / 3.6e12
    );
    assert_eq!(
        When::unix(0).plus_nanos(-1),
        When {
            seconds: -1,
            nanos: 999_999_999
        }
    );
}

#[test]
fn quick_dates_are_those_of_the_calendar() {
    for day in (0..3_600_000).step_by(13) {
        let when = When::unix(When::ZERO.seconds + day * 86_400 + day * 61 % 86_400);
        let ((year, month, day), (hour, minute, second)) = (when.date(), when.clock());
        let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        assert_eq!(iso(&text), Some(when.seconds), "{text}");
        assert_eq!(
            iso(text[..16].replace(' ', "T")),
            Some(when.seconds - second),
            "{text}"
        );
        assert_eq!(
            iso(&text[..10]),
            Some(When::of(year, month, day).seconds),
            "{text}"
        );
    }
    for text in [
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-04-31",
        "2024-01-00",
        "24-01-01",
        "2024-01-01T24:00",
        "2024-01-01 10.30",
        "2024-01-01 10:60:00",
        "2024-01-01Z",
    ] {
        assert_eq!(iso(text), None, "{text}");
    }
    assert!(iso("2000-02-29").is_some());
    for text in [
        "",
        "-",
        ".5",
        "5.",
        "1.234",
        "1,234",
        "1..2",
        "+1",
        "1e3",
        "1234567890123456",
        "--1",
        "1 2",
    ] {
        assert_eq!(quick(text), None, "{text}");
    }
}

proptest! {
    /// Every quick way gives what the thorough one gives, or nothing.
    #[test]
    fn quick_numbers_are_the_nearest_floats(minus: bool, digits in "[0-9]{1,16}", behind in "[0-9]{0,5}") {
        let text = format!("{}{digits}{}{behind}", if minus { "-" } else { "" }, if behind.is_empty() { "" } else { "." });
        if let Some((value, styles)) = quick(&text) {
            prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
            prop_assert!(styles.has(Plain));
        }
    }

    /// Whatever the thorough way makes of a text, the quick one does not make another.
    #[test]
    fn quick_styles_are_those_of_the_shape(text in "[0-9., '/:;+e~-]{1,9}") {
        if let Some((value, styles)) = quick(&text) {
            let bare = text.strip_prefix('-').unwrap_or(&text);
            prop_assert_eq!(shape(bare.as_bytes()), styles);
            prop_assert_eq!(text.replace(',', ".").parse(), Ok(value));
        }
    }

    #[test]
    fn a_cell_is_read_without_panic(text in "([0-9]{1,4}|[-(),.:/+eT '€%]|PM|Mon|1 Jan|Z|[+]02:00|UTC|\\PC){0,12}") {
        let reading = read_number(&text);
        for style in NumberStyle::ALL {
            prop_assert!(!reading.value(style).is_some_and(f64::is_nan));
        }
        let moment = read_date(&text);
        for order in Order::ALL {
            prop_assert!(moment.time(order).is_none() || !moment.layout(order).is_empty());
        }
        time_of_day(&text);
        truth(&text);
    }
}
