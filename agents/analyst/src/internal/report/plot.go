package report

import (
	"fmt"
	"math"
	"time"

	"aion.dev/agents/analyst/internal/chart"
	"aion.dev/agents/analyst/internal/profile"
)

// Plot draws the columns worth a picture; empty where there are none.
func Plot(file File, table *profile.Table, focus []string) string {
	var panels []chart.Panel
	for _, column := range table.Plotted(focus) {
		switch {
		case column.Series != nil:
			panels = append(panels, overTime(table, column))
		case column.Histogram != nil:
			panels = append(panels, distribution(column))
		}
	}
	if len(panels) == 0 {
		if column := mostTelling(table); column != nil {
			panels = append(panels, frequencies(column))
		}
	}
	if len(panels) == 0 {
		return ""
	}
	return chart.Render(file.Name, headline(file, table), panels)
}

func overTime(table *profile.Table, column *profile.Column) chart.Panel {
	axis := table.Axis
	panel := chart.Time{
		Title: column.Name, XLabel: axis.Name, YLabel: column.Name,
		From: axis.First, To: axis.Last, LineLabel: column.Name,
	}
	fullest := int64(0)
	for _, bin := range column.Series.Bins {
		if bin.N > 0 {
			panel.Stretches = append(panel.Stretches, chart.Stretch{X: bin.At.Mean, Mean: bin.Mean, Low: bin.Min, High: bin.Max})
			fullest = max(fullest, bin.N)
		}
	}
	if fullest > 1 {
		panel.LineLabel = "mean of " + stretch(column.Series)
	}
	if tells(table, column) && column.Trend.R2 >= weakTrend {
		from, to := column.Series.From, column.Series.To
		panel.Trend = &[2]chart.Point{{X: from, Y: column.Trend.At(from)}, {X: to, Y: column.Trend.At(to)}}
		panel.TrendLabel = fmt.Sprintf("trend (R² %.2f)", column.Trend.R2)
	}
	for _, outlier := range column.Outliers {
		if math.IsNaN(outlier.At) {
			continue // its row has no date
		}
		panel.Marks = append(panel.Marks, chart.Point{X: outlier.At, Y: outlier.Value})
	}
	panel.MarkLabel = "outlier"
	return panel
}

// stretch is the width of a bin in words.
func stretch(series *profile.Series) string {
	span := time.Duration((series.To - series.From) / float64(len(series.Bins)) * float64(24*time.Hour))
	switch {
	case span >= 36*time.Hour:
		return fmt.Sprintf("%.0f days", math.Round(span.Hours()/24))
	case span >= 20*time.Hour:
		return "a day"
	case span >= 90*time.Minute:
		return fmt.Sprintf("%.0f hours", math.Round(span.Hours()))
	case span >= 50*time.Minute:
		return "an hour"
	default:
		return "a moment"
	}
}

func distribution(column *profile.Column) chart.Panel {
	h := column.Histogram
	note := ""
	if outside := h.Below + h.Above; outside > 0 {
		note = fmt.Sprintf("%s not shown (%s to %s)", plural(outside, "outlier", "outliers"), figure(column.Moments.Min), figure(column.Moments.Max))
	}
	return chart.Bars{
		Title: column.Name, XLabel: column.Name, From: h.From, To: h.To, Counts: h.Counts, Note: note,
		Line: column.Sample.Percentile(50), LineLabel: "median " + figure(column.Sample.Percentile(50)),
	}
}

// mostTelling is the text column with the fewest different values, if any value comes twice.
func mostTelling(table *profile.Table) *profile.Column {
	var best *profile.Column
	for _, column := range table.Columns {
		if column.Kind != profile.Text && column.Kind != profile.Truth || len(column.Top) < 2 || column.Top[0].Count < 2 {
			continue
		}
		if best == nil || column.Distinct < best.Distinct {
			best = column
		}
	}
	return best
}

func frequencies(column *profile.Column) chart.Panel {
	bars := chart.Bars{Title: column.Name, XLabel: column.Name, Line: math.NaN()}
	for _, value := range column.Top {
		bars.Labels = append(bars.Labels, value.Value)
		bars.Counts = append(bars.Counts, value.Count)
	}
	if column.Distinct > int64(len(column.Top)) {
		bars.Title = fmt.Sprintf("%s: the %d most frequent of %s values", column.Name, len(column.Top), count(column.Distinct))
	}
	return bars
}
