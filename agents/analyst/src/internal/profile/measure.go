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
	plan   plan
	block  block
	clocks []clock // of the plan's dates
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

// block are rows that are measured at once, by column: NaN where one has no value.
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
	when        time.Time
	ok          bool
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
	m := &measuring{plan: p, block: newBlock(n), clocks: make([]clock, len(p.dates)), moments: make([]stats.Moments, n),
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

// row takes one row. value gives the number of a planned column, and is asked once for each.
func (m *measuring) row(row int64, line int, cells []string, value func(planned[cell.NumberStyle]) (float64, bool)) {
	b := &m.block
	n := len(b.lines)
	b.lines = append(b.lines, line)
	for i := range m.clocks {
		if index := m.plan.dates[i].index; index < len(cells) {
			m.clocks[i].read(cells[index])
		} else {
			m.clocks[i].ok = false
		}
	}
	b.places = append(b.places, m.place(row))
	for i, number := range m.plan.numbers {
		x, ok := value(number)
		// An infinite number, and none, are none less themselves.
		if !ok || x-x != 0 {
			if ok {
				m.infinite[i].note(cells[number.index], line)
			}
			x = math.NaN()
		}
		b.values[i] = b.values[i][:n+1]
		b.values[i][n] = x
	}
	if n+1 == blockRows {
		m.full(b)
	}
}

// place is where the row that was just read stands on the axis: days since 1970, or the row's number from 1.
func (m *measuring) place(row int64) float64 {
	if m.plan.axis < 0 {
		return float64(row + 1)
	}
	clock := &m.clocks[m.plan.axis]
	if !clock.ok {
		return math.NaN()
	}
	return Days(clock.when)
}

func (c *clock) read(text string) {
	if len(text) == c.length && text != "" && text == string(c.text[:c.length]) {
		return
	}
	c.length = 0
	c.ok = false
	if cell.Missing(text) {
		return
	}
	c.when, c.ok = cell.Date(text, c.order)
	if !c.ok {
		return
	}
	c.length = copy(c.text[:], text)
	if c.first.IsZero() || c.when.Before(c.first) {
		c.first = c.when
	}
	if c.last.IsZero() || c.when.After(c.last) {
		c.last = c.when
	}
}

// measure takes the figures of a full block, and keeps it where there is room.
func (m *measuring) measure(b *block) {
	for i, values := range b.values {
		m.moments[i].AddAll(values)
		m.samples[i].AddAll(values)
		m.trends[i].AddAll(b.places, values)
	}
	compared := min(len(b.values), maxCorrelated)
	for i := range compared {
		for j := range i {
			m.pairs[i*compared+j].AddAll(b.values[j], b.values[i])
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
		m.row(row, rows.Line(), cells, func(number planned[cell.NumberStyle]) (float64, bool) {
			if number.index >= len(cells) {
				return 0, false
			}
			return numberIn(cells[number.index], number.how)
		})
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
