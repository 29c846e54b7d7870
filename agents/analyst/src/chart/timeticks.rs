//! Round moments between two.

use crate::cell::When;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// About how many there are at most.
const MOST: i64 = 8;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment and what is written beneath it.
pub(super) type TimeTick = (When, String);

/// How a moment is written.
#[derive(Clone, Copy)]
enum Form {
    Clock,
    DayAndClock,
    Day,
    Month,
    Year,
}

/// The starts of hours, days, months or years within the range, at most about eight of them.
pub(super) fn time_ticks(from: When, to: When) -> Vec<TimeTick> {
    // In nanoseconds; what is farther apart than those go, some 292 years, counts as that far.
    let span = (i128::from(to.seconds) - i128::from(from.seconds)) * 1_000_000_000
        + i128::from(to.nanos)
        - i128::from(from.nanos);
    let span = span.min(i128::from(i64::MAX));
    let within = |seconds: i64| span <= i128::from(MOST * seconds) * 1_000_000_000;
    let range = (from, to);
    for step in [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR] {
        if within(step) {
            let form = match span > i128::from(20 * HOUR) * 1_000_000_000 {
                true => Form::DayAndClock,
                false => Form::Clock,
            };
            // Steps are counted from the first moment of year 1.
            let since = from.seconds - When::ZERO.seconds;
            let first = from.seconds - since.rem_euclid(step);
            return every(range, form, |i| When::unix(first + i * step));
        }
    }
    let (year, month, day) = from.date();
    for days in [1, 2, 7, 14] {
        if within(days * DAY) {
            return every(range, Form::Day, |i| When::of(year, month, day + i * days));
        }
    }
    for months in [1, 3, 6] {
        if within(months * 31 * DAY) {
            let first = 1 + (month - 1) / months * months;
            return every(range, Form::Month, |i| {
                When::of(year, first + i * months, 1)
            });
        }
    }
    let mut years = 1;
    while years <= 1000 {
        // More years than a span may have go into no number of nanoseconds.
        if span <= i128::from(MOST * years * 366 * DAY) * 1_000_000_000 {
            let first = year / years * years;
            return every(range, Form::Year, |i| When::of(first + i * years, 1, 1));
        }
        years = match years % 2 == 0 && years % 10 != 0 {
            true => years / 2 * 5,
            false => 2 * years,
        };
    }
    Vec::new()
}

fn every((from, to): (When, When), form: Form, at: impl Fn(i64) -> When) -> Vec<TimeTick> {
    (0..)
        .map(at)
        .take_while(|when| *when <= to)
        .filter(|when| *when >= from)
        .map(|when| (when, label(when, form)))
        .collect()
}

fn label(when: When, form: Form) -> String {
    let (year, month, day) = when.date();
    let (hour, minute, _) = when.clock();
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|month| MONTHS.get(month))
        .unwrap_or(&"");
    match form {
        Form::Clock => format!("{hour:02}:{minute:02}"),
        Form::DayAndClock => format!("{day} {name} {hour:02}:{minute:02}"),
        Form::Day => format!("{day} {name}"),
        Form::Month => format!("{name} {year:04}"),
        Form::Year => format!("{year:04}"),
    }
}
