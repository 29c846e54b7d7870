package csvfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxRow bounds the memory of one row: more is a quote that nobody closed.
const maxRow = 4 << 20

// maxCells bounds the width of a table.
const maxCells = 2048

// Rows reads a file row by row. Empty lines are passed over.
type Rows struct {
	reader *csv.Reader
	guard  *guard
	cells  []string
	line   int
	// Recoded counts cells that were not UTF-8 and were read as Latin-1.
	Recoded int64
}

// NewRows reads from the first byte of the file.
func NewRows(source io.Reader, dialect Dialect) (*Rows, error) {
	if _, err := io.CopyN(io.Discard, source, int64(dialect.Skip)); err != nil {
		return nil, err
	}
	guard := &guard{source: source, left: maxRow}
	return &Rows{reader: newReader(guard, dialect.Separator), guard: guard}, nil
}

// Next goes to the next row; false at the end of the file.
func (r *Rows) Next() (bool, error) {
	record, err := r.reader.Read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if errors.Is(err, errLongRow) {
		return false, fmt.Errorf("the row after line %d is longer than %d MiB: a quotation mark is probably not closed there",
			r.line, maxRow>>20)
	}
	if err != nil {
		return false, err
	}
	r.guard.left = maxRow
	r.line, _ = r.reader.FieldPos(0)
	if len(record) > maxCells {
		return false, fmt.Errorf("line %d has %d cells; a table may have %d", r.line, len(record), maxCells)
	}
	for i, text := range record {
		if !utf8.ValidString(text) {
			text = latin1(text)
			r.Recoded++
		}
		record[i] = strings.TrimSpace(text)
	}
	r.cells = record
	return true, nil
}

// Cells are the row's trimmed cells, good until the next call of Next.
func (r *Rows) Cells() []string { return r.cells }

// Line is the line of the file on which the row begins, counted from 1.
func (r *Rows) Line() int { return r.line }

func latin1(text string) string {
	var out strings.Builder
	for i := range len(text) {
		out.WriteRune(rune(text[i]))
	}
	return out.String()
}

var errLongRow = errors.New("row too long")

// guard stops a reader that takes in more for one row than maxRow. The reader above it reads ahead by a few
// kilobytes, which is why the bound is not exact.
type guard struct {
	source io.Reader
	left   int
}

func (g *guard) Read(buffer []byte) (int, error) {
	if g.left <= 0 {
		return 0, errLongRow
	}
	n, err := g.source.Read(buffer)
	g.left -= n
	return n, err
}
