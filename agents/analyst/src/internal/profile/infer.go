package profile

import (
	"hash/maphash"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

const (
	maxDistinct = 100_000 // distinct values counted for one column
	maxTop      = 1_000   // distinct values whose frequencies are kept
	topShown    = 10
	maxLabel    = 200 // bytes of a value kept as it is
	// dateTries is after how many cells that are none a column is not asked for dates and times any more.
	dateTries = 200
)

// seed makes the hashes of all columns; what is counted does not depend on it.
var seed = maphash.MakeSeed()

// Odd are cells that are not what their column is: how many, where the first is and what it says.
type Odd struct {
	csvfile.Place
	Text string
}

func (o *Odd) note(text string, line int) {
	if o.Count == 0 {
		o.Text = clip(text)
	}
	o.Add(line)
}

// join adds what another has counted; the earlier place stays.
func (o *Odd) join(other *Odd) {
	if other.Count > 0 && (o.Count == 0 || other.Line < o.Line) {
		o.Line, o.Text = other.Line, other.Text
	}
	o.Count += other.Count
}

// inference is what the first pass gathers about one column.
type inference struct {
	column *Column
	// numbers and dates count cells by the set of styles or orders that read them, odd those that none reads.
	numbers        [1 << cell.NumberStyles]Odd
	dates          [1 << cell.Orders]Odd
	noNumber, none Odd
	travel         travel
	layout         map[cell.Order]string
	asked          int64
	clocks, truths int64
	noClock        Odd
	noTruth        Odd
	whole          bool
	sequence       bool
	last           float64
	hashes         map[uint64]struct{}
	top            map[string]int64
}

func (t *Table) infer(rows *csvfile.Rows) error {
	names := t.Layout.Names
	width := t.Layout.Width
	if t.Layout.Trailing {
		width--
		names = names[:min(len(names), width)]
	} else if len(names) == width-1 && width > 1 {
		// One name less than there are cells: the first column counts or names the rows, as R writes it.
		names = append([]string{""}, names...)
	}
	var columns []*inference
	for i, name := range columnNames(names, max(width, len(names))) {
		columns = append(columns, newInference(i, name))
	}
	err := t.each(rows, func(_ int64, cells []string) {
		t.Rows++
		t.noteWidth(rows, cells, len(columns))
		for i, column := range columns {
			if i < len(cells) {
				column.add(cells[i], rows.Line())
			} else {
				column.add("", rows.Line())
			}
		}
	})
	if err != nil {
		return err
	}
	t.decide(columns)
	return nil
}

// noteWidth counts a row that has not as many cells as there are columns. An empty cell at the end is none.
func (t *Table) noteWidth(rows *csvfile.Rows, cells []string, want int) {
	switch width := rows.Width(); {
	case width < want:
		t.Short.Add(rows.Line())
	case width > want && (width != want+1 || len(cells) < width || cells[want] != ""):
		t.Long.Add(rows.Line())
	}
}

func newInference(index int, name string) *inference {
	return &inference{
		column:   &Column{Index: index, Name: name},
		layout:   map[cell.Order]string{},
		whole:    true,
		sequence: true,
		hashes:   map[uint64]struct{}{},
		top:      map[string]int64{},
	}
}

func (f *inference) add(text string, line int) {
	if cell.Missing(text) {
		f.column.Missing++
		f.sequence = false
		return
	}
	f.column.Present++
	f.count(text)
	number := f.tryNumber(text, line)
	// A bare year or a day of eight digits is a number too.
	if number && !(len(text) == 4 && calledYear(f.column.Name) || len(text) == 8 && calledDate(f.column.Name)) {
		f.none.note(text, line)
		f.noClock.note(text, line)
		f.noTruth.note(text, line)
		return
	}
	f.tryDate(text, line)
	if _, _, ok := cell.Truth(text); ok {
		f.truths++
	} else {
		f.noTruth.note(text, line)
	}
}

func (f *inference) count(text string) {
	if len(f.hashes) < maxDistinct {
		// 64 bits: among a hundred thousand values two share a hash once in four billion files.
		f.hashes[maphash.String(seed, text)] = struct{}{}
	} else {
		f.column.DistinctCapped = true
	}
	if f.top != nil {
		f.top[clip(text)]++
		if len(f.top) > maxTop {
			f.top = nil
		}
	}
}

func (f *inference) tryNumber(text string, line int) bool {
	reading := cell.ReadNumber(text)
	if reading.Styles == 0 {
		f.noNumber.note(text, line)
		f.sequence = false
		return false
	}
	f.numbers[reading.Styles].note(text, line)
	c := f.column
	if reading.Rounded {
		c.Rounded.note(text, line)
	}
	if numbers := c.Present - f.noNumber.Count; numbers == 1 {
		c.Unit = reading.Unit
	} else if c.Unit != reading.Unit {
		c.OtherUnit.note(text, line)
	}
	if !f.whole && !f.sequence {
		return true
	}
	value, ok := reading.Value(cell.Plain)
	if !ok {
		value, _ = reading.Value(reading.Styles.First())
	}
	f.whole = f.whole && value == math.Trunc(value)
	// Of a number that is large enough the next one is itself.
	f.sequence = f.sequence && ok && f.whole && (c.Present == 1 || value == f.last+1 && value > f.last)
	f.last = value
	return true
}

func (f *inference) tryDate(text string, line int) {
	hits := f.column.Present - f.none.Count - 1
	if f.asked > dateTries && hits == 0 && f.clocks == 0 {
		f.none.note(text, line)
		f.noClock.note(text, line)
		return
	}
	f.asked++
	if _, ok := cell.TimeOfDay(text); ok {
		f.clocks++
	} else {
		f.noClock.note(text, line)
	}
	var moment cell.Moment
	if cell.MayBeDate(text) {
		moment = cell.ReadDate(text)
	}
	if moment.Orders == 0 {
		f.none.note(text, line)
		return
	}
	f.dates[moment.Orders].note(text, line)
	f.column.ShortYears = f.column.ShortYears || moment.Short
	for order := range cell.Order(cell.Orders) {
		if moment.Orders.Has(order) && f.layout[order] == "" {
			f.layout[order] = moment.Layout(order)
		}
	}
	f.travel.add(&moment)
}

// travel is how far it is from row to row in each order that a day and a month could have.
type travel struct {
	steps int64
	far   [cell.Orders]float64
	last  [cell.Orders]time.Time
}

func (t *travel) add(moment *cell.Moment) {
	if moment.Orders&(moment.Orders-1) == 0 {
		return // one order is no choice
	}
	for _, order := range []cell.Order{cell.YearMonthDay, cell.DayMonthYear, cell.MonthDayYear} {
		when, ok := moment.Time(order)
		if ok && !t.last[order].IsZero() {
			t.far[order] += math.Abs(when.Sub(t.last[order]).Hours())
		}
		t.last[order] = when
	}
	t.steps++
}

func mostFrequent(counts map[string]int64) []Frequency {
	top := make([]Frequency, 0, len(counts))
	for value, count := range counts {
		top = append(top, Frequency{value, count})
	}
	sort.Slice(top, func(i, j int) bool {
		if top[i].Count != top[j].Count {
			return top[i].Count > top[j].Count
		}
		return top[i].Value < top[j].Value
	})
	return top[:min(len(top), topShown)]
}

func clip(text string) string {
	if len(text) <= maxLabel {
		return text
	}
	return strings.ToValidUTF8(text[:maxLabel], "") + "…"
}

func calledYear(name string) bool {
	return slices.Contains([]string{"year", "yr", "jahr", "année", "annee", "año", "anno", "ano", "rok", "год", "yıl", "jaar", "år"},
		strings.ToLower(name))
}

func calledDate(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"date", "datum", "fecha", "data", "tarih", "дата", "day", "tag", "jour", "when", "time"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
