// Package chart draws panels below each other into one SVG. It knows of numbers, times and labels, not of tables.
package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// scale maps values to pixels.
type scale struct {
	from, to   float64
	start, end float64
}

func (s scale) at(value float64) float64 {
	if s.to == s.from {
		return (s.start + s.end) / 2
	}
	// Halves: the width of the range may be larger than a float64.
	at := s.start + (value/2-s.from/2)/(s.to/2-s.from/2)*(s.end-s.start)
	return math.Max(math.Min(at, 1e4), -1e4)
}

// ticks are round values within the range, about count of them: steps of 1, 2 or 5 times a power of ten
// (Heckbert, Nice Numbers for Graph Labels, Graphics Gems, 1990).
func ticks(from, to float64, count int) []float64 {
	if !(to > from) || to-from < math.MaxFloat64*1e-300 && math.Max(-from, to) < 1e-300 {
		return []float64{from}
	}
	raw := to/float64(count) - from/float64(count)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, nice := range []float64{1, 2, 5} {
		if nice*power >= raw {
			step = nice * power
			break
		}
	}
	var out []float64
	last := math.Floor(to/step + 1e-9)
	for i := math.Ceil(from/step - 1e-9); i <= last && len(out) <= 2*count; i++ {
		out = append(out, i*step)
	}
	return out
}

// widen moves both ends outward to whole steps, so that no line touches the frame.
func widen(from, to float64, count int) (float64, float64) {
	if from == to {
		return from - 1, to + 1
	}
	marks := ticks(from, to, count)
	if len(marks) < 2 {
		return from, to
	}
	step := marks[1] - marks[0]
	low, high := math.Floor(from/step+1e-9)*step, math.Ceil(to/step-1e-9)*step
	return math.Max(low, -math.MaxFloat64), math.Min(high, math.MaxFloat64)
}

// timeTick is a moment and what is written beneath it.
type timeTick struct {
	when  time.Time
	label string
}

// timeTicks are the starts of hours, days, months or years within the range, at most about eight of them.
func timeTicks(from, to time.Time) []timeTick {
	const most = 8
	span := to.Sub(from)
	day := 24 * time.Hour
	for _, step := range []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour,
	} {
		if span <= most*step {
			layout := "15:04"
			if span > 20*time.Hour {
				layout = "2 Jan 15:04"
			}
			return every(from, to, from.Truncate(step), layout, func(t time.Time) time.Time { return t.Add(step) })
		}
	}
	midnight := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
	for _, days := range []int{1, 2, 7, 14} {
		if span <= most*time.Duration(days)*day {
			return every(from, to, midnight, "2 Jan", func(t time.Time) time.Time { return t.AddDate(0, 0, days) })
		}
	}
	for _, months := range []int{1, 3, 6} {
		if span <= most*time.Duration(months)*31*day {
			first := time.Date(from.Year(), 1+(from.Month()-1)/time.Month(months)*time.Month(months), 1, 0, 0, 0, 0, time.UTC)
			return every(from, to, first, "Jan 2006", func(t time.Time) time.Time { return t.AddDate(0, months, 0) })
		}
	}
	for years := 1; ; {
		if span <= most*time.Duration(years)*366*day {
			first := time.Date(from.Year()/years*years, 1, 1, 0, 0, 0, 0, time.UTC)
			return every(from, to, first, "2006", func(t time.Time) time.Time { return t.AddDate(years, 0, 0) })
		}
		if years%2 == 0 && years%10 != 0 {
			years = years / 2 * 5
		} else {
			years *= 2
		}
		if years > 1000 {
			return nil
		}
	}
}

func every(from, to, first time.Time, layout string, next func(time.Time) time.Time) []timeTick {
	var out []timeTick
	for when := first; !when.After(to); when = next(when) {
		if !when.Before(from) {
			out = append(out, timeTick{when, when.UTC().Format(layout)})
		}
	}
	return out
}

// tickLabels writes values with as many decimals as their step needs, or with k, M, G where they are
// large and the step is too.
func tickLabels(values []float64) []string {
	step := 0.0
	if len(values) > 1 {
		step = math.Abs(values[1] - values[0])
	}
	largest := 0.0
	for _, value := range values {
		largest = math.Max(largest, math.Abs(value))
	}
	if largest >= 1e15 || step > 0 && step < 1e-8 {
		labels := make([]string, len(values))
		for i, value := range values {
			labels[i] = strings.Replace(strconv.FormatFloat(value, 'g', 3, 64), "-", "−", 1)
		}
		return labels
	}
	unit, suffix := 1.0, ""
	for _, u := range []struct {
		unit   float64
		suffix string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if largest >= 10*u.unit && step >= u.unit/10 {
			unit, suffix = u.unit, u.suffix
			break
		}
	}
	decimals := 0
	if scaled := step / unit; scaled > 0 && scaled < 1 {
		decimals = min(9, int(math.Ceil(-math.Log10(scaled)-1e-9)))
	}
	labels := make([]string, len(values))
	for i, value := range values {
		text := strconv.FormatFloat(value/unit, 'f', decimals, 64)
		if strings.Trim(text, "-0.") == "" {
			labels[i] = "0"
			continue
		}
		labels[i] = strings.Replace(text, "-", "−", 1) + suffix
	}
	return labels
}
