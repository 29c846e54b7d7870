// Package stats is arithmetic on numbers that arrive one at a time. It knows of no files, cells or words.
package stats

import "math"

// Moments are count, extremes, mean and variance of a stream, by Welford's method (Technometrics 4(3), 1962):
// one pass, no catastrophic cancellation.
type Moments struct {
	N        int64
	Min, Max float64
	Mean     float64
	m2       float64
}

// Add takes one finite value.
func (m *Moments) Add(x float64) {
	if m.N == 0 || x < m.Min {
		m.Min = x
	}
	if m.N == 0 || x > m.Max {
		m.Max = x
	}
	m.N++
	delta := x - m.Mean
	m.Mean += delta / float64(m.N)
	m.m2 += delta * (x - m.Mean)
}

// Stdev is the sample standard deviation (divisor n-1); NaN below two values.
func (m *Moments) Stdev() float64 {
	if m.N < 2 {
		return math.NaN()
	}
	return math.Sqrt(m.m2 / float64(m.N-1))
}

// Pairs accumulates two variables together, for a correlation and for a least-squares line.
type Pairs struct {
	N            int64
	meanX, meanY float64
	xx, yy, xy   float64
}

// Add takes one pair of finite values.
func (p *Pairs) Add(x, y float64) {
	p.N++
	n := float64(p.N)
	dx := x - p.meanX
	dy := y - p.meanY
	p.meanX += dx / n
	p.meanY += dy / n
	p.xx += dx * (x - p.meanX)
	p.yy += dy * (y - p.meanY)
	p.xy += dx * (y - p.meanY)
}

// Correlation is Pearson's r; false where a variable is constant or there are fewer than three pairs.
func (p *Pairs) Correlation() (float64, bool) {
	if p.N < 3 || p.xx <= 0 || p.yy <= 0 {
		return 0, false
	}
	return math.Max(-1, math.Min(1, p.xy/math.Sqrt(p.xx*p.yy))), true
}

// Line is y = Intercept + Slope*x with its coefficient of determination.
type Line struct {
	Slope, Intercept, R2 float64
}

// At is the line's value.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// Fit is the ordinary least-squares line of y over x; false where x does not vary or there are fewer than
// three pairs. A constant y fits perfectly with slope 0, but explains nothing: its R2 is 0.
func (p *Pairs) Fit() (Line, bool) {
	if p.N < 3 || p.xx <= 0 {
		return Line{}, false
	}
	slope := p.xy / p.xx
	line := Line{Slope: slope, Intercept: p.meanY - slope*p.meanX}
	if p.yy > 0 {
		line.R2 = math.Min(1, p.xy*p.xy/(p.xx*p.yy))
	}
	return line, true
}
