package chart

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Point is a place in a time panel. X is in days since 1970.
type Point struct{ X, Y float64 }

// Stretch is the mean and the range of the values around one moment.
type Stretch struct {
	X, Mean, Low, High float64
}

// Time draws one column along time, with its trend and its outliers.
type Time struct {
	Title, XLabel, YLabel string
	From, To              time.Time
	Stretches             []Stretch
	// LineLabel says what a point of the line is, e.g. `mean of 3 days`.
	LineLabel string
	// Trend is the fitted line's two ends; nil where there is no trend worth drawing.
	Trend      *[2]Point
	TrendLabel string
	Marks      []Point
	MarkLabel  string
}

func (p Time) draw(c *canvas, y float64) {
	low, high := math.Inf(1), math.Inf(-1)
	include := func(value float64) { low, high = math.Min(low, value), math.Max(high, value) }
	banded := false
	for _, s := range p.Stretches {
		include(s.Low)
		include(s.High)
		banded = banded || s.High > s.Low
	}
	for _, mark := range p.Marks {
		include(mark.Y)
	}
	if p.Trend != nil {
		include(p.Trend[0].Y)
		include(p.Trend[1].Y)
	}
	low, high = widen(low, high, 5)
	scaleY := c.frame(y, p.Title, p.XLabel, p.YLabel, low, high)
	bottom := y + panelHeight - panelBottom
	scaleX := scale{days(p.From), days(p.To), left, width - right}
	for _, tick := range timeTicks(p.From, p.To) {
		x := scaleX.at(days(tick.when))
		c.line(x, bottom, x, bottom+5, ink, 1, "")
		c.text(x, bottom+20, tick.label, style{size: 11, fill: faint, anchor: "middle"})
	}
	var entries []entry
	if banded {
		c.band(p.Stretches, scaleX, scaleY)
		entries = append(entries, entry{"range", func(x, y float64) { c.rect(x, y-5, 22, 10, bandBlue) }})
	}
	c.polyline(p.Stretches, scaleX, scaleY)
	entries = append(entries, entry{p.LineLabel, func(x, y float64) { c.line(x, y, x+22, y, lineBlue, 2, "") }})
	if p.Trend != nil {
		a, b := p.Trend[0], p.Trend[1]
		c.line(scaleX.at(a.X), scaleY.at(a.Y), scaleX.at(b.X), scaleY.at(b.Y), trendRed, 2, "7 4")
		entries = append(entries, entry{p.TrendLabel, func(x, y float64) { c.line(x, y, x+22, y, trendRed, 2, "7 4") }})
	}
	if len(p.Marks) > 0 {
		for _, mark := range p.Marks {
			c.mark(scaleX.at(mark.X), scaleY.at(mark.Y))
		}
		entries = append(entries, entry{p.MarkLabel, func(x, y float64) { c.mark(x+11, y) }})
	}
	c.legend(y, entries)
}

func (c *canvas) mark(x, y float64) {
	c.printf(`<circle cx="%.1f" cy="%.1f" r="4" fill="none" stroke="%s" stroke-width="2"/>`+"\n", x, y, markColor)
}

func (c *canvas) band(stretches []Stretch, scaleX, scaleY scale) {
	var path strings.Builder
	for i, s := range stretches {
		fmt.Fprintf(&path, "%s%.1f %.1f", letter(i), scaleX.at(s.X), scaleY.at(s.High))
	}
	for i := len(stretches) - 1; i >= 0; i-- {
		fmt.Fprintf(&path, "L%.1f %.1f", scaleX.at(stretches[i].X), scaleY.at(stretches[i].Low))
	}
	c.printf(`<path d="%sZ" fill="%s"/>`+"\n", path.String(), bandBlue)
}

func (c *canvas) polyline(stretches []Stretch, scaleX, scaleY scale) {
	var path strings.Builder
	for i, s := range stretches {
		fmt.Fprintf(&path, "%s%.1f %.1f", letter(i), scaleX.at(s.X), scaleY.at(s.Mean))
	}
	c.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-linejoin="round" stroke-linecap="round"/>`+"\n",
		path.String(), lineBlue)
}

func letter(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

func days(when time.Time) float64 { return float64(when.Unix()) / 86400 }

// Bars draws how often values occur: in steps of equal width where Labels is empty, else one bar a label.
type Bars struct {
	Title, XLabel string
	From, To      float64
	Labels        []string
	Counts        []int64
	// Note stands at the right end of the title's line.
	Note string
	// Line marks one value of the axis, e.g. the median; NaN for none.
	Line      float64
	LineLabel string
}

func (p Bars) draw(c *canvas, y float64) {
	most := int64(1)
	for _, count := range p.Counts {
		most = max(most, count)
	}
	_, high := widen(0, float64(most), 5)
	scaleY := c.frame(y, p.Title, p.XLabel, "rows", 0, high)
	bottom := y + panelHeight - panelBottom
	step := (width - right - left) / float64(max(1, len(p.Counts)))
	gap := 1.0
	if len(p.Labels) > 0 {
		gap = step * 0.2
	}
	for i, count := range p.Counts {
		top := scaleY.at(float64(count))
		c.rect(left+step*float64(i)+gap/2, top, step-gap, bottom-top, lineBlue)
		if i < len(p.Labels) {
			c.text(left+step*(float64(i)+0.5), bottom+18, shorten(p.Labels[i], int(step/7)),
				style{size: 11, fill: faint, anchor: "middle"})
		}
	}
	var entries []entry
	if len(p.Labels) == 0 {
		scaleX := scale{p.From, p.To, left, width - right}
		values := ticks(p.From, p.To, 8)
		for i, label := range tickLabels(values) {
			x := scaleX.at(values[i])
			c.line(x, bottom, x, bottom+5, ink, 1, "")
			c.text(x, bottom+20, label, style{size: 11, fill: faint, anchor: "middle"})
		}
		if !math.IsNaN(p.Line) {
			x := scaleX.at(p.Line)
			c.line(x, y+panelTop, x, bottom, trendRed, 2, "7 4")
			entries = append(entries, entry{p.LineLabel, func(x, y float64) { c.line(x, y, x+22, y, trendRed, 2, "7 4") }})
		}
	}
	if p.Note != "" {
		entries = append(entries, entry{p.Note, func(x, y float64) { c.mark(x+11, y) }})
	}
	c.legend(y, entries)
}
