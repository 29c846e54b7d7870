//! What is called an outlier.

use super::Quantiles;

/// The customary bounds: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993) for the modified z-score, Tukey,
/// Exploratory Data Analysis (1977) for the fences.
const Z_LIMIT: f64 = 3.5;
const FENCE: f64 = 1.5;
const Z_SCALE: f64 = 0.6745;

/// Tells outliers from the rest of one variable. A value is an outlier where both tests say so: it lies beyond Tukey's
/// fences, and its modified z-score is above 3.5. Where more than half of the values are equal the second test says
/// nothing and the first decides alone; where more than three quarters may be equal, nothing is called an outlier.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// What is below it is an outlier.
    pub low: f64,
    /// What is above it is an outlier.
    pub high: f64,
    usable: bool,
}

impl Bounds {
    /// Learns from the quantiles.
    pub fn new(quantiles: &Quantiles) -> Self {
        let (first, median, third) = (
            quantiles.percentile(25),
            quantiles.percentile(50),
            quantiles.percentile(75),
        );
        let spread = third - first;
        if spread.is_nan() || spread <= 0.0 {
            return Self::default();
        }
        let (mut low, mut high) = (first - FENCE * spread, third + FENCE * spread);
        let mad = quantiles.mad(median);
        if mad > 0.0 {
            let reach = Z_LIMIT * mad / Z_SCALE;
            low = low.min(median - reach);
            high = high.max(median + reach);
        }
        Self {
            low,
            high,
            usable: true,
        }
    }

    /// Whether anything can be called an outlier.
    pub fn usable(&self) -> bool {
        self.usable
    }

    /// Whether a value is an outlier.
    #[inline]
    pub fn outside(&self, x: f64) -> bool {
        self.usable && (x < self.low || x > self.high)
    }
}
