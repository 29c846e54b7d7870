//! What is written beside the grid.

use crate::stats::log10;

/// Writes values with as many decimals as their step needs, or with k, M, G where they are large and the step is too.
pub(super) fn tick_labels(values: &[f64]) -> Vec<String> {
    let step = match values {
        [first, second, ..] => (second - first).abs(),
        _ => 0.0,
    };
    let largest = values
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    if largest >= 1e15 || step > 0.0 && step < 1e-8 {
        return values.iter().map(|&value| minus(&short(value))).collect();
    }
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let fits = |(unit, _): &(f64, &str)| largest >= 10.0 * unit && step >= unit / 10.0;
    let (unit, suffix) = units.into_iter().find(fits).unwrap_or((1.0, ""));
    let scaled = step / unit;
    let decimals = match scaled > 0.0 && scaled < 1.0 {
        true => ((-log10(scaled) - 1e-9).ceil() as usize).min(9),
        false => 0,
    };
    let label = |&value: &f64| {
        let text = format!("{:.decimals$}", value / unit);
        match text.trim_matches(['-', '0', '.']).is_empty() {
            true => "0".into(),
            false => minus(&text) + suffix,
        }
    };
    values.iter().map(label).collect()
}

/// A proper minus instead of the first hyphen.
fn minus(text: &str) -> String {
    text.replacen('-', "−", 1)
}

/// A number with three digits, and with an exponent where it is very large or very small.
fn short(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.into();
    }
    let text = format!("{value:.2e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..3).contains(&exponent) {
        let decimals = usize::try_from(2 - exponent).unwrap_or_default();
        return bare(&format!("{value:.decimals$}")).into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", bare(digits), exponent.abs())
}

/// Without zeros at the end of a fraction.
fn bare(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}
