//! Arithmetic on numbers that arrive a block at a time. It knows of no files, cells or words. NaN stands for no value.

mod centred;
mod decimal;
mod exact;
mod gauge;
mod moments;
mod nearest;
mod outliers;
mod pairs;
mod quantiles;
mod radix;
mod rough;
mod sample;
#[cfg(test)]
mod tests;

pub use centred::Centred;
pub use decimal::{log10, pow10};
pub use moments::Moments;
pub use outliers::Bounds;
pub use pairs::{Line, Pairs};
pub use quantiles::Quantiles;
pub use rough::Rough;
pub use sample::Sample;

/// x·2^exponent, rounded once; what is too large is infinite.
fn scaled(x: f64, exponent: i32) -> f64 {
    libm::ldexp(x, exponent)
}
