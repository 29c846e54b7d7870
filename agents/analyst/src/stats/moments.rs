//! Mean and variance of a stream, computed exactly.

use num_bigint::BigUint;

use super::exact::{LOWEST, Sum, split, square};
use super::nearest::{ratio, root};

/// Count, extremes, mean and variance of a stream. The sums are exact, so the mean is the `f64` nearest to the true one,
/// whatever the size and the order of the values.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// How many values there are.
    pub n: u64,
    /// The least of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
    plus: Sum,
    less: Sum,
    squares: Sum,
}

impl Moments {
    /// Takes the values of a block; at most 2^31 of them.
    pub fn add_all(&mut self, values: &[f64]) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut n = 0_u64;
        // Whole numbers below 2^31 add up to less than 2^63; their squares have a word for the carries.
        let (mut plus, mut less) = (0_i64, 0_i64);
        let (mut squares, mut carries) = (0_u64, 0_u64);
        for &x in values {
            if x.is_nan() {
                continue;
            }
            n += 1;
            if x < low {
                low = x;
            }
            if x > high {
                high = x;
            }
            let whole = x as i64;
            if x < 2_147_483_648.0 && x > -2_147_483_648.0 && whole as f64 == x {
                if whole < 0 {
                    less -= whole;
                } else {
                    plus += whole;
                }
                let (sum, carry) = squares.overflowing_add(whole.wrapping_mul(whole) as u64);
                squares = sum;
                carries += u64::from(carry);
                continue;
            }
            let (digits, exponent) = split(x);
            let sum = if x < 0.0 {
                &mut self.less
            } else {
                &mut self.plus
            };
            sum.add(0, digits, exponent);
            let (up, down) = square(digits);
            self.squares.add(up, down, 2 * exponent);
        }
        if n == 0 {
            return;
        }
        self.plus.add(0, plus as u64, 0);
        self.less.add(0, less as u64, 0);
        self.squares.add(carries, squares, 0);
        if self.n == 0 {
            (self.min, self.max) = (low, high);
        }
        (self.min, self.max) = (least(self.min, low), most(self.max, high));
        self.n += n;
    }

    /// The sum of all values: whether it is below zero, and its size in units of 2^`LOWEST`.
    fn total(&self) -> (bool, BigUint) {
        let (plus, less) = (self.plus.whole(), self.less.whole());
        match plus < less {
            true => (true, less - plus),
            false => (false, plus - less),
        }
    }

    /// The arithmetic mean; NaN where nothing was added.
    pub fn mean(&self) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        let (below, total) = self.total();
        let mean = ratio(&total, &BigUint::from(self.n), LOWEST);
        if below { -mean } else { mean }
    }

    /// The sample standard deviation (divisor n-1); NaN below two values. Its square is computed exactly:
    /// (n·Σx² - (Σx)²) / (n·(n-1)).
    pub fn stdev(&self) -> f64 {
        if self.n < 2 {
            return f64::NAN;
        }
        let (_, total) = self.total();
        // The total counts in 2^LOWEST, its square in the square of that; the squares are brought to the same unit.
        let squares = (self.squares.whole() << LOWEST.unsigned_abs()) * self.n;
        let total = &total * &total;
        if squares <= total {
            return 0.0;
        }
        root(
            &(squares - total),
            &(BigUint::from(self.n) * (self.n - 1)),
            LOWEST,
        )
    }
}

/// The lesser of two, of two zeros the negative one.
pub(super) fn least(a: f64, b: f64) -> f64 {
    match a == 0.0 && b == 0.0 {
        true if a.is_sign_negative() => a,
        true => b,
        false if b < a => b,
        false => a,
    }
}

/// The larger of two, of two zeros the positive one.
pub(super) fn most(a: f64, b: f64) -> f64 {
    -least(-a, -b)
}
