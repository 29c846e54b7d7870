package csvfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// maxRow bounds the memory of one row.
	maxRow = 4 << 20
	// maxQuoted is how far a quotation mark is looked for that closes a cell. Each one that is not found halves it
	// for the next, so that a file full of them is still read in one go.
	maxQuoted = 1 << 20
	minQuoted = 4 << 10
	// maxCells bounds the width of a table; cells beyond it are counted only.
	maxCells = 2048
)

// Place counts something and knows the first line where it was met.
type Place struct {
	Count int64
	Line  int
}

// Add counts one on a line.
func (p *Place) Add(line int) {
	if p.Count == 0 {
		p.Line = line
	}
	p.Count++
}

// Rows reads a file row by row. Empty lines and comments are passed over.
type Rows struct {
	source  io.Reader
	d       Dialect
	buffer  []byte
	at      int // where the next row begins in the buffer
	ended   bool
	next    int // the line of the next row
	line    int
	quoted  int   // how far a closing quotation mark is looked for
	open    []int // quotation marks of this row that close nothing, from its beginning
	flat    []byte
	ends    []int
	width   int
	multi   bool
	cells   []string
	special special
	slow    bool // tests have every row go to parse

	// Open are quotation marks that nobody closed: they were read as part of their cell.
	Open Place
	// Lines are rows with a cell of several lines.
	Lines Place
	// Zeros are rows with zero bytes, which were left out.
	Zeros Place
	// Recoded are rows that were not in the encoding of the rest, and were read as Windows-1252.
	Recoded Place
	// Comments are lines that began with the comment sign.
	Comments Place
}

// NewRows reads from the first byte of the file and passes over what comes before the first row.
func NewRows(source io.Reader, dialect Dialect) (*Rows, error) {
	if _, err := io.CopyN(io.Discard, source, int64(dialect.Mark)); err != nil {
		return nil, err
	}
	r := &Rows{source: decode(source, dialect.Encoding), d: dialect, special: specials(dialect), next: 1, quoted: maxQuoted, buffer: make([]byte, 0, 128<<10)}
	for r.next < dialect.Start {
		end := bytes.IndexByte(r.buffer[r.at:], dialect.lineEnd())
		switch {
		case end >= 0:
			r.at += end + 1
			r.next++
		case r.ended:
			return r, nil
		default:
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// Next goes to the next row; false at the end of the file.
func (r *Rows) Next() (bool, error) {
	for {
		rest := r.buffer[r.at:]
		if len(rest) == 0 && r.ended {
			return false, nil
		}
		used, quick := 0, false
		if !r.slow {
			used, quick = r.quick(rest)
		}
		whole := quick
		if !quick {
			used, whole = r.parse(rest)
		}
		if !whole {
			if len(rest) > maxRow {
				return false, fmt.Errorf("line %d is longer than %d MiB: a table has its rows on lines of their own", r.next, maxRow>>20)
			}
			if err := r.fill(); err != nil {
				return false, err
			}
			continue
		}
		r.line = r.next
		r.at += used
		r.next++
		if r.multi {
			r.next += bytes.Count(rest[:used], []byte{r.d.lineEnd()}) - 1
		}
		for range r.open {
			r.Open.Add(r.line)
		}
		r.open = r.open[:0]
		if r.d.Comment != "" && bytes.HasPrefix(bytes.TrimLeft(rest[:used], " \t"), []byte(r.d.Comment)) &&
			(r.width != r.d.Width || r.d.Width == 1) {
			r.Comments.Add(r.line)
			continue
		}
		if quick && (r.width > 1 || r.cells[0] != "") {
			return true, nil
		}
		if quick || !r.finish(rest[:used]) {
			continue
		}
		return true, nil
	}
}

// finish makes the cells of the row that was parsed; false where the line is empty.
func (r *Rows) finish(raw []byte) bool {
	if bytes.IndexByte(raw, 0) >= 0 {
		r.clean(func(cell []byte) []byte { return bytes.ReplaceAll(cell, []byte{0}, nil) })
		if len(bytes.TrimSpace(r.flat)) > 0 {
			r.Zeros.Add(r.line)
		}
	}
	if !utf8.Valid(raw) {
		r.clean(repair)
		r.Recoded.Add(r.line)
	}
	text := string(r.flat)
	r.cells = r.cells[:0]
	from := 0
	for _, end := range r.ends {
		r.cells = append(r.cells, strings.TrimSpace(text[from:end]))
		from = end
	}
	if r.width == 1 && r.cells[0] == "" {
		return false
	}
	if r.multi {
		r.Lines.Add(r.line)
	}
	return true
}

// clean rewrites each cell.
func (r *Rows) clean(mend func([]byte) []byte) {
	var flat []byte
	from := 0
	for i, end := range r.ends {
		flat = append(flat, mend(r.flat[from:end])...)
		from = end
		r.ends[i] = len(flat)
	}
	r.flat = flat
}

// fill reads more behind what is in the buffer.
func (r *Rows) fill() error {
	if r.at > 0 {
		r.buffer = r.buffer[:copy(r.buffer, r.buffer[r.at:])]
		r.at = 0
	}
	if len(r.buffer) == cap(r.buffer) {
		r.buffer = append(make([]byte, 0, 2*cap(r.buffer)), r.buffer...)
	}
	n, err := r.source.Read(r.buffer[len(r.buffer):cap(r.buffer)])
	r.buffer = r.buffer[:len(r.buffer)+n]
	if err == io.EOF {
		r.ended = true
		return nil
	}
	return err
}

// Cells are the row's trimmed cells. They lie in the reader's own buffer: slice and strings are good until the next
// call of Next, and whoever keeps one clones it.
func (r *Rows) Cells() []string { return r.cells }

// Width is how many cells the row has, those beyond the bound of a table too.
func (r *Rows) Width() int { return r.width }

// Line is the line of the file on which the row begins, counted from 1.
func (r *Rows) Line() int { return r.line }
