//! Days as spreadsheets count them.

use super::styles::Form;
use crate::cell::When;

const DAY: i64 = 86_400;
/// Beyond it a number is no day.
const LAST: f64 = 3e6;

/// Writes a number of days as a date or a time. The first of March 1900 is day 61: the calendar of old spreadsheets has
/// a 29th of February in that year.
pub(super) fn moment(days: f64, form: Form, since_1904: bool) -> String {
    if !(0.0..=LAST).contains(&days) {
        return shortest(days);
    }
    let seconds = (days * DAY as f64).round() as i64;
    let (hour, minute, second) = When::unix(seconds).clock();
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    if form == Form::Clock && days < 1.0 {
        return clock;
    }
    let begin = match since_1904 {
        true => When::of(1904, 1, 1),
        false if days < 60.0 => When::of(1899, 12, 31),
        false => When::of(1899, 12, 30),
    };
    let (year, month, day) = When::unix(begin.seconds + seconds).date();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if seconds % DAY == 0 {
        date
    } else {
        format!("{date} {clock}")
    }
}

/// A number in as few digits as say it, with an exponent where it is large or small.
fn shortest(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) => match power.parse::<i32>() {
            Ok(-4..6) => format!("{value}"),
            Ok(power) => format!(
                "{digits}e{}{:02}",
                if power < 0 { '-' } else { '+' },
                power.abs()
            ),
            Err(_) => text,
        },
        None => text,
    }
}
