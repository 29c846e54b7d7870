package stats

import "math"

// zLimit and fence are the customary bounds: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993)
// for the modified z-score, Tukey, Exploratory Data Analysis (1977) for the fences.
const (
	zLimit = 3.5
	fence  = 1.5
	zScale = 0.6745
)

// Bounds tells outliers from the rest of one variable. A value is an outlier where both tests say so: it lies
// beyond Tukey's fences, and its modified z-score is above 3.5. Where more than half of the values are equal
// the second test says nothing and the first decides alone; where more than three quarters may be equal,
// nothing is called an outlier.
type Bounds struct {
	Low, High float64
	usable    bool
}

// NewBounds learns from a sample.
func NewBounds(sample *Sample) Bounds {
	first, median, third := sample.Percentile(25), sample.Percentile(50), sample.Percentile(75)
	spread := third - first
	if math.IsNaN(spread) || spread <= 0 {
		return Bounds{}
	}
	low, high := first-fence*spread, third+fence*spread
	if mad := sample.MAD(median); mad > 0 {
		reach := zLimit * mad / zScale
		low = math.Min(low, median-reach)
		high = math.Max(high, median+reach)
	}
	return Bounds{Low: low, High: high, usable: true}
}

// Usable says whether anything can be called an outlier.
func (b Bounds) Usable() bool { return b.usable }

// Outside says whether a value is an outlier.
func (b Bounds) Outside(x float64) bool { return b.usable && (x < b.Low || x > b.High) }
