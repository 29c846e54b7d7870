package profile

import (
	"math"
	"sort"
	"time"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/stats"
)

const (
	sampleBudget     = 2_000_000 // values kept for quantiles, all columns together
	maxCorrelated    = 30        // columns that are compared with each other
	correlationShown = 10
	// correlationFloor is the |r| from which a correlation is worth a word.
	correlationFloor = 0.5
	// blockRows is how many rows are measured at once: their numbers stay near the processor.
	blockRows = 1024
)

// measuring takes the figures of a plan, block by block.
type measuring struct {
	plan  plan
	block block
	// numbers are those of a row, by the plan: NaN where there is none.
	numbers []float64
	centred []stats.Centred
	places  stats.Centred
	clocks  []clock // of the plan's dates
	// The rest is of the plan's numbers.
	moments  []stats.Moments
	samples  []*stats.Sample
	trends   []stats.Pairs
	pairs    []stats.Pairs
	infinite []Odd
	// full is what is done with each block.
	full func(*block)
	kept kept
}

// block are rows that are measured at once, by column: NaN where one has no value. A place is days since 1970, or the
// row's number from 1.
type block struct {
	lines  []int
	places []float64
	values [][]float64
}

// clock reads one column of dates; neighbours are often of the same moment.
type clock struct {
	order       cell.Order
	text        [48]byte
	length      int
	at          float64 // days since 1970; NaN where it is no date
	first, last time.Time
}

func newBlock(columns int) block {
	b := block{lines: make([]int, 0, blockRows), places: make([]float64, 0, blockRows), values: make([][]float64, columns)}
	for i := range b.values {
		b.values[i] = make([]float64, 0, blockRows)
	}
	return b
}

func newMeasuring(p plan) *measuring {
	n := len(p.numbers)
	compared := min(n, maxCorrelated)
	m := &measuring{plan: p, block: newBlock(n), numbers: make([]float64, n), centred: make([]stats.Centred, n), clocks: make([]clock, len(p.dates)), moments: make([]stats.Moments, n),
		trends: make([]stats.Pairs, n), pairs: make([]stats.Pairs, compared*compared), infinite: make([]Odd, n), kept: kept{all: true}}
	for range n {
		m.samples = append(m.samples, stats.NewSample(sampleBudget/n))
	}
	for i, date := range p.dates {
		m.clocks[i].order = date.how
	}
	m.full = m.measure
	return m
}

// row takes one row whose numbers are in m.numbers.
func (m *measuring) row(row int64, line int, cells []string) {
	b := &m.block
	n := len(b.lines)
	b.lines = append(b.lines, line)
	for i := range m.clocks {
		if index := m.plan.dates[i].index; index < len(cells) {
			m.clocks[i].read(cells[index])
		} else {
			m.clocks[i].read("")
		}
	}
	at := float64(row + 1)
	if m.plan.axis >= 0 {
		at = m.clocks[m.plan.axis].at
	}
	b.places = append(b.places, at)
	for i, x := range m.numbers {
		if x > math.MaxFloat64 || x < -math.MaxFloat64 {
			m.infinite[i].note(cells[m.plan.numbers[i].index], line)
			x = math.NaN()
		}
		b.values[i] = b.values[i][:n+1]
		b.values[i][n] = x
	}
	if n+1 == blockRows {
		m.full(b)
	}
}

func (c *clock) read(text string) {
	if len(text) == c.length && text != "" && text == string(c.text[:c.length]) {
		return
	}
	c.length, c.at = 0, math.NaN()
	if cell.Missing(text) {
		return
	}
	when, ok := cell.Date(text, c.order)
	if !ok {
		return
	}
	c.length, c.at = copy(c.text[:], text), Days(when)
	if c.first.IsZero() || when.Before(c.first) {
		c.first = when
	}
	if c.last.IsZero() || when.After(c.last) {
		c.last = when
	}
}

// measure takes the figures of a full block, and keeps it where there is room.
func (m *measuring) measure(b *block) {
	m.places.Set(b.places)
	for i, values := range b.values {
		m.moments[i].AddAll(values)
		m.samples[i].AddAll(values)
		m.centred[i].Set(values)
		if !m.trends[i].AddCentred(&m.places, &m.centred[i]) {
			m.trends[i].AddAll(b.places, values)
		}
	}
	compared := min(len(b.values), maxCorrelated)
	for i := range compared {
		for j := range i {
			if pair := &m.pairs[i*compared+j]; !pair.AddCentred(&m.centred[j], &m.centred[i]) {
				pair.AddAll(b.values[j], b.values[i])
			}
		}
	}
	if m.kept.add(*b) {
		*b = newBlock(len(b.values))
		return
	}
	b.clear()
}

func (b *block) clear() {
	b.lines, b.places = b.lines[:0], b.places[:0]
	for i := range b.values {
		b.values[i] = b.values[i][:0]
	}
}

// blocks reads the table's rows for a plan, to the last block.
func (t *Table) blocks(rows *csvfile.Rows, m *measuring) error {
	err := t.each(rows, func(row int64, cells []string) {
		for i, number := range m.plan.numbers {
			m.numbers[i] = math.NaN()
			if number.index < len(cells) {
				if value, ok := numberIn(cells[number.index], number.how); ok {
					m.numbers[i] = value
				}
			}
		}
		m.row(row, rows.Line(), cells)
	})
	m.end()
	return err
}

// end does with the last block what was done with the others.
func (m *measuring) end() {
	if len(m.block.lines) > 0 {
		m.full(&m.block)
	}
}

// numberIn is a cell's number in a column's style; it may be infinite.
func numberIn(text string, style cell.NumberStyle) (float64, bool) {
	if value, styles, ok := cell.Quick(text); ok {
		return value, styles.Has(style)
	}
	if cell.Missing(text) {
		return 0, false
	}
	return cell.Number(text, style)
}

// take makes the figures the table's own. They are of its plan.
func (t *Table) take(m *measuring) {
	numeric := t.numeric()
	for i, column := range numeric {
		column.Moments, column.Sample, column.Infinite = m.moments[i], m.samples[i], m.infinite[i]
		column.Bounds = stats.NewBounds(column.Sample)
		column.Trend, column.HasTrend = m.trends[i].Fit()
	}
	for i, date := range m.plan.dates {
		t.Columns[date.index].First, t.Columns[date.index].Last = m.clocks[i].first, m.clocks[i].last
	}
	compared := numeric[:min(len(numeric), maxCorrelated)]
	for i := range compared {
		for j := range i {
			pair := &m.pairs[i*len(compared)+j]
			if r, ok := pair.Correlation(); ok && math.Abs(r) >= correlationFloor {
				t.Correlations = append(t.Correlations, Correlation{compared[j], compared[i], r, pair.N})
			}
		}
	}
	sort.SliceStable(t.Correlations, func(i, j int) bool {
		return math.Abs(t.Correlations[i].R) > math.Abs(t.Correlations[j].R)
	})
	t.Correlations = t.Correlations[:min(len(t.Correlations), correlationShown)]
	t.kept = m.kept
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
