//! Numbers and moments for a reader.

use crate::cell::When;
use crate::stats::log10;

/// Writes a number: whole where it is whole, else with five significant digits, with groups of three, and with an
/// exponent only where it is very large or very small.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "–".into();
    }
    if size >= 1e15 || size > 0.0 && size < 1e-4 {
        return minus(&scientific(value));
    }
    if value == value.trunc() {
        return grouped(&format!("{value:.0}"));
    }
    let decimals = (4.0 - log10(size).floor()).clamp(1.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

/// Three decimals, and an exponent with its sign and two digits.
fn scientific(value: f64) -> String {
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.into();
    }
    let text = format!("{value:.3e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Writes a whole number with groups of three.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

fn grouped(text: &str) -> String {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("−", rest),
        None => ("", text),
    };
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// With a proper minus.
pub(super) fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text.into(),
    }
}

/// `1 row`, `2 rows`.
pub(super) fn plural(n: u64, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", count(n)),
    }
}

/// A share in whole per cent, never 0 or 100 where it is neither.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let share = 100.0 * part as f64 / whole as f64;
    if part > 0 && share < 1.0 {
        return "<1 %".into();
    }
    if part < whole && share > 99.0 {
        return ">99 %".into();
    }
    format!("{:.0} %", share.round())
}

/// Writes a time without the parts that are zero.
pub(super) fn moment(when: Option<When>) -> String {
    let when = when.unwrap_or(When::ZERO);
    let (year, month, day) = when.date();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match when.clock() {
        (0, 0, 0) => date,
        (hour, minute, 0) => format!("{date} {hour:02}:{minute:02}"),
        (hour, minute, second) => format!("{date} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// Writes a file's size.
pub(super) fn bytes(n: u64) -> String {
    const MIB: u64 = 1 << 20;
    match n {
        0..1024 => plural(n, "byte", "bytes"),
        1024..MIB => format!("{:.1} KiB", n as f64 / 1024.0),
        _ => format!("{:.1} MiB", n as f64 / MIB as f64),
    }
}
