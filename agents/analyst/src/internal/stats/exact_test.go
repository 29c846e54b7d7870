package stats

import (
	"encoding/json"
	"math"
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
