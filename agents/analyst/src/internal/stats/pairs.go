package stats

import (
	"math"
	"math/bits"
)

func mul(a, b uint64) (high, low uint64) { return bits.Mul64(a, b) }

// gauge scales a variable by a power of two, so that no product of two of its values overflows or vanishes. Powers of
// two change no digit.
type gauge struct {
	exponent int
	factor   float64 // 2^-exponent; 0 before the first value that is not zero
}

// scale gives x in the gauge, below 1. Where x is too large for it, the gauge grows by 2^grown, and what was added up
// in it must shrink by that.
func (g *gauge) scale(x float64) (scaled float64, grown int) {
	scaled = x * g.factor
	if x == 0 || g.factor != 0 && math.Abs(scaled) < 1 {
		return scaled, 0
	}
	_, exponent := math.Frexp(x)
	exponent = max(-900, min(900, exponent))
	if g.factor != 0 {
		grown = max(0, exponent-g.exponent)
	}
	if g.factor == 0 || grown > 0 {
		g.exponent, g.factor = exponent, math.Ldexp(1, -exponent)
	}
	return x * g.factor, grown
}

// unit is the factor; 1 where every value was zero.
func (g *gauge) unit() float64 {
	if g.factor == 0 {
		return 1
	}
	return g.factor
}

// Pairs accumulates two variables together, for a correlation and for a least-squares line, on scaled values.
type Pairs struct {
	N            int64
	meanX, meanY float64
	xx, yy, xy   float64
	gx, gy       gauge
}

// grow makes the gauges large enough for values of this size.
func (p *Pairs) grow(x, y float64) {
	if _, grown := p.gx.scale(x); grown > 0 {
		p.meanX, p.xy, p.xx = math.Ldexp(p.meanX, -grown), math.Ldexp(p.xy, -grown), math.Ldexp(p.xx, -2*grown)
	}
	if _, grown := p.gy.scale(y); grown > 0 {
		p.meanY, p.xy, p.yy = math.Ldexp(p.meanY, -grown), math.Ldexp(p.xy, -grown), math.Ldexp(p.yy, -2*grown)
	}
}

// Correlation is Pearson's r; false where a variable is constant or there are fewer than three pairs.
func (p *Pairs) Correlation() (float64, bool) {
	if p.N < 3 || p.xx <= 0 || p.yy <= 0 {
		return 0, false
	}
	return math.Max(-1, math.Min(1, p.xy/math.Sqrt(p.xx)/math.Sqrt(p.yy))), true
}

// Line is y = Y + Slope*(x - X) with its coefficient of determination: X and Y are the means, so that no digit is
// lost far from zero.
type Line struct {
	Slope, X, Y, R2 float64
}

// At is the line's value.
func (l Line) At(x float64) float64 { return l.Y + l.Slope*(x-l.X) }

// Fit is the ordinary least-squares line of y over x; false where x does not vary, there are fewer than three pairs,
// or the slope is no float64. A constant y fits perfectly with slope 0, but explains nothing: its R2 is 0.
func (p *Pairs) Fit() (Line, bool) {
	if p.N < 3 || p.xx <= 0 {
		return Line{}, false
	}
	line := Line{
		Slope: math.Ldexp(p.xy/p.xx, p.gy.exponent-p.gx.exponent),
		X:     math.Ldexp(p.meanX, p.gx.exponent), Y: math.Ldexp(p.meanY, p.gy.exponent),
	}
	if p.yy > 0 {
		line.R2 = math.Min(1, p.xy/p.xx*(p.xy/p.yy))
	}
	return line, !math.IsInf(line.Slope, 0) && !math.IsInf(line.Y, 0)
}
