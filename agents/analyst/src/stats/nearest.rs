//! The `f64` nearest to a number that is known exactly.

use num_bigint::BigUint;

/// How many bits of a quotient are computed: more than an `f64` has, so that what is beyond it is one sign.
const BITS: i64 = 64;

/// The `f64` nearest to numerator / divisor · 2^exponent, of two halves the even one.
pub(super) fn ratio(numerator: &BigUint, divisor: &BigUint, exponent: i32) -> f64 {
    let (zero, exponent) = (BigUint::default(), i64::from(exponent));
    if *numerator == zero || *divisor == zero {
        return 0.0;
    }
    let shift = BITS + 1 + divisor.bits() as i64 - numerator.bits() as i64;
    let (above, below) = shifted(numerator, divisor, shift);
    let quotient = &above / &below;
    let exact = &quotient * &below == above;
    rounded(&quotient, exact, exponent - shift)
}

/// The `f64` nearest to the root of numerator / divisor, times 2^exponent.
pub(super) fn root(numerator: &BigUint, divisor: &BigUint, exponent: i32) -> f64 {
    let mut shift = 2 * BITS + 2 + divisor.bits() as i64 - numerator.bits() as i64;
    shift += shift & 1;
    let (above, below) = shifted(numerator, divisor, shift);
    let quotient = &above / &below;
    let root = quotient.sqrt();
    let exact = &root * &root == quotient && &quotient * &below == above;
    rounded(&root, exact, i64::from(exponent) - shift / 2)
}

/// Moves the numerator up, or the divisor where that is a move down.
fn shifted(numerator: &BigUint, divisor: &BigUint, shift: i64) -> (BigUint, BigUint) {
    let by = shift.unsigned_abs();
    match shift >= 0 {
        true => (numerator << by, divisor.clone()),
        false => (numerator.clone(), divisor << by),
    }
}

/// Rounds digits·2^exponent, of which a part below the last digit may be missing.
fn rounded(digits: &BigUint, exact: bool, exponent: i64) -> f64 {
    // The digits that an `f64` of this size has; a subnormal one has fewer.
    let bits = digits.bits() as i64;
    let last = (exponent + bits - 53).max(-1074);
    let drop = last - exponent;
    let (mut kept, rest) = if drop <= 0 {
        (digits << drop.unsigned_abs(), BigUint::default())
    } else {
        let kept = digits >> drop.unsigned_abs();
        let rest = digits - (&kept << drop.unsigned_abs());
        (kept, rest)
    };
    if drop > 0 {
        let half = BigUint::from(1_u8) << (drop - 1).unsigned_abs();
        if rest > half || rest == half && (!exact || kept.bit(0)) {
            kept += 1_u8;
        }
    }
    let kept = kept.to_u64_digits().first().copied().unwrap_or_default();
    // 54 bits at most, and no digit of them is lost.
    libm::ldexp(kept as f64, i32::try_from(last).unwrap_or(i32::MAX))
}
