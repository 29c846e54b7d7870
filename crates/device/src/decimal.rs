//! Decimals as resources have them: at most nine digits before the point and six after it, exact.

use std::fmt;

/// A decimal in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Decimal(i64);

/// Places after the point.
const PLACES: usize = 6;
const MILLION: i64 = 1_000_000;

impl Decimal {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(MILLION);

    /// Reads one, as the schema has it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |it: &str, most| {
            !it.is_empty() && it.len() <= most && it.bytes().all(|b| b.is_ascii_digit())
        };
        if !all_digits(whole, 9) || !all_digits(part, PLACES) {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let part: i64 = format!("{part:0<PLACES$}").parse().ok()?;
        Some(Self(sign * (whole * MILLION + part)))
    }

    pub(crate) fn is_whole(self) -> bool {
        self.0 % MILLION == 0
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn as_f64(self) -> f64 {
        // Below 2^53 both, so that the quotient is the double that is nearest.
        self.0 as f64 / MILLION as f64
    }

    /// Whether a number is less, by millionths.
    pub(crate) fn is_above(self, number: f64) -> bool {
        rounded(number) < self.as_f64()
    }

    /// Whether a number is more, by millionths.
    pub(crate) fn is_below(self, number: f64) -> bool {
        rounded(number) > self.as_f64()
    }

    /// Whether a number is so many of these away from `base`, by millionths.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(crate) fn steps_to(self, base: Self, number: f64) -> bool {
        let millionths = (number * MILLION as f64).round();
        // Beyond this, a double has no millionths; nothing that large has a step.
        millionths.abs() < 1e18 && (millionths as i64 - base.0) % self.0 == 0
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// A number rounded to millionths, so that scaling leaves no 0.30000000000000004.
pub(crate) fn rounded(number: f64) -> f64 {
    places(number, 1e6)
}

/// What a device is sent: finer by a thousand than what is read, so that a scale loses nothing on the way.
pub(crate) fn rounded_for_device(number: f64) -> f64 {
    places(number, 1e9)
}

fn places(number: f64, unit: f64) -> f64 {
    // A double beyond 2^53 units has no such places, and times the unit it may be infinite.
    match number.abs() < 9e15 / unit {
        // Not -0.
        true => (number * unit).round() / unit + 0.0,
        false => number,
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f64().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_decimal_is_exact_and_one_that_is_not_is_none() {
        for (text, is) in [
            ("0", 0.0),
            ("-20.5", -20.5),
            ("999999999.999999", 999_999_999.999_999),
            ("0.1", 0.1),
            ("-0.000001", -0.000_001),
        ] {
            assert_eq!(Decimal::read(text).unwrap().as_f64(), is, "{text}");
            assert_eq!(Decimal::read(text).unwrap().to_string(), text.to_owned());
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e3",
            "+1",
            "1.0000001",
            "1000000000",
            "NaN",
            "1,5",
            "--1",
            " 1",
        ] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
    }

    #[test]
    fn steps_are_counted_in_decimals_not_in_doubles() {
        let (tenth, base) = (Decimal::read("0.1").unwrap(), Decimal::read("5").unwrap());
        assert!(tenth.steps_to(base, 0.1 + 0.2 + 5.0));
        assert!(!tenth.steps_to(base, 5.05));
        assert!(!tenth.steps_to(base, f64::MAX));
    }

    #[test]
    fn rounding_leaves_what_is_beyond_it() {
        assert_eq!(rounded(0.1 + 0.2), 0.3);
        assert_eq!(rounded(-0.000_000_1).to_bits(), 0.0_f64.to_bits());
        for far in [1e300, -1e17, 9_007_199_254_740_993.0] {
            assert_eq!(rounded(far), far);
        }
    }
}
