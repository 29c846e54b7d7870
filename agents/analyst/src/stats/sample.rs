//! Values for quantiles.

use super::{Quantiles, radix};

/// Keeps values for quantiles: all of them up to its capacity, above it a uniform sample by reservoir (Vitter's
/// algorithm R, ACM TOMS 11(1), 1985) with a fixed seed, so that the same file gives the same report.
#[derive(Clone, Debug)]
pub struct Sample {
    capacity: usize,
    seen: u64,
    state: u64,
    values: Vec<f64>,
}

/// What the generator's state grows by: the golden ratio's digits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Sample {
    /// Keeps at most `capacity` values.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            seen: 0,
            state: GOLDEN,
            values: Vec::new(),
        }
    }

    /// Takes the values of a block.
    pub fn add_all(&mut self, values: &[f64]) {
        if self.capacity - self.values.len() >= values.len() {
            let before = self.values.len();
            self.values
                .extend(values.iter().copied().filter(|x| !x.is_nan()));
            self.seen += (self.values.len() - before) as u64;
            return;
        }
        for &x in values.iter().filter(|x| !x.is_nan()) {
            self.add(x);
        }
    }

    /// Takes one finite value.
    pub fn add(&mut self, x: f64) {
        self.seen += 1;
        if self.values.len() < self.capacity {
            self.values.push(x);
            return;
        }
        let at = self.below(self.seen);
        if at < self.capacity as u64
            && let Some(place) = self.values.get_mut(at as usize)
        {
            *place = x;
        }
    }

    /// Sorts what was kept.
    pub fn quantiles(mut self) -> Quantiles {
        let exact = self.seen == self.values.len() as u64;
        radix::sort(&mut self.values);
        Quantiles {
            sorted: self.values,
            exact,
        }
    }

    /// Uniform in [0, n): SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), with the bias of the modulus far below what a
    /// sample of this size can show.
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % n
    }
}
