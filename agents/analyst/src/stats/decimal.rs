//! The decimal size of numbers. The machine's own functions differ in the last digit from one to another; these do not,
//! and the same file gives the same report everywhere.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E, LOG10_2};

/// The decimal logarithm.
pub fn log10(x: f64) -> f64 {
    let (fraction, exponent) = libm::frexp(x);
    let twos = match fraction == 0.5 {
        true => f64::from(exponent - 1),
        false => ln(fraction) * LOG2_E + f64::from(exponent),
    };
    twos * LOG10_2
}

/// The natural logarithm of a number above zero (`FreeBSD` msun, `e_log.c`).
fn ln(x: f64) -> f64 {
    const HIGH: f64 = 6.931_471_803_691_238e-1;
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L1: f64 = 6.666_666_666_666_735e-1;
    const L2: f64 = 3.999_999_999_940_942e-1;
    const L3: f64 = 2.857_142_874_366_239e-1;
    const L4: f64 = 2.222_219_843_214_978_4e-1;
    const L5: f64 = 1.818_357_216_161_805e-1;
    const L6: f64 = 1.531_383_769_920_937_3e-1;
    const L7: f64 = 1.479_819_860_511_658_6e-1;
    let (mut fraction, mut exponent) = libm::frexp(x);
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let f = fraction - 1.0;
    let k = f64::from(exponent);
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let t1 = s2 * (L1 + s4 * (L3 + s4 * (L5 + s4 * L7)));
    let t2 = s4 * (L2 + s4 * (L4 + s4 * L6));
    let half = 0.5 * f * f;
    k * HIGH - ((half - (s * (half + (t1 + t2)) + k * LOW)) - f)
}

/// A power of ten, by squaring; one below 1 is the inverse of one above.
pub fn pow10(exponent: i32) -> f64 {
    let (mut power, mut twos) = (1.0, 0);
    let (mut square, mut square_twos) = libm::frexp(10.0);
    let mut rest = exponent.unsigned_abs().min(5000);
    while rest > 0 {
        if rest & 1 == 1 {
            power *= square;
            twos += square_twos;
        }
        square *= square;
        square_twos *= 2;
        if square < 0.5 {
            square += square;
            square_twos -= 1;
        }
        rest >>= 1;
    }
    match exponent < 0 {
        true => libm::ldexp(1.0 / power, -twos),
        false => libm::ldexp(power, twos),
    }
}
