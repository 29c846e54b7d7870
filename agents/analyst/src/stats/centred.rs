//! Blocks without their mean.

use super::gauge::exponent_of;
use super::pairs::{Pairs, Part};
use super::scaled;

/// A block of values without its mean, of which none is missing: where two columns have none, a pair of them is one loop
/// over both. The values are scaled by a power of two, so that no product overflows or vanishes.
#[derive(Clone, Debug, Default)]
pub struct Centred {
    values: Vec<f64>,
    mean: f64,
    squares: f64,
    exponent: i32,
    whole: bool,
}

impl Centred {
    /// Takes a block.
    pub fn set(&mut self, values: &[f64]) {
        self.whole = false;
        let mut most = 0.0;
        let mut missing = false;
        for &x in values {
            let size = x.abs();
            if size > most {
                most = size;
            }
            missing |= x.is_nan();
        }
        if missing || values.is_empty() {
            return;
        }
        self.exponent = exponent_of(most);
        let factor = scaled(1.0, -self.exponent);
        let mut sum = 0.0;
        for x in values {
            sum += x * factor;
        }
        self.mean = sum / values.len() as f64;
        self.values.clear();
        let mean = self.mean;
        self.values.extend(values.iter().map(|x| x * factor - mean));
        self.squares = 0.0;
        for x in &self.values {
            self.squares += x * x;
        }
        self.whole = true;
    }
}

impl Pairs {
    /// Takes the pairs of two blocks; false where one of them lacks a value.
    pub fn add_centred(&mut self, x: &Centred, y: &Centred) -> bool {
        if !x.whole || !y.whole {
            return false;
        }
        let (mut a, mut b) = (0.0, 0.0);
        let (xs, ys) = (x.values.chunks_exact(4), y.values.chunks_exact(4));
        let rest = xs.remainder().iter().zip(ys.remainder());
        for (x, y) in xs.zip(ys) {
            if let (&[x0, x1, x2, x3], &[y0, y1, y2, y3]) = (x, y) {
                a += x0 * y0 + x1 * y1;
                b += x2 * y2 + x3 * y3;
            }
        }
        for (x, y) in rest {
            a += x * y;
        }
        self.grow(scaled(0.5, x.exponent), scaled(0.5, y.exponent));
        let fx = scaled(1.0, x.exponent - self.gx.exponent);
        let fy = scaled(1.0, y.exponent - self.gy.exponent);
        self.join(&Part {
            n: x.values.len(),
            mean_x: x.mean * fx,
            mean_y: y.mean * fy,
            xx: x.squares * fx * fx,
            yy: y.squares * fy * fy,
            xy: (a + b) * fx * fy,
        });
        true
    }
}
