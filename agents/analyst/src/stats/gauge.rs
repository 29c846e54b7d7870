//! Scaling by powers of two, which changes no digit.

use super::scaled;

/// Scales a variable by a power of two, so that no product of two of its values overflows or vanishes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauge {
    pub(super) exponent: i32,
    /// 2^-exponent; 0 before the first value that is not zero.
    factor: f64,
}

impl Gauge {
    /// Makes the gauge large enough for a value, which is below 1 in it. Where the gauge grows by 2^n, what was added up
    /// in it must shrink by that: gives n.
    pub(super) fn fit(&mut self, x: f64) -> i32 {
        if x == 0.0 || self.factor != 0.0 && (x * self.factor).abs() < 1.0 {
            return 0;
        }
        let exponent = exponent_of(x);
        let grown = match self.factor == 0.0 {
            true => 0,
            false => (exponent - self.exponent).max(0),
        };
        if self.factor == 0.0 || grown > 0 {
            (self.exponent, self.factor) = (exponent, scaled(1.0, -exponent));
        }
        grown
    }

    /// The factor; 1 where every value was zero.
    pub(super) fn unit(&self) -> f64 {
        match self.factor == 0.0 {
            true => 1.0,
            false => self.factor,
        }
    }
}

/// The exponent of the power of two above a value, within bounds that no product leaves.
pub(super) fn exponent_of(x: f64) -> i32 {
    libm::frexp(x).1.clamp(-900, 900)
}
