package profile

import (
	"math"
	"slices"
	"sort"
	"strings"

	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/stats"
)

const (
	outliersKept  = 200 // of one column; the farthest
	seriesBins    = 240
	histogramBins = 30
	maxPlotted    = 3
	// trendFloor is the R² from which a trend makes a column come before its neighbours.
	trendFloor = 0.1
)

// Bin is the values of one stretch of the axis.
type Bin struct {
	stats.Rough
	// At is where its rows are.
	At stats.Rough
}

// Series is a column along the axis.
type Series struct {
	From, To float64
	Bins     []Bin
}

// Histogram counts a column's values in steps of equal width between its outlier bounds.
type Histogram struct {
	From, To     float64
	Counts       []int64
	Below, Above int64
}

func (t *Table) locate(rows *csvfile.Rows, focus []string) error {
	numeric := t.numeric()
	t.prepare(focus)
	err := t.located(rows, func(b block) {
		for i, column := range numeric {
			column.locate(b, b.values[i])
		}
	})
	for _, column := range numeric {
		column.sortOutliers()
	}
	return err
}

// locate notes the outliers of a block, and puts its values into the column's picture.
func (c *Column) locate(b block, values []float64) {
	if c.Series != nil {
		c.Series.add(b.places, values)
	}
	for i, value := range values {
		if value != value {
			continue
		}
		if c.Bounds.Outside(value) {
			c.keep(Outlier{Line: b.lines[i], Value: value, At: b.places[i]})
		}
		if c.Histogram != nil {
			c.Histogram.add(value)
		}
	}
}

// Plotted are the columns worth a picture, the most interesting first: those that were asked for, then those
// with a trend, then the rest in their order.
func (t *Table) Plotted(focus []string) []*Column {
	var columns []*Column
	for _, column := range t.numeric() {
		if column.Moments.N >= 3 && column.Moments.Max > column.Moments.Min {
			columns = append(columns, column)
		}
	}
	rank := func(c *Column) float64 {
		switch {
		case slices.Contains(focus, strings.ToLower(c.Name)):
			return 2
		case t.Axis != nil && c.HasTrend && c.Trend.R2 >= trendFloor:
			return c.Trend.R2
		default:
			return 0
		}
	}
	sort.SliceStable(columns, func(i, j int) bool { return rank(columns[i]) > rank(columns[j]) })
	return columns[:min(len(columns), maxPlotted)]
}

// prepare gives the columns that will be drawn a place for their points: along time where there is one, as
// histograms otherwise.
func (t *Table) prepare(focus []string) {
	for _, column := range t.Plotted(focus) {
		if t.Axis != nil && t.Axis.Last.After(t.Axis.First) {
			column.Series = &Series{
				From: Days(t.Axis.First), To: Days(t.Axis.Last), Bins: make([]Bin, seriesBins),
			}
			continue
		}
		from, to := column.Moments.Min, column.Moments.Max
		if column.Bounds.Usable() {
			from, to = math.Max(from, column.Bounds.Low), math.Min(to, column.Bounds.High)
		}
		if from < to {
			column.Histogram = &Histogram{From: from, To: to, Counts: make([]int64, histogramBins)}
		}
	}
}

// add puts the values of a block into their bins, those of neighbours in one bin at once.
func (s *Series) add(places, values []float64) {
	scale := float64(len(s.Bins)) / (s.To - s.From)
	from, bin := 0, -1
	for i, at := range places {
		if at != at || values[i] != values[i] {
			continue
		}
		index := max(0, min(int((at-s.From)*scale), len(s.Bins)-1))
		if index != bin {
			s.fill(bin, places[from:i], values[from:i])
			from, bin = i, index
		}
	}
	s.fill(bin, places[from:], values[from:])
}

func (s *Series) fill(bin int, places, values []float64) {
	if bin >= 0 {
		s.Bins[bin].AddAll(values, places)
		s.Bins[bin].At.AddAll(places, values)
	}
}

func (h *Histogram) add(value float64) {
	switch {
	case value < h.From:
		h.Below++
	case value > h.To:
		h.Above++
	default:
		// Halves: the width of the range may be larger than a float64.
		index := int((value/2 - h.From/2) / (h.To/2 - h.From/2) * float64(len(h.Counts)))
		h.Counts[max(0, min(index, len(h.Counts)-1))]++
	}
}

func (c *Column) keep(outlier Outlier) {
	c.OutlierN++
	width := c.Bounds.High/2 - c.Bounds.Low/2
	if outlier.Value > c.Bounds.High {
		outlier.Reach = (outlier.Value/2 - c.Bounds.High/2) / width
	} else {
		outlier.Reach = (c.Bounds.Low/2 - outlier.Value/2) / width
	}
	c.Outliers = append(c.Outliers, outlier)
	if len(c.Outliers) >= 2*outliersKept {
		c.sortOutliers()
	}
}

func (c *Column) sortOutliers() {
	sort.SliceStable(c.Outliers, func(i, j int) bool { return c.Outliers[i].Reach > c.Outliers[j].Reach })
	c.Outliers = c.Outliers[:min(len(c.Outliers), outliersKept)]
}
