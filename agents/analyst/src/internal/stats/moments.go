// Package stats is arithmetic on numbers that arrive one at a time. It knows of no files, cells or words.
package stats

import (
	"math"
	"math/big"
)

// Average is count, extremes and mean of a stream. The sum is exact, so the mean is the float64 nearest to the true one,
// whatever the size and the order of the values.
type Average struct {
	N          int64
	Min, Max   float64
	plus, less sum
}

// Add takes one finite value.
func (m *Average) Add(x float64) {
	if m.N == 0 || x < m.Min {
		m.Min = x
	}
	if m.N == 0 || x > m.Max {
		m.Max = x
	}
	m.N++
	digits, exponent := split(x)
	if x < 0 {
		m.less.add(0, digits, exponent)
	} else {
		m.plus.add(0, digits, exponent)
	}
}

func (m *Average) total() *big.Int { return new(big.Int).Sub(m.plus.whole(), m.less.whole()) }

// Mean is the arithmetic mean; NaN where nothing was added.
func (m *Average) Mean() float64 {
	if m.N == 0 {
		return math.NaN()
	}
	return float(m.total(), m.N)
}

// Moments are a mean and a variance, the sum of squares exact too.
type Moments struct {
	Average
	squares sum
}

// Add takes one finite value.
func (m *Moments) Add(x float64) {
	m.Average.Add(x)
	digits, exponent := split(x)
	high, low := mul(digits, digits)
	m.squares.add(high, low, 2*exponent)
}

// Stdev is the sample standard deviation (divisor n-1); NaN below two values. Its square is computed exactly:
// (n·Σx² - (Σx)²) / (n·(n-1)).
func (m *Moments) Stdev() float64 {
	if m.N < 2 {
		return math.NaN()
	}
	total := m.total()
	// The total counts in 2^lowest, its square in the square of that; bring the squares to the same unit.
	spread := new(big.Int).Lsh(m.squares.whole(), -lowest)
	spread.Mul(spread, big.NewInt(m.N)).Sub(spread, total.Mul(total, total))
	if spread.Sign() <= 0 {
		return 0
	}
	const precision = 256
	ratio := new(big.Float).SetPrec(precision).SetInt(spread)
	ratio.Quo(ratio, new(big.Float).SetPrec(precision).SetInt(new(big.Int).Mul(big.NewInt(m.N), big.NewInt(m.N-1))))
	root := ratio.Sqrt(ratio)
	stdev, _ := root.SetMantExp(root, lowest).Float64()
	return stdev
}
