// Package profile finds out what the columns of a table are and what stands out in them. It reads the table
// from its start: infer learns what the columns are, and takes their figures on the way where a guess from the first
// rows holds; else measuring does, in a second pass. locate finds where the outliers lie, in a pass of its own only
// where the numbers are too many to be kept. No rows are kept, and numbers only up to a bound, so memory does not grow with the file. It writes no words and no pictures.
package profile

import (
	"bytes"
	"io"
	"reflect"
	"time"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/sniff"
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
	Mixed // numbers and text, or numbers written in several ways, none of them nine in ten
	Time  // a time of day
	Truth // yes and no
)

// String is the kind in a word.
func (k Kind) String() string {
	return [...]string{"empty", "number", "date", "text", "mixed", "time", "boolean"}[k]
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
	// Odd are present cells that are not of the column's kind.
	Odd Odd
	// Against are numbers that are written in another way than the column's, and were not read.
	Against Odd
	// Infinite are numbers that are infinite or larger than a float64; no figure has them in it.
	Infinite Odd
	// Rounded are numbers with more digits than a float64 holds.
	Rounded Odd
	// OtherUnit are numbers with another currency or per cent sign than the first, which has Unit.
	OtherUnit Odd
	Unit      string
	// Top are the most frequent values, where there are few enough to count them all.
	Top []Frequency

	Style     cell.NumberStyle
	Undecided bool // the decimal sign could be a group's
	Fractions bool // some are not whole
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

	Order       cell.Order
	Layout      string
	Certainty   Certainty
	ShortYears  bool
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
	Layout sniff.Layout
	Rows   int64
	// Short and Long are rows with fewer or more cells than there are columns.
	Short, Long csvfile.Place
	// The others are what the reader met, see csvfile.Rows.
	Open, Lines, Zeros, Recoded, Comments csvfile.Place

	Columns []*Column
	// Axis is the date column that orders the rows; nil where there is none, then the row's number does.
	Axis         *Column
	Correlations []Correlation
	kept         kept
}

// Open gives a reader from the first byte of the file. It is called once for each pass.
type Open func() (io.Reader, error)

// Options say what the caller is interested in.
type Options struct {
	// Focus are column names, lower case, that come first.
	Focus []string
	// Source says that the text was made of a sheet, and of which.
	Source string
	// Pass is called at the beginning of each pass.
	Pass func(Pass)
}

// Pass is what the file is read for.
type Pass int

// The passes. The second is left out where the figures were taken in the first, the third where the numbers were kept.
const (
	Learning Pass = iota
	Measuring
	Locating
)

// guessBytes is how much of the head the guess is made from.
const guessBytes = 64 << 10

// Analyse reads the table. head is its beginning, whole says whether that is all of it.
func Analyse(open Open, head []byte, whole bool, options Options) (*Table, error) {
	layout, err := detect(head, whole, options.Source)
	if err != nil {
		return nil, err
	}
	table := &Table{Layout: layout}
	var m *measuring
	err = table.pass(open, options, Learning, func(rows *csvfile.Rows) error {
		m, err = table.infer(rows, guess(layout, head, whole))
		return err
	})
	if err == nil && !reflect.DeepEqual(m.plan, table.plan()) {
		m = newMeasuring(table.plan())
		err = table.pass(open, options, Measuring, func(rows *csvfile.Rows) error { return table.blocks(rows, m) })
	}
	if err != nil {
		return nil, err
	}
	table.take(m)
	if table.kept.all {
		return table, table.locate(nil, options.Focus)
	}
	err = table.pass(open, options, Locating, func(rows *csvfile.Rows) error { return table.locate(rows, options.Focus) })
	return table, err
}

func detect(head []byte, whole bool, source string) (sniff.Layout, error) {
	if source == "" {
		return sniff.Detect(head, whole)
	}
	layout, err := sniff.DetectIn(head)
	layout.Source = source
	return layout, err
}

// guess is the plan that the first rows make.
func guess(layout sniff.Layout, head []byte, whole bool) plan {
	if end := bytes.LastIndexByte(head[:min(len(head), guessBytes)], '\n'); end > 0 && (!whole || len(head) > guessBytes) {
		head = head[:end+1]
	}
	table := &Table{Layout: layout}
	rows, err := csvfile.NewRows(bytes.NewReader(head), layout.Dialect)
	if err == nil {
		_, err = table.infer(rows, plan{axis: -1})
	}
	if err != nil {
		return plan{axis: -1}
	}
	return table.plan()
}

// pass reads the file once.
func (t *Table) pass(open Open, options Options, pass Pass, read func(*csvfile.Rows) error) error {
	if options.Pass != nil {
		options.Pass(pass)
	}
	source, err := open()
	if err != nil {
		return err
	}
	rows, err := csvfile.NewRows(source, t.Layout.Dialect)
	if err != nil {
		return err
	}
	if err := read(rows); err != nil {
		return err
	}
	t.Open, t.Lines, t.Zeros = rows.Open, rows.Lines, rows.Zeros
	t.Recoded, t.Comments = rows.Recoded, rows.Comments
	return nil
}

// each calls visit for every row of data with its number, from 0.
func (t *Table) each(rows *csvfile.Rows, visit func(row int64, cells []string)) error {
	if t.Layout.Header {
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

// Days are days since 1970, with their fraction.
func Days(when time.Time) float64 {
	return float64(when.Unix())/86400 + float64(when.Nanosecond())/86400e9
}
