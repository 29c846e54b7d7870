package stats

import (
	"math"
	"math/big"
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

// Percentile is the p-th of a hundred quantiles with linear interpolation between order statistics (type 7 of Hyndman
// and Fan, The American Statistician 50(4), 1996: the default of R and NumPy); NaN where nothing was added.
func (s *Sample) Percentile(p int) float64 {
	s.sort()
	return percentileOf(s.values, p)
}

// MAD is the median of the absolute deviations from centre; NaN where nothing was added, infinite where it is larger
// than a float64.
func (s *Sample) MAD(centre float64) float64 {
	n := len(s.values)
	if n == 0 {
		return math.NaN()
	}
	s.sort()
	// The deviations grow from the centre to both sides: they are merged as far as their middle.
	right := sort.SearchFloat64s(s.values, centre)
	left := right - 1
	var last, one float64
	for range n/2 + 1 {
		last = one
		if left < 0 || right < n && s.values[right]-centre < centre-s.values[left] {
			one = s.values[right] - centre
			right++
		} else {
			one = centre - s.values[left]
			left--
		}
	}
	if n%2 == 1 {
		return one
	}
	return percentileOf([]float64{last, one}, 50)
}

func (s *Sample) sort() {
	if !s.sorted {
		s.values = sorted(s.values)
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

// percentileOf finds the place in whole numbers, since p·(n-1)/100 as a float64 may miss a whole place by a hair, and
// interpolates in fractions: the float64 nearest to the true value.
func percentileOf(sorted []float64, p int) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	place := p * (len(sorted) - 1)
	low, part := sorted[place/100], int64(place%100)
	if part == 0 {
		return low
	}
	high := sorted[place/100+1]
	if low == high || math.IsInf(high, 0) {
		return high
	}
	exact := new(big.Rat).Mul(new(big.Rat).SetFloat64(low), big.NewRat(100-part, 100))
	exact.Add(exact, new(big.Rat).Mul(new(big.Rat).SetFloat64(high), big.NewRat(part, 100)))
	nearest, _ := exact.Float64()
	return nearest
}
