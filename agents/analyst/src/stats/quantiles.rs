//! Quantiles of sorted values.

use num_bigint::{BigInt, BigUint, Sign};

use super::exact::split;
use super::nearest::ratio;

/// Sorted values.
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    pub(super) sorted: Vec<f64>,
    pub(super) exact: bool,
}

impl Quantiles {
    /// Whether these are all the values, and not a sample of them.
    pub fn exact(&self) -> bool {
        self.exact
    }

    /// How many values the quantiles rest on.
    pub fn kept(&self) -> usize {
        self.sorted.len()
    }

    /// The p-th of a hundred quantiles with linear interpolation between order statistics (type 7 of Hyndman and Fan,
    /// The American Statistician 50(4), 1996: the default of R and NumPy); NaN where nothing was added.
    pub fn percentile(&self, p: usize) -> f64 {
        percentile_of(&self.sorted, p)
    }

    /// The median of the absolute deviations from a centre; NaN where nothing was added, infinite where it is larger than
    /// an `f64`.
    pub fn mad(&self, centre: f64) -> f64 {
        let n = self.sorted.len();
        if n == 0 {
            return f64::NAN;
        }
        // The deviations grow from the centre to both sides: they are merged as far as their middle.
        let (left, right) = self
            .sorted
            .split_at(self.sorted.partition_point(|&x| x < centre));
        let mut left = left.iter().rev().map(|x| centre - x).peekable();
        let mut right = right.iter().map(|x| x - centre).peekable();
        let (mut last, mut one) = (0.0, 0.0);
        for _ in 0..=n / 2 {
            last = one;
            let next = match (left.peek(), right.peek()) {
                (Some(less), Some(more)) if more < less => right.next(),
                (None, _) => right.next(),
                _ => left.next(),
            };
            one = next.unwrap_or(one);
        }
        if n % 2 == 1 {
            return one;
        }
        percentile_of(&[last, one], 50)
    }
}

/// Finds the place in whole numbers, since p·(n-1)/100 as an `f64` may miss a whole place by a hair, and interpolates in
/// fractions: the `f64` nearest to the true value.
fn percentile_of(sorted: &[f64], p: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = p as u64 * last as u64;
    let (index, part) = ((place / 100) as usize, place % 100);
    let low = sorted.get(index).copied().unwrap_or(f64::NAN);
    if part == 0 {
        return low;
    }
    let high = sorted.get(index + 1).copied().unwrap_or(low);
    if low == high || high.is_infinite() {
        return high;
    }
    let unit = split(low).1.min(split(high).1);
    let exact = whole(low, unit) * (100 - part) + whole(high, unit) * part;
    let nearest = ratio(exact.magnitude(), &BigUint::from(100_u8), unit);
    match exact.sign() {
        Sign::Minus => -nearest,
        _ => nearest,
    }
}

/// A finite number in units of a power of two that is not larger than its own.
fn whole(x: f64, unit: i32) -> BigInt {
    let (digits, exponent) = split(x);
    let size = BigInt::from(digits) << (exponent - unit).unsigned_abs();
    if x < 0.0 { -size } else { size }
}
