package stats

import (
	"encoding/json"
	"math"
	"math/rand"
	"os"
	"strconv"
	"testing"
)

// The figures come from testdata/figures.py, in exact fractions: what is told must be the very float64 that is
// nearest to them.
func TestFiguresAreThoseOfExactFractions(t *testing.T) {
	text, err := os.ReadFile("testdata/figures.json")
	if err != nil {
		t.Fatal(err)
	}
	var sets []struct {
		Name        string
		Values      []float64
		Mean, Stdev float64
		Percentiles map[string]float64
	}
	if err := json.Unmarshal(text, &sets); err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		var m Moments
		s := NewSample(1000)
		for _, x := range set.Values {
			m.Add(x)
			s.Add(x)
		}
		if m.Mean() != set.Mean || m.Stdev() != set.Stdev {
			t.Errorf("%s: mean %v, stdev %v; want %v, %v", set.Name, m.Mean(), m.Stdev(), set.Mean, set.Stdev)
		}
		for place, want := range set.Percentiles {
			p, _ := strconv.Atoi(place)
			if got := s.Percentile(p); got != want {
				t.Errorf("%s: %d %% is %v, want %v", set.Name, p, got, want)
			}
		}
	}
}

func TestPairsNeitherOverflowNorVanish(t *testing.T) {
	for _, scale := range []float64{1e-308, 1, 3e307} {
		var p Pairs
		for i, y := range []float64{2, 4, 5, 4, 5} {
			p.AddAll([]float64{float64(i + 1)}, []float64{y * scale})
		}
		line, ok := p.Fit()
		if !ok || math.Abs(line.R2-0.6) > 1e-12 || math.Abs(line.Slope/scale-0.6) > 1e-12 {
			t.Errorf("at %v: %+v %v", scale, line, ok)
		}
		if r, ok := p.Correlation(); !ok || math.Abs(r-6/math.Sqrt(60)) > 1e-12 {
			t.Errorf("at %v: r %v %v", scale, r, ok)
		}
	}
}

// However the values come, in blocks of any size, with gaps or without, a pair is the same up to rounding.
func TestBlocksOfPairsAddUp(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for _, scale := range []float64{1e-300, 1, 1e6, 1e300} {
		var xs, ys []float64
		for i := range 5000 {
			xs = append(xs, scale*(1000+float64(i)+r.Float64()))
			ys = append(ys, -7+r.Float64()*float64(i))
		}
		var want, got Pairs
		want.AddAll(xs, ys)
		var x, y Centred
		for from := 0; from < len(xs); {
			to := min(len(xs), from+1+r.Intn(300))
			x.Set(xs[from:to])
			y.Set(ys[from:to])
			if !got.AddCentred(&x, &y) {
				t.Fatal("a block without gaps is not taken")
			}
			from = to
		}
		a, _ := want.Fit()
		b, ok := got.Fit()
		ra, _ := want.Correlation()
		rb, _ := got.Correlation()
		if !ok || want.N != got.N || math.Abs(a.Slope/b.Slope-1) > 1e-9 || math.Abs(ra-rb) > 1e-12 || math.Abs(a.R2-b.R2) > 1e-12 {
			t.Errorf("at %v: %+v and %+v, r %v and %v", scale, a, b, ra, rb)
		}
		x.Set([]float64{1, math.NaN()})
		if got.AddCentred(&x, &y) {
			t.Error("a block with a gap is taken")
		}
	}
}
