//! When a schedule is due, through changes of clocks.
#![allow(clippy::unwrap_used)]
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> UnixMillis {
    let at: Timestamp = text.parse().unwrap();
    UnixMillis(u64::try_from(at.as_millisecond()).unwrap())
}

fn told(at: UnixMillis) -> String {
    Timestamp::from_millisecond(i64::try_from(at.0).unwrap())
        .unwrap()
        .to_string()
}

/// The next runs of a schedule after a date.
fn runs(cron: &str, zone: &str, after: &str, number: usize) -> Vec<String> {
    let schedule = Schedule::parse(cron, Some(zone)).unwrap();
    let mut now = at(after);
    let next = || {
        now = schedule.next(now)?;
        Some(told(now))
    };
    std::iter::from_fn(next).take(number).collect()
}

#[test]
fn fields_say_when() {
    for (cron, after, expected) in [
        (
            "*/7 * * * *",
            "2026-03-01T00:50:00Z",
            &[
                "2026-03-01T00:56:00Z",
                "2026-03-01T01:00:00Z",
                "2026-03-01T01:07:00Z",
            ][..],
        ),
        (
            "0 7 * * *",
            "2026-03-01T07:00:00Z",
            &["2026-03-02T07:00:00Z"],
        ),
        // Both days named: either.
        (
            "0 0 13 * FRI",
            "2026-11-01T00:00:00Z",
            &[
                "2026-11-06T00:00:00Z",
                "2026-11-13T00:00:00Z",
                "2026-11-20T00:00:00Z",
            ],
        ),
        (
            "0 0 15 * MON",
            "2026-11-01T00:00:00Z",
            &[
                "2026-11-02T00:00:00Z",
                "2026-11-09T00:00:00Z",
                "2026-11-15T00:00:00Z",
            ],
        ),
        (
            "0 0 29 2 *",
            "2026-01-01T00:00:00Z",
            &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
        ),
        (
            "0 0 29 2 *",
            "2096-03-01T00:00:00Z",
            &["2104-02-29T00:00:00Z"],
        ),
        (
            "0 0 31 * *",
            "2026-01-31T00:00:00Z",
            &["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"],
        ),
        (
            "0 0 * * 7",
            "2026-11-01T00:00:00Z",
            &["2026-11-08T00:00:00Z"],
        ),
        (
            "0 12 1 jan-mar mon",
            "2026-01-01T13:00:00Z",
            &["2026-01-05T12:00:00Z"],
        ),
    ] {
        assert_eq!(runs(cron, "UTC", after, expected.len()), expected, "{cron}");
    }
}

#[test]
fn where_the_clock_jumps_ahead_a_fixed_time_runs_after_the_jump_and_a_frequent_one_goes_on() {
    // 2026-03-29, Berlin: 01:59:59 +01 is followed by 03:00:00 +02, at 01:00 UTC.
    let berlin = |cron, number| runs(cron, "Europe/Berlin", "2026-03-28T20:00:00Z", number);
    assert_eq!(
        berlin("30 2 * * *", 3),
        [
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
            "2026-03-31T00:30:00Z"
        ]
    );
    let schedule = Schedule::parse("30 2 * * *", Some("Europe/Berlin")).unwrap();
    let newest = schedule.newest(at("2026-03-29T12:00:00Z")).unwrap();
    assert_eq!(told(newest), "2026-03-29T01:00:00Z");
    let hourly = runs("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3);
    assert_eq!(
        hourly,
        [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:30:00Z"
        ]
    );
}

#[test]
fn where_the_clock_goes_back_a_fixed_time_runs_once_and_a_frequent_one_each_time() {
    // 2026-10-25, Berlin: 02:59:59 +02 is followed by 02:00:00 +01, at 01:00 UTC.
    let berlin = |cron, after, number| runs(cron, "Europe/Berlin", after, number);
    assert_eq!(
        berlin("30 2 * * *", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(
        berlin("30 2 * * *", "2026-10-25T00:45:00Z", 1),
        ["2026-10-26T01:30:00Z"],
        "also where it is looked at between the two"
    );
    assert_eq!(
        berlin("30 * * * *", "2026-10-25T00:00:00Z", 3),
        [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:30:00Z"
        ]
    );
}

#[test]
fn what_is_no_schedule_is_told() {
    let wrong = |cron, zone| Schedule::parse(cron, zone).unwrap_err().to_string();
    for cron in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "a b c d e",
        "* * * * * 2030",
        "@daily",
    ] {
        let told = wrong(cron, None);
        assert!(told.contains("is not a schedule of five fields"), "{told}");
    }
    assert_eq!(wrong("0 0 30 2 *", None), "\"0 0 30 2 *\" is never due");
    for zone in ["Europe/Berli", "", "+02:00", "../etc/passwd"] {
        let told = wrong("0 7 * * *", Some(zone));
        assert!(told.contains("is not a time zone"), "{told}");
    }
}

proptest! {
    #[test]
    fn what_is_next_is_the_newest_of_its_own_date_and_of_no_earlier_one(
        minute in "(\\*|\\*/[1-9]|[0-9]|[1-5][0-9])",
        hour in "(\\*|[0-9]|1[0-9])",
        days in "(\\* \\* \\*|[1-9] \\* \\*|\\* \\* [0-6])",
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        after in 1_600_000_000_000_u64..2_000_000_000_000,
    ) {
        let after = UnixMillis(after);
        let schedule = Schedule::parse(&format!("{minute} {hour} {days}"), Some(zone)).unwrap();
        let next = schedule.next(after).unwrap();
        prop_assert!(next > after);
        prop_assert_eq!(next.0 % 60_000, 0);
        prop_assert_eq!(schedule.newest(next), Some(next));
        prop_assert!(schedule.newest(UnixMillis(next.0 - 1)).unwrap() <= after);
    }
}
