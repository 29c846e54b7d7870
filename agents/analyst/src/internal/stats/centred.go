package stats

import "math"

// Centred is a block of values without its mean, of which none is missing: where two columns have none, a pair of them is
// one loop over both. The values are scaled by a power of two, so that no product overflows or vanishes.
type Centred struct {
	values   []float64
	mean     float64
	squares  float64
	exponent int
	whole    bool
}

// Set takes a block.
func (c *Centred) Set(values []float64) {
	c.whole = false
	most, sum := 0.0, 0.0
	for _, x := range values {
		if x = math.Abs(x); x > most {
			most = x
		}
		sum += x - x // a missing value makes it one
	}
	if sum != 0 || len(values) == 0 {
		return
	}
	_, c.exponent = math.Frexp(most)
	c.exponent = max(-900, min(900, c.exponent))
	factor := math.Ldexp(1, -c.exponent)
	sum = 0
	for _, x := range values {
		sum += x * factor
	}
	c.mean = sum / float64(len(values))
	c.values = append(c.values[:0], values...)
	c.squares = 0
	for i, x := range c.values {
		x = x*factor - c.mean
		c.values[i] = x
		c.squares += x * x
	}
	c.whole = true
}

// AddCentred takes the pairs of two blocks; false where one of them lacks a value.
func (p *Pairs) AddCentred(x, y *Centred) bool {
	if !x.whole || !y.whole {
		return false
	}
	ys := y.values[:len(x.values)]
	var a, b float64
	i := 0
	for ; i+4 <= len(x.values); i += 4 {
		xs, ys := x.values[i:i+4:i+4], ys[i:i+4:i+4]
		a += xs[0]*ys[0] + xs[1]*ys[1]
		b += xs[2]*ys[2] + xs[3]*ys[3]
	}
	for ; i < len(x.values); i++ {
		a += x.values[i] * ys[i]
	}
	p.grow(math.Ldexp(0.5, x.exponent), math.Ldexp(0.5, y.exponent))
	fx, fy := math.Ldexp(1, x.exponent-p.gx.exponent), math.Ldexp(1, y.exponent-p.gy.exponent)
	p.join(len(x.values), x.mean*fx, y.mean*fy, x.squares*fx*fx, y.squares*fy*fy, (a+b)*fx*fy)
	return true
}

// join takes what another block adds up to, in the gauges (Chan, Golub and LeVeque, Updating Formulae and a Pairwise
// Algorithm for Computing Sample Variances, COMPSTAT 1982).
func (p *Pairs) join(n int, meanX, meanY, xx, yy, xy float64) {
	before := float64(p.N)
	p.N += int64(n)
	share := float64(n) / float64(p.N)
	dx, dy := meanX-p.meanX, meanY-p.meanY
	p.meanX += dx * share
	p.meanY += dy * share
	p.xx += xx + dx*dx*before*share
	p.yy += yy + dy*dy*before*share
	p.xy += xy + dx*dy*before*share
}
