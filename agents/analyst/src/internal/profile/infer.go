package profile

import (
	"hash/fnv"
	"sort"
	"strings"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

const (
	maxDistinct = 100_000 // distinct values counted for one column
	maxTop      = 1_000   // distinct values whose frequencies are kept
	topShown    = 10
	maxLabel    = 200 // bytes of a value kept as it is
)

// inference is what the first pass gathers about one column.
type inference struct {
	column    *Column
	hits      [3]int64 // by number style
	dateHits  []int64  // by layout
	dateTries int64
	fractions bool
	sequence  bool
	last      float64
	hashes    map[uint64]struct{}
	top       map[string]int64
	odd       [2]struct { // the first cell that is no number, and the first that is no date
		count int64
		line  int
		text  string
	}
}

func (t *Table) infer(rows *csvfile.Rows, head []byte, whole bool) error {
	header, err := findHeader(head, whole, t.Dialect)
	if err != nil {
		return err
	}
	t.Header = header
	var columns []*inference
	begin := func(cells []string) {
		var names []string
		if header {
			names = columnNames(cells, len(cells))
		} else {
			names = columnNames(nil, len(cells))
		}
		for i, name := range names {
			columns = append(columns, newInference(i, name))
		}
	}
	for {
		more, err := rows.Next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		cells := rows.Cells()
		if columns == nil {
			begin(cells)
			if header {
				continue
			}
		}
		t.Rows++
		t.noteWidth(len(cells), len(columns), rows.Line())
		for i, column := range columns {
			if i < len(cells) {
				column.add(cells[i], rows.Line())
			} else {
				column.add("", rows.Line())
			}
		}
	}
	for _, column := range columns {
		t.Columns = append(t.Columns, column.decide(t.Rows, t.Dialect))
	}
	for _, column := range t.Columns {
		if column.Kind == Date && 10*column.Present >= 9*t.Rows {
			t.Axis = column
			break
		}
	}
	return nil
}

func (t *Table) noteWidth(width, want, line int) {
	if width < want {
		if t.Short == 0 {
			t.ShortLine = line
		}
		t.Short++
	}
	if width > want {
		if t.Long == 0 {
			t.LongLine = line
		}
		t.Long++
	}
}

func newInference(index int, name string) *inference {
	return &inference{
		column:   &Column{Index: index, Name: name},
		dateHits: make([]int64, len(cell.DateLayouts)),
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
	number := f.tryNumbers(text)
	if !number {
		f.sequence = false
		f.note(0, text, line)
	}
	// A bare year is a number too.
	if !(f.tryDates(text, number)) {
		f.note(1, text, line)
	}
}

func (f *inference) note(which int, text string, line int) {
	odd := &f.odd[which]
	if odd.count == 0 {
		odd.line = line
		odd.text = clip(text)
	}
	odd.count++
}

func (f *inference) count(text string) {
	if len(f.hashes) < maxDistinct {
		// 64 bits: among a hundred thousand values two share a hash once in four billion files.
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(text))
		f.hashes[hash.Sum64()] = struct{}{}
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

func (f *inference) tryNumbers(text string) bool {
	any := false
	for i, style := range cell.NumberStyles {
		value, ok := cell.Number(text, style)
		if !ok {
			continue
		}
		f.hits[i]++
		any = true
		if style == cell.Plain {
			if value != float64(int64(value)) {
				f.fractions = true
			}
			if f.column.Present > 1 && value != f.last+1 {
				f.sequence = false
			}
			f.last = value
		}
		if !strings.ContainsAny(text, ".,' ") {
			// Written the same way in every style.
			f.hits[1], f.hits[2] = f.hits[1]+1, f.hits[2]+1
			break
		}
	}
	return any
}

func (f *inference) tryDates(text string, number bool) bool {
	if !cell.MayBeDate(text) {
		return false
	}
	if number && !isYear(text) && !strings.Contains(text, ".") {
		return false
	}
	f.dateTries++
	any := false
	for layout := range f.dateHits {
		// A layout that has read nothing in the first hundred dates is not the column's.
		if f.dateHits[layout] == 0 && f.dateTries > 100 {
			continue
		}
		if _, ok := cell.Date(text, layout); ok {
			f.dateHits[layout]++
			any = true
		}
	}
	return any
}

// decide makes up the mind about one column.
func (f *inference) decide(rows int64, dialect csvfile.Dialect) *Column {
	c := f.column
	c.Distinct = int64(len(f.hashes))
	c.Top = mostFrequent(f.top)
	style, numbers := f.bestStyle(dialect)
	layout, dates := f.bestLayout()
	switch {
	case c.Present == 0:
		c.Kind = Empty
	case 10*dates >= 9*c.Present:
		c.Kind = Date
		c.Layout = layout
		twin := cell.DateLayouts[layout].Twin
		c.Ambiguous = twin >= 0 && f.dateHits[twin] == dates
		c.Odd = c.Present - dates
		c.OddLine, c.OddText = f.odd[1].line, f.odd[1].text
	case 10*numbers >= 9*c.Present:
		c.Kind = Number
		c.Style = style
		c.Integers = style == cell.Plain && !f.fractions
		c.Sequence = f.sequence && c.Integers && rows > 2 && c.Present == rows
		c.Odd = c.Present - numbers
		c.OddLine, c.OddText = f.odd[0].line, f.odd[0].text
	case 10*numbers >= c.Present:
		c.Kind = Mixed
		c.Odd = c.Present - numbers
		c.OddLine, c.OddText = f.odd[0].line, f.odd[0].text
	default:
		c.Kind = Text
	}
	return c
}

func (f *inference) bestStyle(dialect csvfile.Dialect) (cell.NumberStyle, int64) {
	best := cell.Plain
	for i, style := range cell.NumberStyles {
		if f.hits[i] > f.hits[best] {
			best = style
		}
	}
	// 1,234 is a thousand or a fraction; a file with semicolons comes from where it is a fraction.
	if best == cell.Grouped && dialect.Separator == ';' && f.hits[cell.DecimalComma] == f.hits[cell.Grouped] {
		best = cell.DecimalComma
	}
	return best, f.hits[best]
}

func (f *inference) bestLayout() (int, int64) {
	best := 0
	for layout, hits := range f.dateHits {
		if layout == cell.YearLayout && !calledYear(f.column.Name) {
			continue
		}
		if hits > f.dateHits[best] {
			best = layout
		}
	}
	return best, f.dateHits[best]
}

func calledYear(name string) bool {
	switch strings.ToLower(name) {
	case "year", "yr", "jahr", "année", "annee", "año", "anno", "rok", "год":
		return true
	}
	return false
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
