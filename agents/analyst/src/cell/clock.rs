//! A time of day as people write it, and its offset: the clock of 24 or of 12 hours; Z, a zone's name or an offset with
//! or without minutes.

use super::readdate::{behind, digits_of};
use crate::word;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Spaces that are not broken at.
const NARROW: [char; 3] = [' ', '\u{202f}', '\u{a0}'];

/// Reads what follows a date: nothing, or a time of day and perhaps an offset. It gives nanoseconds since midnight in
/// UTC and the name of the form for the report.
pub(super) fn clock_of(text: &str) -> Option<(i64, String)> {
    if text.is_empty() {
        return Some((0, String::new()));
    }
    let rest = text.trim_start_matches(['T', ' ', ',', '\u{202f}', '\u{a0}']);
    if rest.len() == text.len() || rest.is_empty() {
        // An offset may follow the date itself.
        return Some((-offset(rest)?, String::new()));
    }
    let sign = text.get(..text.len() - rest.len())?;
    let (at, form, rest) = read(rest)?;
    let offset = offset(rest.trim())?;
    let end = if rest.is_empty() { "" } else { "±hh:mm" };
    Some((at - offset, format!("{sign}{form}{end}")))
}

/// Reads a cell that is a time without a date, in nanoseconds since midnight.
pub fn time_of_day(text: &str) -> Option<i64> {
    if !(4..=16).contains(&text.len()) || !text.bytes().next()?.is_ascii_digit() {
        return None;
    }
    read(text)
        .filter(|(_, _, rest)| rest.is_empty())
        .map(|(at, _, _)| at)
}

/// Nanoseconds since midnight, the form, and what is left of the text.
fn read(text: &str) -> Option<(i64, String, String)> {
    let (hour, width) = digits_of(text);
    if !(1..=2).contains(&width) || hour > 24 {
        return None;
    }
    let mut rest = behind(text, width);
    let mut form = String::from("hh");
    let mut at = hour * HOUR;
    for (unit, most, name) in [(MINUTE, 59, ":mm"), (SECOND, 60, ":ss")] {
        let Some(after) = rest.strip_prefix(':') else {
            break;
        };
        let (value, width) = digits_of(after);
        if width != 2 || value > most {
            return None;
        }
        at += value * unit;
        form += name;
        rest = behind(after, 2);
    }
    if form.len() == 8
        && let Some(after) = fraction(rest)
    {
        let (_, width) = digits_of(after);
        let mut scale = SECOND;
        for byte in after.bytes().take(width) {
            scale /= 10;
            at += i64::from(byte - b'0') * scale;
        }
        rest = behind(after, width);
    }
    let half = word::lower(&rest.trim_start_matches(NARROW).replace('.', ""));
    let (morning, evening) = (half.starts_with("am"), half.starts_with("pm"));
    let mut rest = rest.to_owned();
    if morning || evening {
        if !(1..=12).contains(&hour) {
            return None;
        }
        if hour == 12 {
            at -= 12 * HOUR;
        }
        if evening {
            at += 12 * HOUR;
        }
        form += " AM/PM";
        rest = behind(&half, 2).trim().to_owned();
    } else if form == "hh" {
        return None;
    }
    (at <= 24 * HOUR).then_some((at, form, rest))
}

/// The digits of a fraction of a second. A comma with fewer than three digits behind it separates cells.
fn fraction(text: &str) -> Option<&str> {
    let after = text.strip_prefix(['.', ','])?;
    let (_, width) = digits_of(after);
    (width >= if text.starts_with(',') { 3 } else { 1 }).then_some(after)
}

/// An offset from UTC, in nanoseconds.
fn offset(text: &str) -> Option<i64> {
    let text = match text.find('[') {
        Some(open) if open > 0 && text.ends_with(']') => text.get(..open)?,
        _ => text,
    };
    if text.is_empty() {
        return Some(0);
    }
    if let Some(hours) = zone(&text.to_uppercase()) {
        return Some(hours * HOUR);
    }
    let text = text.replacen('\u{2212}', "-", 1);
    let text = text.strip_prefix("UTC").unwrap_or(&text);
    let text = text.strip_prefix("GMT").unwrap_or(text);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let digits = text.replacen(':', "", 1);
    let (value, width) = digits_of(&digits);
    let value = match width {
        _ if width != digits.len() => return None,
        1 | 2 => value * 100,
        4 => value,
        _ => return None,
    };
    let (hours, minutes) = (value / 100, value % 100);
    (hours <= 15 && minutes <= 59).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

/// The offsets of zones by their common names, in hours.
fn zone(name: &str) -> Option<i64> {
    Some(match name {
        "Z" | "UTC" | "GMT" | "WET" => 0,
        "BST" | "CET" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    })
}
