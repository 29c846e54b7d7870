//! Two variables together: a correlation, and a line by least squares.

use super::gauge::Gauge;
use super::scaled;

/// Accumulates two variables together, on scaled values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    /// How many pairs there are.
    pub n: u64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    pub(super) gx: Gauge,
    pub(super) gy: Gauge,
}

/// What the pairs of a block add up to, in gauges.
pub(super) struct Part {
    pub(super) n: usize,
    pub(super) mean_x: f64,
    pub(super) mean_y: f64,
    pub(super) xx: f64,
    pub(super) yy: f64,
    pub(super) xy: f64,
}

impl Pairs {
    /// Takes the pairs of a block of which neither is missing.
    pub fn add_all(&mut self, xs: &[f64], ys: &[f64]) {
        let present = || {
            xs.iter()
                .zip(ys)
                .filter(|(x, y)| !x.is_nan() && !y.is_nan())
        };
        let (mut n, mut most_x, mut most_y) = (0_usize, 0.0_f64, 0.0_f64);
        for (x, y) in present() {
            n += 1;
            (most_x, most_y) = (most_x.max(x.abs()), most_y.max(y.abs()));
        }
        if n == 0 {
            return;
        }
        self.grow(most_x, most_y);
        let (fx, fy) = (self.gx.unit(), self.gy.unit());
        let (mut sum_x, mut sum_y) = (0.0, 0.0);
        for (x, y) in present() {
            sum_x += x * fx;
            sum_y += y * fy;
        }
        let (mean_x, mean_y) = (sum_x / n as f64, sum_y / n as f64);
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (x, y) in present() {
            let (dx, dy) = (x * fx - mean_x, y * fy - mean_y);
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }
        self.join(&Part {
            n,
            mean_x,
            mean_y,
            xx,
            yy,
            xy,
        });
    }

    /// Makes the gauges large enough for values of this size.
    pub(super) fn grow(&mut self, x: f64, y: f64) {
        let grown = self.gx.fit(x);
        if grown > 0 {
            self.mean_x = scaled(self.mean_x, -grown);
            self.xy = scaled(self.xy, -grown);
            self.xx = scaled(self.xx, -2 * grown);
        }
        let grown = self.gy.fit(y);
        if grown > 0 {
            self.mean_y = scaled(self.mean_y, -grown);
            self.xy = scaled(self.xy, -grown);
            self.yy = scaled(self.yy, -2 * grown);
        }
    }

    /// Takes what another block adds up to, in the gauges (Chan, Golub and LeVeque, Updating Formulae and a Pairwise
    /// Algorithm for Computing Sample Variances, COMPSTAT 1982).
    pub(super) fn join(&mut self, part: &Part) {
        let before = self.n as f64;
        self.n += part.n as u64;
        let share = part.n as f64 / self.n as f64;
        let (dx, dy) = (part.mean_x - self.mean_x, part.mean_y - self.mean_y);
        self.mean_x += dx * share;
        self.mean_y += dy * share;
        self.xx += part.xx + dx * dx * before * share;
        self.yy += part.yy + dy * dy * before * share;
        self.xy += part.xy + dx * dy * before * share;
    }

    /// Pearson's r; none where a variable is constant or there are fewer than three pairs.
    pub fn correlation(&self) -> Option<f64> {
        if self.n < 3 || self.xx <= 0.0 || self.yy <= 0.0 {
            return None;
        }
        Some((self.xy / self.xx.sqrt() / self.yy.sqrt()).clamp(-1.0, 1.0))
    }

    /// The ordinary least-squares line of y over x; none where x does not vary, there are fewer than three pairs, or the
    /// slope is no `f64`. A constant y fits perfectly with slope 0, but explains nothing: its R² is 0.
    pub fn fit(&self) -> Option<Line> {
        if self.n < 3 || self.xx <= 0.0 {
            return None;
        }
        let mut line = Line {
            slope: scaled(self.xy / self.xx, self.gy.exponent - self.gx.exponent),
            x: scaled(self.mean_x, self.gx.exponent),
            y: scaled(self.mean_y, self.gy.exponent),
            r2: 0.0,
        };
        if self.yy > 0.0 {
            line.r2 = (self.xy / self.xx * (self.xy / self.yy)).min(1.0);
        }
        (!line.slope.is_infinite() && !line.y.is_infinite()).then_some(line)
    }
}

/// y = `y` + `slope`·(x - `x`) with its coefficient of determination: `x` and `y` are the means, so that no digit is lost
/// far from zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// How much y changes where x grows by one.
    pub slope: f64,
    /// The mean of x.
    pub x: f64,
    /// The mean of y.
    pub y: f64,
    /// The share of the variance that the line explains.
    pub r2: f64,
}

impl Line {
    /// The line's value.
    pub fn at(&self, x: f64) -> f64 {
        self.y + self.slope * (x - self.x)
    }
}
