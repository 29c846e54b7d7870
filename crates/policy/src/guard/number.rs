//! Numbers and values as the kernel compares them: numbers in millionths, a boolean as 0 or 1, a choice as its place.

use aion_abi::syscall::device::Value;
use aion_api::ValueType;
use aion_kernel::Measure;

const MILLION: i64 = 1_000_000;

/// The millionths of a decimal such as `-20.5`; none where it is not one, or has more than six digits behind the point,
/// or is too large.
pub(super) fn decimal(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let number = whole.checked_mul(MILLION)?.checked_add(fraction)?;
    Some(sign * number)
}

/// A value that is `of` this type, and one of `choices` where that is a choice, as the kernel compares it. Numbers are
/// rounded to millionths. None: it is a text, of another type, not one of the choices, or out of all bounds.
#[must_use]
pub fn measure(of: ValueType, choices: &[impl AsRef<str>], value: &Value) -> Option<Measure> {
    let number = match (of, value) {
        (ValueType::Boolean, Value::Boolean(it)) => i64::from(*it),
        (ValueType::Integer | ValueType::Number, Value::Integer(it)) => it.checked_mul(MILLION)?,
        (ValueType::Integer, Value::Number(it)) if it.fract() != 0.0 => return None,
        // Written with six digits it is rounded, and no digit of it is lost on the way.
        (ValueType::Integer | ValueType::Number, Value::Number(it)) => {
            decimal(&format!("{it:.6}"))?
        }
        (ValueType::Choice, Value::Text(it)) => {
            let at = choices.iter().position(|choice| choice.as_ref() == it)?;
            i64::try_from(at).ok()?
        }
        _ => return None,
    };
    Some(Measure(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_exactly_or_not_at_all() {
        for (text, millionths) in [
            ("0", Some(0)),
            ("-20.5", Some(-20_500_000)),
            ("20.000001", Some(20_000_001)),
            ("0.05", Some(50_000)),
            ("-0.5", Some(-500_000)),
            ("999999999.999999", Some(999_999_999_999_999)),
            ("9223372036854", Some(9_223_372_036_854_000_000)),
            ("9223372036855", None),
            ("0.0000001", None),
            ("1e3", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("5.", None),
            ("+5", None),
            ("inf", None),
        ] {
            assert_eq!(decimal(text), millionths, "{text}");
        }
    }

    #[test]
    fn a_value_is_measured_by_its_type() {
        let choices = ["open".to_owned(), "closed".to_owned()];
        let text = |it: &str| Value::Text(it.to_owned());
        for (of, value, expected) in [
            (ValueType::Boolean, Value::Boolean(true), Some(1)),
            (ValueType::Boolean, Value::Integer(1), None),
            (ValueType::Integer, Value::Integer(-3), Some(-3_000_000)),
            (ValueType::Integer, Value::Number(20.0), Some(20_000_000)),
            (ValueType::Integer, Value::Number(20.5), None),
            (ValueType::Integer, Value::Integer(i64::MAX), None),
            (ValueType::Number, Value::Number(20.5), Some(20_500_000)),
            (ValueType::Number, Value::Number(0.1 + 0.2), Some(300_000)),
            (ValueType::Number, Value::Number(-0.0), Some(0)),
            (ValueType::Number, Value::Integer(7), Some(7_000_000)),
            (ValueType::Number, Value::Number(1e18), None),
            (ValueType::Number, Value::Number(f64::NAN), None),
            (ValueType::Number, Value::Number(f64::NEG_INFINITY), None),
            (ValueType::Choice, text("closed"), Some(1)),
            (ValueType::Choice, text("ajar"), None),
            (ValueType::Text, text("open"), None),
        ] {
            let is = measure(of, &choices, &value);
            assert_eq!(is, expected.map(Measure), "{of:?} {value:?}");
        }
    }
}
