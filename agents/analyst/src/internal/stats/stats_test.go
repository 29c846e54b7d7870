package stats

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// 2 4 4 4 5 5 7 9: sum 40, mean 5, squared deviations 9+1+1+1+0+0+4+16 = 32, sample variance 32/7.
func TestMomentsAgreeWithSumsDoneByHand(t *testing.T) {
	var m Moments
	for _, x := range []float64{2, 4, 4, 4, 5, 5, 7, 9} {
		m.Add(x)
	}
	near(t, "mean", m.Mean(), 5)
	near(t, "stdev", m.Stdev(), math.Sqrt(32.0/7))
	near(t, "min", m.Min, 2)
	near(t, "max", m.Max, 9)
}

// The case that breaks the textbook formula: a large offset. Deviations -6 -3 3 6, variance 90/3.
func TestVarianceSurvivesALargeOffset(t *testing.T) {
	var m Moments
	for _, x := range []float64{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16} {
		m.Add(x)
	}
	near(t, "mean", m.Mean(), 1e9+10)
	near(t, "stdev", m.Stdev(), math.Sqrt(30))
}

func TestOneValueHasNoSpread(t *testing.T) {
	var m Moments
	m.Add(3)
	if !math.IsNaN(m.Stdev()) {
		t.Errorf("stdev of one value is %v", m.Stdev())
	}
}

// Type 7 on 1 2 3 4 10 (n=5): position of q is 4q. 0.25 -> 2, 0.5 -> 3, 0.75 -> 4, 0.9 -> 3.6: 4 + 0.6*6.
func TestQuantilesInterpolateBetweenOrderStatistics(t *testing.T) {
	s := NewSample(100)
	for _, x := range []float64{10, 3, 1, 4, 2} {
		s.Add(x)
	}
	near(t, "q0", s.Percentile(0), 1)
	near(t, "q25", s.Percentile(25), 2)
	near(t, "median", s.Percentile(50), 3)
	near(t, "q75", s.Percentile(75), 4)
	near(t, "q90", s.Percentile(90), 7.6)
	near(t, "q100", s.Percentile(100), 10)
	// |x-3| = 7 0 2 1 1, sorted 0 1 1 2 7.
	near(t, "mad", s.MAD(3), 1)
	if !s.Exact() {
		t.Error("five values in a sample of a hundred are exact")
	}
}

func TestAFullSampleIsUniformAndSaysThatItIsNotExact(t *testing.T) {
	s := NewSample(10_000)
	for i := range 1_000_000 {
		s.Add(float64(i))
	}
	if s.Exact() || s.Kept() != 10_000 {
		t.Fatalf("exact %v, kept %d", s.Exact(), s.Kept())
	}
	// The standard error of a median of 10,000 uniform values is half a percent of their range; four of them.
	if median := s.Percentile(50); math.Abs(median-500_000) > 20_000 {
		t.Errorf("median of the sample is %v", median)
	}
}

// x 1..5, y 2 4 5 4 5: means 3 and 4, Sxy = 4+0+0+0+2 = 6, Sxx = 10, Syy = 4+0+1+0+1 = 6.
func TestTheLineAndTheCorrelationAgreeWithSumsDoneByHand(t *testing.T) {
	var p Pairs
	for i, y := range []float64{2, 4, 5, 4, 5} {
		p.AddAll([]float64{float64(i + 1)}, []float64{y})
	}
	line, ok := p.Fit()
	if !ok {
		t.Fatal("no line")
	}
	near(t, "slope", line.Slope, 0.6)
	near(t, "at 0", line.At(0), 2.2)
	near(t, "r2", line.R2, 0.6)
	near(t, "at 10", line.At(10), 8.2)
	r, ok := p.Correlation()
	if !ok {
		t.Fatal("no correlation")
	}
	near(t, "r", r, 6/math.Sqrt(60))
}

func TestAConstantHasNoCorrelationAndExplainsNothing(t *testing.T) {
	var p Pairs
	for i := range 5 {
		p.AddAll([]float64{float64(i)}, []float64{7})
	}
	if _, ok := p.Correlation(); ok {
		t.Error("a constant correlates")
	}
	line, ok := p.Fit()
	if !ok || line.Slope != 0 || line.R2 != 0 {
		t.Errorf("line %+v %v", line, ok)
	}
	var flat Pairs
	for i := range 5 {
		flat.AddAll([]float64{7}, []float64{float64(i)})
	}
	if _, ok := flat.Fit(); ok {
		t.Error("a line over an x that does not vary")
	}
}

// 1..9 and 100. Quartiles by type 7 (n=10): 3.25, 5.5, 7.75; fences -3.5 and 14.5.
// Deviations from 5.5: 0.5 0.5 1.5 1.5 2.5 2.5 3.5 3.5 4.5 94.5, MAD 2.5, reach 3.5*2.5/0.6745 = 12.97.
func TestAnOutlierMustFailBothTests(t *testing.T) {
	s := NewSample(100)
	for i := 1; i <= 9; i++ {
		s.Add(float64(i))
	}
	s.Add(100)
	b := NewBounds(s)
	near(t, "high", b.High, 5.5+3.5*2.5/0.6745)
	near(t, "low", b.Low, 5.5-3.5*2.5/0.6745)
	for x, want := range map[float64]bool{100: true, 15: false, 18.4: false, 18.5: true, -7.4: false, -7.5: true} {
		if b.Outside(x) != want {
			t.Errorf("outside(%v) is %v", x, !want)
		}
	}
}

func TestNothingIsAnOutlierWhereMostValuesAreEqual(t *testing.T) {
	s := NewSample(100)
	for range 20 {
		s.Add(1)
	}
	s.Add(50)
	if b := NewBounds(s); b.Usable() || b.Outside(50) {
		t.Errorf("bounds %+v", b)
	}
}
