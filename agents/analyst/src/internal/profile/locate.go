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
	stats.Average
	// At is the mean place of its rows.
	At stats.Average
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
	err := t.located(rows, func(line int, at float64, values []float64) {
		for i, column := range numeric {
			value := values[i]
			if math.IsNaN(value) {
				continue
			}
			if column.Bounds.Outside(value) {
				column.keep(Outlier{Line: line, Value: value, At: at})
			}
			if column.Histogram != nil {
				column.Histogram.add(value)
			}
			if column.Series != nil && !math.IsNaN(at) {
				column.Series.add(at, value)
			}
		}
	})
	for _, column := range numeric {
		column.sortOutliers()
	}
	return err
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

func (s *Series) add(at, value float64) {
	index := int((at - s.From) / (s.To - s.From) * float64(len(s.Bins)))
	bin := &s.Bins[max(0, min(index, len(s.Bins)-1))]
	bin.Add(value)
	bin.At.Add(at)
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
