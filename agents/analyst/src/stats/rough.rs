//! Count, extremes and mean for a picture.

use super::moments::{least, most};

/// Count, extremes and mean of a stream, for a picture: the mean is rounded. Means are weighed and not added, so that
/// none overflows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rough {
    /// How many values there are.
    pub n: u64,
    /// The least of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
}

impl Rough {
    /// Takes the values of a block where neither they nor the others are missing.
    pub fn add_all(&mut self, values: &[f64], others: &[f64]) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut n, mut sum) = (0_u64, 0.0);
        let part = 1.0 / values.len() as f64;
        for (&x, &other) in values.iter().zip(others) {
            if x.is_nan() || other.is_nan() {
                continue;
            }
            n += 1;
            sum += x * part;
            if x < low {
                low = x;
            }
            if x > high {
                high = x;
            }
        }
        if n == 0 {
            return;
        }
        let mean = sum * (values.len() as f64 / n as f64);
        if self.n == 0 {
            *self = Self {
                n,
                min: low,
                max: high,
                mean,
            };
            return;
        }
        (self.min, self.max) = (least(self.min, low), most(self.max, high));
        self.n += n;
        let share = n as f64 / self.n as f64;
        self.mean = self.mean * (1.0 - share) + mean * share;
    }
}
