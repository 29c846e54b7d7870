// Package profile finds out what the columns of a table are and what stands out in them. It reads the table
// three times from its start and keeps no rows, so memory does not grow with the file: infer learns what the
// columns are, measure their figures, locate where the outliers lie. It writes no words and no pictures.
package profile

import (
	"io"
	"time"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/stats"
)

// Kind is what a column holds.
type Kind int

// The kinds. A column is of a kind where nine in ten of its present cells are.
const (
	Empty Kind = iota
	Number
	Date
	Text
	Mixed // numbers and text, neither of them nine in ten
)

// String is the kind in a word.
func (k Kind) String() string {
	return [...]string{"empty", "number", "date", "text", "mixed"}[k]
}

// Frequency is a value and how often it occurs.
type Frequency struct {
	Value string
	Count int64
}

// Outlier is a value far from the rest of its column.
type Outlier struct {
	Line  int
	Value float64
	// At is the row's place on the axis.
	At float64
	// Reach is how far outside the bounds the value lies, in widths between them.
	Reach float64
}

// Column is what is known of one column.
type Column struct {
	Index int
	Name  string
	Kind  Kind

	Present, Missing int64
	Distinct         int64
	// DistinctCapped says that there are more than Distinct.
	DistinctCapped bool
	// Odd counts present cells that are not of the column's kind; the first of them is kept.
	Odd     int64
	OddLine int
	OddText string
	// Top are the most frequent values, where there are few enough to count them all.
	Top []Frequency

	Style     cell.NumberStyle
	Integers  bool
	Sequence  bool // counts the rows: 1, 2, 3, …
	Moments   stats.Moments
	Sample    *stats.Sample
	Bounds    stats.Bounds
	Trend     stats.Line
	HasTrend  bool
	Outliers  []Outlier // the farthest ones
	OutlierN  int64
	Histogram *Histogram
	Series    *Series

	Layout      int
	Ambiguous   bool // day and month could be exchanged
	First, Last time.Time
}

// Numeric says whether the column's figures mean something.
func (c *Column) Numeric() bool { return c.Kind == Number && !c.Sequence }

// Correlation is how two columns go together.
type Correlation struct {
	A, B *Column
	R    float64
	N    int64
}

// Table is all that is known of a file.
type Table struct {
	Dialect csvfile.Dialect
	// Header says whether the first row names the columns.
	Header bool
	Rows   int64
	// Short and Long count rows with fewer or more cells than the first; the first such line is kept.
	Short, Long         int64
	ShortLine, LongLine int
	Recoded             int64
	Columns             []*Column
	// Axis is the date column that orders the rows; nil where there is none, then the row's number does.
	Axis         *Column
	Correlations []Correlation
}

// Open gives a reader from the first byte of the file. It is called once for each pass.
type Open func() (io.Reader, error)

// Options say what the caller is interested in.
type Options struct {
	// Focus are column names, lower case, that come first.
	Focus []string
	// Pass is called at the beginning of each pass, 0 to 2.
	Pass func(int)
}

// Analyse reads the table. head is its beginning, whole says whether that is all of it.
func Analyse(open Open, head []byte, whole bool, options Options) (*Table, error) {
	dialect, err := csvfile.Sniff(head, whole)
	if err != nil {
		return nil, err
	}
	table := &Table{Dialect: dialect}
	passes := []func(*csvfile.Rows) error{
		func(rows *csvfile.Rows) error { return table.infer(rows, head, whole) },
		table.measure,
		func(rows *csvfile.Rows) error { return table.locate(rows, options.Focus) },
	}
	for i, pass := range passes {
		if options.Pass != nil {
			options.Pass(i)
		}
		source, err := open()
		if err != nil {
			return nil, err
		}
		rows, err := csvfile.NewRows(source, dialect)
		if err != nil {
			return nil, err
		}
		if err := pass(rows); err != nil {
			return nil, err
		}
		table.Recoded = rows.Recoded
	}
	return table, nil
}

// each calls visit for every row of data with its number, from 0.
func (t *Table) each(rows *csvfile.Rows, visit func(row int64, cells []string)) error {
	if t.Header {
		if _, err := rows.Next(); err != nil {
			return err
		}
	}
	for row := int64(0); ; row++ {
		more, err := rows.Next()
		if err != nil || !more {
			return err
		}
		visit(row, rows.Cells())
	}
}

// number is the column's value in a row; false where it has none.
func (c *Column) number(cells []string) (float64, bool) {
	if c.Index >= len(cells) || cell.Missing(cells[c.Index]) {
		return 0, false
	}
	return cell.Number(cells[c.Index], c.Style)
}

// date is the column's value in a row; false where it has none.
func (c *Column) date(cells []string) (time.Time, bool) {
	if c.Index >= len(cells) || cell.Missing(cells[c.Index]) {
		return time.Time{}, false
	}
	return cell.Date(cells[c.Index], c.Layout)
}

// place is where a row stands on the axis: days since 1970, or the row's number from 1.
func (t *Table) place(row int64, cells []string) (float64, bool) {
	if t.Axis == nil {
		return float64(row + 1), true
	}
	when, ok := t.Axis.date(cells)
	return Days(when), ok
}

// Days are days since 1970, with their fraction.
func Days(when time.Time) float64 {
	return float64(when.Unix())/86400 + float64(when.Nanosecond())/86400e9
}
