package report

import (
	"math"
	"testing"
	"time"

	"aion.dev/agents/analyst/internal/profile"
)

func TestFiguresAreWrittenForAReader(t *testing.T) {
	for want, value := range map[string]float64{
		"0":          0,
		"12":         12,
		"−1,234":     -1234,
		"1,234,567":  1234567,
		"0.33333":    1.0 / 3,
		"3.1416":     math.Pi,
		"1,234.6":    1234.56,
		"12,345.7":   12345.67,
		"0.00012":    0.00012,
		"1.000e-05":  0.00001,
		"−2.500e+20": -2.5e20,
		"–":          math.NaN(),
	} {
		if got := figure(value); got != want {
			t.Errorf("figure(%v) = %q, want %q", value, got, want)
		}
	}
}

func TestAShareIsNeverRoundedToNothingOrAll(t *testing.T) {
	for want, parts := range map[string][2]int64{
		"0 %": {0, 10}, "100 %": {10, 10}, "<1 %": {1, 1000}, ">99 %": {999, 1000}, "50 %": {1, 2}, "–": {0, 0},
	} {
		if got := percent(parts[0], parts[1]); got != want {
			t.Errorf("percent(%v) = %q, want %q", parts, got, want)
		}
	}
}

func TestASlopeIsToldInAUnitThatTheDataSpansSeveralTimes(t *testing.T) {
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, span := range map[string]time.Duration{
		"hour": 24 * time.Hour, "day": 30 * 24 * time.Hour, "month": 400 * 24 * time.Hour, "year": 2000 * 24 * time.Hour,
	} {
		if _, got := slopeUnit(&profile.Column{First: start, Last: start.Add(span)}); got != want {
			t.Errorf("%v: a %s, want a %s", span, got, want)
		}
	}
}

func TestANameCannotBreakOutOfItsPlaceInTheReport(t *testing.T) {
	if got, want := word("a|b\n**c** <i> [x](y) `z`"), "a\\|b \\*\\*c\\*\\* &lt;i> \\[x](y) \\`z\\`"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
