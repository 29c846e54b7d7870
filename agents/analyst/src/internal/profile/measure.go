package profile

import (
	"math"
	"sort"

	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/stats"
)

const (
	sampleBudget     = 2_000_000 // values kept for quantiles, all columns together
	maxCorrelated    = 30        // columns that are compared with each other
	correlationShown = 10
	// correlationFloor is the |r| from which a correlation is worth a word.
	correlationFloor = 0.5
)

func (t *Table) measure(rows *csvfile.Rows) error {
	numeric := t.numeric()
	capacity := sampleBudget
	if len(numeric) > 0 {
		capacity = sampleBudget / len(numeric)
	}
	for _, column := range numeric {
		column.Sample = stats.NewSample(capacity)
	}
	trends := make([]stats.Pairs, len(numeric))
	compared := numeric[:min(len(numeric), maxCorrelated)]
	pairs := make([]stats.Pairs, len(compared)*len(compared))
	values := make([]float64, len(numeric))
	t.kept = kept{all: true, width: len(numeric)}
	err := t.each(rows, func(row int64, cells []string) {
		at, placed := t.place(row, cells)
		for i, column := range numeric {
			value, ok := column.number(cells)
			if !ok {
				values[i] = math.NaN()
				if math.IsInf(value, 0) {
					column.Infinite.note(cells[column.Index], rows.Line())
				}
				continue
			}
			values[i] = value
			column.Moments.Add(value)
			column.Sample.Add(value)
			if placed {
				trends[i].Add(at, value)
			}
		}
		t.kept.add(rows.Line(), at, placed, values)
		for i := range compared {
			for j := range i {
				if !math.IsNaN(values[i]) && !math.IsNaN(values[j]) {
					pairs[i*len(compared)+j].Add(values[j], values[i])
				}
			}
		}
		for _, column := range t.Columns {
			if column.Kind == Date {
				column.extend(cells)
			}
		}
	})
	if err != nil {
		return err
	}
	for i, column := range numeric {
		column.Bounds = stats.NewBounds(column.Sample)
		column.Trend, column.HasTrend = trends[i].Fit()
	}
	for i := range compared {
		for j := range i {
			pair := &pairs[i*len(compared)+j]
			if r, ok := pair.Correlation(); ok && math.Abs(r) >= correlationFloor {
				t.Correlations = append(t.Correlations, Correlation{compared[j], compared[i], r, pair.N})
			}
		}
	}
	sort.SliceStable(t.Correlations, func(i, j int) bool {
		return math.Abs(t.Correlations[i].R) > math.Abs(t.Correlations[j].R)
	})
	t.Correlations = t.Correlations[:min(len(t.Correlations), correlationShown)]
	return nil
}

// numeric are the columns whose figures mean something.
func (t *Table) numeric() []*Column {
	var columns []*Column
	for _, column := range t.Columns {
		if column.Numeric() {
			columns = append(columns, column)
		}
	}
	return columns
}

func (c *Column) extend(cells []string) {
	when, ok := c.date(cells)
	if !ok {
		return
	}
	if c.First.IsZero() || when.Before(c.First) {
		c.First = when
	}
	if c.Last.IsZero() || when.After(c.Last) {
		c.Last = when
	}
}
