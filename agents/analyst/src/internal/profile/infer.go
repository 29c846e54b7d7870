package profile

import (
	"math"
	"slices"
	"strings"
	"time"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

const (
	// dateTries is after how many cells that are none a column is not asked for dates, times and truth values any more.
	dateTries = 200
)

// Odd are cells that are not what their column is: how many, where the first is and what it says.
type Odd struct {
	csvfile.Place
	Text string
}

func (o *Odd) note(text string, line int) {
	if o.Count++; o.Count == 1 {
		o.first(text, line)
	}
}

//go:noinline
func (o *Odd) first(text string, line int) { o.Text, o.Line = clip(text), line }

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
	layout         [cell.Orders]string
	asked          int64
	clocks, truths int64
	noClock        Odd
	noTruth        Odd
	whole          bool
	sequence       bool
	last           float64
	tally          tally
	// yearly and dated are columns whose name says that a bare year, or eight digits, may be a date; plain are the
	// numbers that were taken for nothing else.
	yearly, dated bool
	plain         Odd
	// dull are cells that say what another said before that is nothing but text.
	dull int64
	// moment is the last date of the usual form, which comes again in the next row as a rule, and its hash; again is how
	// often one did.
	moment [20]byte
	length int
	hash   uint64
	again  int64
	// aDate says whether the last cell is a date or a time.
	aDate bool
	// value is the number of the last cell in each style; reading is what it was read from, where that was not Quick.
	value   float64
	styles  cell.Styles
	reading cell.Reading
}

// infer learns what the columns are. On the way it takes the figures of a plan that was guessed.
func (t *Table) infer(rows *csvfile.Rows, guessed plan) (*measuring, error) {
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
	named := columnNames(names, max(width, len(names)))
	for i, name := range named {
		columns = append(columns, newInference(i, name, len(named)))
	}
	m := newMeasuring(guessed)
	err := t.each(rows, func(row int64, cells []string) {
		t.Rows++
		line := rows.Line()
		t.noteWidth(rows, cells, len(columns))
		for i, column := range columns {
			if i < len(cells) {
				column.add(cells[i], line)
			} else {
				column.add("", line)
			}
		}
		for i, number := range guessed.numbers {
			m.numbers[i] = math.NaN()
			if f := columns[number.index]; !f.styles.Has(number.how) {
				continue
			} else if f.reading.Styles == 0 {
				m.numbers[i] = f.value
			} else {
				m.numbers[i], _ = f.number(number.how)
			}
		}
		m.row(row, line, cells)
	})
	if err != nil {
		return nil, err
	}
	m.end()
	t.decide(columns)
	return m, nil
}

// number is the last cell's number in a style.
func (f *inference) number(style cell.NumberStyle) (float64, bool) {
	switch {
	case !f.styles.Has(style):
		return 0, false
	case f.reading.Styles == 0:
		return f.value, true
	}
	return f.reading.Value(style)
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

func newInference(index int, name string, columns int) *inference {
	return &inference{
		column:   &Column{Index: index, Name: name},
		whole:    true,
		sequence: true,
		tally:    newTally(columns),
		yearly:   calledYear(name),
		dated:    calledDate(name),
	}
}

func (f *inference) add(text string, line int) {
	f.styles = 0
	if text == "" {
		f.column.Missing++
		f.sequence = false
		return
	}
	if len(text) == f.length && text == string(f.moment[:f.length]) {
		f.column.Present++
		f.again++
		f.tally.again(f.hash)
		return
	}
	value, styles, quick := cell.Quick(text)
	if quick && f.usual(text, value, styles) {
		return
	}
	f.value, f.styles, f.reading.Styles = value, styles, 0
	if !quick && cell.Missing(text) {
		f.column.Missing++
		f.sequence = false
		return
	}
	f.column.Present++
	hash, dull := f.tally.add(text)
	if dull {
		f.dull++
		return
	}
	if f.layout[cell.YearMonthDay] != "" {
		if _, ok := cell.ISO(text); ok {
			f.length, f.hash = copy(f.moment[:], text), hash
			f.anISODate(text, line)
			return
		}
	}
	if !quick {
		f.reading = cell.ReadNumber(text)
		f.styles = f.reading.Styles
	}
	if f.styles == 0 {
		f.noNumber.note(text, line)
		f.sequence = false
	} else {
		f.aNumber(text, line)
		// A bare year or a day of eight digits is a number too.
		if !(len(text) == 4 && f.yearly || len(text) == 8 && f.dated) {
			f.plain.note(text, line)
			return
		}
	}
	f.tryDate(text, line)
	truth := false
	if !f.aDate && (f.truths > 0 || f.noTruth.Count < dateTries) {
		_, _, truth = cell.Truth(text)
	}
	if truth {
		f.truths++
	} else {
		f.noTruth.note(text, line)
	}
	if f.styles == 0 && !truth && !f.aDate {
		f.tally.bore(hash)
	}
}

// usual counts a number that tells nothing new: one of a style that was met, in a column whose numbers have no unit.
func (f *inference) usual(text string, value float64, styles cell.Styles) bool {
	c := f.column
	if f.plain.Count == 0 || f.numbers[styles].Count == 0 || c.Unit != "" || len(text) == 4 && f.yearly || len(text) == 8 && f.dated {
		return false
	}
	f.value, f.styles, f.reading.Styles = value, styles, 0
	c.Present++
	f.numbers[styles].Count++
	f.plain.Count++
	if !f.tally.capped {
		f.tally.add(text)
	}
	if f.whole || f.sequence {
		f.whole = f.whole && value == math.Trunc(value)
		f.sequence = f.sequence && f.whole && styles.Has(cell.Plain) && (c.Present == 1 || value == f.last+1 && value > f.last)
		f.last = value
	}
	return true
}

func (f *inference) aNumber(text string, line int) {
	f.numbers[f.styles].note(text, line)
	c := f.column
	if f.reading.Styles != 0 && f.reading.Rounded {
		c.Rounded.note(text, line)
	}
	unit := ""
	if f.reading.Styles != 0 {
		unit = f.reading.Unit
	}
	if numbers := c.Present - f.noNumber.Count - f.dull - f.again; numbers == 1 {
		c.Unit = strings.Clone(unit)
	} else if c.Unit != unit {
		c.OtherUnit.note(text, line)
	}
	if !f.whole && !f.sequence {
		return
	}
	value, ok := f.number(cell.Plain)
	if !ok {
		value, _ = f.number(f.styles.First())
	}
	f.whole = f.whole && value == math.Trunc(value)
	// Of a number that is large enough the next one is itself.
	f.sequence = f.sequence && ok && f.whole && (c.Present == 1 || value == f.last+1 && value > f.last)
	f.last = value
}

// anISODate counts a date whose form was met, or another that is the same to a reader: it is no number, and has one order.
func (f *inference) anISODate(text string, line int) {
	f.noNumber.note(text, line)
	f.sequence = false
	f.dates[1<<cell.YearMonthDay].note(text, line)
	f.noClock.note(text, line)
	f.noTruth.note(text, line)
}

func (f *inference) tryDate(text string, line int) {
	f.aDate = true
	hits := f.column.Present - f.plain.Count - f.none.Count - f.dull - 1 // again is of dates
	if f.asked > dateTries && hits == 0 && f.clocks == 0 {
		f.none.note(text, line)
		f.noClock.note(text, line)
		f.aDate = false
		return
	}
	f.asked++
	_, clock := cell.TimeOfDay(text)
	if clock {
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
		f.aDate = clock
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
