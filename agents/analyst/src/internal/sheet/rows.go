package sheet

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// prescanned is how many rows say how wide a sheet is: a row ends with its last cell that has something in it, and a
// table's rows are of one width.
const prescanned = 2000

// errEnough ends a walk before the end of its part.
var errEnough = errors.New("enough was read")

// row is a row of a sheet: which it is, from 1, and its cells; what is behind the last of them is empty.
type row struct {
	number int
	cells  []string
}

// Rows gives a sheet as text with commas.
func (b *Book) Rows(index int) (io.Reader, error) {
	width := 1
	seen := 0
	err := b.rows(index, func(r row) error {
		width = max(width, len(r.cells))
		if seen++; seen == prescanned {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return &lines{book: b, index: index, width: width}, nil
}

// rows calls visit for each row of a sheet that is not empty.
func (b *Book) rows(index int, visit func(row) error) error {
	next, done, err := b.source(index)
	if err != nil {
		return err
	}
	defer done()
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = visit(r)
		}
		if err != nil {
			return err
		}
	}
}

// source gives the rows of a sheet one by one.
func (b *Book) source(index int) (next func() (row, error), done func(), err error) {
	name := b.Sheets[index].part
	if b.xlsx == nil {
		name = "content.xml"
	}
	decoder, closer, err := b.part(name, maxSheet)
	if err != nil {
		return nil, nil, err
	}
	token := func() (xml.Token, error) {
		token, err := decoder.RawToken()
		if err != nil && !errors.Is(err, io.EOF) {
			err = errors.New("the sheet cannot be read: " + err.Error())
		}
		return token, err
	}
	if b.xlsx != nil {
		reader := &xlsxRows{xlsx: b.xlsx, token: token}
		next = reader.next
	} else {
		reader := &odsRows{index: index, token: token}
		next = reader.next
	}
	return next, func() { _ = closer.Close() }, nil
}

// lines writes rows as lines.
type lines struct {
	book  *Book
	index int
	width int
	next  func() (row, error)
	done  func()
	line  int
	out   []byte
	rest  []byte // of out
	err   error
}

func (l *lines) Read(into []byte) (int, error) {
	if l.next == nil && l.err == nil {
		l.next, l.done, l.err = l.book.source(l.index)
	}
	for len(l.rest) == 0 {
		if l.err != nil {
			if l.done != nil {
				l.done()
				l.done = nil
			}
			return 0, l.err
		}
		l.out = l.out[:0]
		for len(l.out) < 32<<10 && l.err == nil {
			var r row
			if r, l.err = l.next(); l.err == nil {
				l.write(r)
			}
		}
		l.rest = l.out
	}
	n := copy(into, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *lines) write(r row) {
	if r.number > maxRows {
		l.err = errors.New("the sheet has more rows than any program writes: it is damaged, or made to be")
		return
	}
	for l.line++; l.line < r.number; l.line++ {
		l.out = append(l.out, '\n')
	}
	for i := range max(l.width, len(r.cells)) {
		if i > 0 {
			l.out = append(l.out, ',')
		}
		if i < len(r.cells) {
			l.out = appendCell(l.out, r.cells[i])
		}
	}
	l.out = append(l.out, '\n')
}

func appendCell(out []byte, text string) []byte {
	if strings.ContainsAny(text, "\r\n\x00") {
		text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' || r == 0 }), " ")
	}
	if !strings.ContainsAny(text, ",\"") {
		return append(out, text...)
	}
	out = append(out, '"')
	out = append(out, strings.ReplaceAll(text, `"`, `""`)...)
	return append(out, '"')
}

// put sets a cell, and the empty ones before it.
func put(cells []string, at int, text string) []string {
	if at < 0 || at >= maxCells || text == "" {
		return cells
	}
	for len(cells) <= at {
		cells = append(cells, "")
	}
	cells[at] = text
	return cells
}
