package stats

import (
	"math"
	"sort"
)

// Sample keeps values for quantiles: all of them up to its capacity, above it a uniform sample by reservoir
// (Vitter's algorithm R, ACM TOMS 11(1), 1985) with a fixed seed, so that the same file gives the same report.
type Sample struct {
	capacity int
	seen     int64
	state    uint64
	values   []float64
	sorted   bool
}

// NewSample keeps at most capacity values.
func NewSample(capacity int) *Sample {
	return &Sample{capacity: capacity, state: 0x9e3779b97f4a7c15}
}

// Add takes one finite value.
func (s *Sample) Add(x float64) {
	s.seen++
	if len(s.values) < s.capacity {
		s.values = append(s.values, x)
		s.sorted = false
		return
	}
	if at := s.below(uint64(s.seen)); at < uint64(s.capacity) {
		s.values[at] = x
		s.sorted = false
	}
}

// Exact says whether every value that came was kept.
func (s *Sample) Exact() bool { return s.seen == int64(len(s.values)) }

// Kept is how many values the quantiles rest on.
func (s *Sample) Kept() int { return len(s.values) }

// Quantile is the q-quantile (0 to 1) with linear interpolation between order statistics (type 7 of Hyndman
// and Fan, The American Statistician 50(4), 1996: the default of R and NumPy); NaN where nothing was added.
func (s *Sample) Quantile(q float64) float64 {
	s.sort()
	return quantileOf(s.values, q)
}

// MAD is the median of the absolute deviations from centre; NaN where nothing was added.
func (s *Sample) MAD(centre float64) float64 {
	deviations := make([]float64, len(s.values))
	for i, value := range s.values {
		deviations[i] = math.Abs(value - centre)
	}
	sort.Float64s(deviations)
	return quantileOf(deviations, 0.5)
}

func (s *Sample) sort() {
	if !s.sorted {
		sort.Float64s(s.values)
		s.sorted = true
	}
}

// below is uniform in [0, n): SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), with the bias of the modulus far
// below what a sample of this size can show.
func (s *Sample) below(n uint64) uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return (z ^ (z >> 31)) % n
}

func quantileOf(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := int(math.Ceil(at))
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
