//! Values as pixels, and round values between two.

use crate::stats::{log10, pow10};

/// Maps values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    pub(super) fn at(&self, value: f64) -> f64 {
        if self.to == self.from {
            return (self.start + self.end) / 2.0;
        }
        // Halves: the width of the range may be larger than an `f64`.
        let from = self.from / 2.0;
        let at =
            self.start + (value / 2.0 - from) / (self.to / 2.0 - from) * (self.end - self.start);
        at.clamp(-1e4, 1e4)
    }
}

/// Round values within the range, about `count` of them: steps of 1, 2 or 5 times a power of ten (Heckbert, Nice Numbers
/// for Graph Labels, Graphics Gems, 1990).
pub(super) fn ticks(from: f64, to: f64, count: usize) -> Vec<f64> {
    let narrow = to - from < f64::MAX * 1e-300 && (-from).max(to) < 1e-300;
    if to.partial_cmp(&from) != Some(std::cmp::Ordering::Greater) || narrow {
        return vec![from];
    }
    let raw = to / count as f64 - from / count as f64;
    let power = pow10(log10(raw).floor() as i32);
    let nice = [1.0, 2.0, 5.0].map(|nice| nice * power);
    let step = nice
        .into_iter()
        .find(|&step| step >= raw)
        .unwrap_or(10.0 * power);
    let last = (to / step + 1e-9).floor();
    let mut out = Vec::new();
    let mut i = (from / step - 1e-9).ceil();
    while i <= last && out.len() <= 2 * count {
        out.push(i * step);
        i += 1.0;
    }
    out
}

/// Moves both ends outward to whole steps, so that no line touches the frame.
pub(super) fn widen(from: f64, to: f64, count: usize) -> (f64, f64) {
    if from == to {
        return (from - 1.0, to + 1.0);
    }
    let marks = ticks(from, to, count);
    let [first, second, ..] = marks.as_slice() else {
        return (from, to);
    };
    let step = second - first;
    let low = (from / step + 1e-9).floor() * step;
    let high = (to / step - 1e-9).ceil() * step;
    (low.max(-f64::MAX), high.min(f64::MAX))
}
