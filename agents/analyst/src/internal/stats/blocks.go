package stats

import "math"

// What follows adds many values at once: a call for each costs more than the arithmetic, and within a block the mean is
// known before the deviations are taken. NaN stands for no value.

// Rough is count, extremes and mean of a stream, for a picture: the mean is rounded. Means are weighed and not added, so
// that none overflows.
type Rough struct {
	N              int64
	Min, Max, Mean float64
}

// AddAll takes the values of a block where neither they nor the others are missing.
func (r *Rough) AddAll(values, others []float64) {
	others = others[:len(values)]
	low, high := math.Inf(1), math.Inf(-1)
	n, sum, part := 0, 0.0, 1/float64(len(values))
	for i, x := range values {
		if x != x || others[i] != others[i] {
			continue
		}
		n++
		sum += x * part
		if x < low {
			low = x
		}
		if x > high {
			high = x
		}
	}
	if n == 0 {
		return
	}
	mean := sum * (float64(len(values)) / float64(n))
	if r.N == 0 {
		*r = Rough{int64(n), low, high, mean}
		return
	}
	r.Min, r.Max = min(r.Min, low), max(r.Max, high)
	r.N += int64(n)
	share := float64(n) / float64(r.N)
	r.Mean = r.Mean*(1-share) + mean*share
}

// AddAll takes the values of a block; at most 2^31 of them.
func (m *Moments) AddAll(values []float64) {
	low, high := math.Inf(1), math.Inf(-1)
	n := 0
	// Whole numbers below 2^31 add up to less than 2^63; their squares have a word for the carries.
	var plus, less int64
	var squares, carries uint64
	for _, x := range values {
		if x != x {
			continue
		}
		n++
		if x < low {
			low = x
		}
		if x > high {
			high = x
		}
		if whole := int64(x); x < 1<<31 && x > -1<<31 && float64(whole) == x {
			if whole < 0 {
				less -= whole
			} else {
				plus += whole
			}
			square := uint64(whole * whole)
			if squares += square; squares < square {
				carries++
			}
			continue
		}
		digits, exponent := split(x)
		if x < 0 {
			m.less.add(0, digits, exponent)
		} else {
			m.plus.add(0, digits, exponent)
		}
		up, down := mul(digits, digits)
		m.squares.add(up, down, 2*exponent)
	}
	if n == 0 {
		return
	}
	m.plus.add(0, uint64(plus), 0)
	m.less.add(0, uint64(less), 0)
	m.squares.add(carries, squares, 0)
	if m.N == 0 {
		m.Min, m.Max = low, high
	}
	m.Min, m.Max = min(m.Min, low), max(m.Max, high)
	m.N += int64(n)
}

// AddAll takes the pairs of a block of which neither is missing.
func (p *Pairs) AddAll(xs, ys []float64) {
	ys = ys[:len(xs)]
	n, mostX, mostY := 0, 0.0, 0.0
	for i, x := range xs {
		if y := ys[i]; x == x && y == y {
			n++
			mostX, mostY = max(mostX, math.Abs(x)), max(mostY, math.Abs(y))
		}
	}
	if n == 0 {
		return
	}
	p.grow(mostX, mostY)
	fx, fy := p.gx.unit(), p.gy.unit()
	sumX, sumY := 0.0, 0.0
	for i, x := range xs {
		if y := ys[i]; x == x && y == y {
			sumX += x * fx
			sumY += y * fy
		}
	}
	meanX, meanY := sumX/float64(n), sumY/float64(n)
	var xx, yy, xy float64
	for i, x := range xs {
		if y := ys[i]; x == x && y == y {
			dx, dy := x*fx-meanX, y*fy-meanY
			xx += dx * dx
			yy += dy * dy
			xy += dx * dy
		}
	}
	p.join(n, meanX, meanY, xx, yy, xy)
}

// AddAll takes the values of a block.
func (s *Sample) AddAll(values []float64) {
	if room := s.capacity - len(s.values); room >= len(values) {
		have := s.values
		for _, x := range values {
			if x == x {
				have = append(have, x)
			}
		}
		s.seen += int64(len(have) - len(s.values))
		s.values, s.sorted = have, false
		return
	}
	for _, x := range values {
		if x == x {
			s.Add(x)
		}
	}
}
