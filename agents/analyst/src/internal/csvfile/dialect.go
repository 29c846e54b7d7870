// Package csvfile turns the bytes of a delimited text file into rows of trimmed cells. It finds out how the file
// is written; what the cells mean is not its business.
package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// Dialect is how a file is written.
type Dialect struct {
	// Separator stands between cells.
	Separator rune
	// Skip is how many bytes of byte-order mark come before the first cell.
	Skip int
}

// SeparatorName is the separator in words.
func (d Dialect) SeparatorName() string {
	switch d.Separator {
	case '\t':
		return "tab"
	case ';':
		return "semicolon"
	case '|':
		return "bar"
	default:
		return "comma"
	}
}

// What a file may be that is no table.
var (
	ErrEmpty  = errors.New("the file is empty: give one with a row of names and rows of values")
	ErrUTF16  = errors.New("the file is written in UTF-16: save it as UTF-8 and try again")
	ErrBinary = errors.New("the file holds bytes that no text has: it does not look like a table in text form: save it as CSV and try again")
)

var byteOrderMark = []byte{0xef, 0xbb, 0xbf}

// Sniff finds the dialect from the beginning of a file; whole says whether that is all of it.
func Sniff(head []byte, whole bool) (Dialect, error) {
	var d Dialect
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return d, ErrUTF16
	}
	if bytes.HasPrefix(head, byteOrderMark) {
		d.Skip = len(byteOrderMark)
		head = head[d.Skip:]
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return d, ErrEmpty
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return d, ErrBinary
	}
	if !whole {
		// The last line is cut off somewhere: it says nothing.
		if end := bytes.LastIndexByte(head, '\n'); end >= 0 {
			head = head[:end+1]
		}
	}
	d.Separator = ','
	best := 0.0
	for _, candidate := range []rune{',', ';', '\t', '|'} {
		if score := score(head, candidate); score > best {
			best = score
			d.Separator = candidate
		}
	}
	return d, nil
}

// score says how much the text looks like a table with this separator: the share of rows that have the most
// frequent width, more where that width is larger; 0 where most rows have one cell.
func score(head []byte, separator rune) float64 {
	reader := newReader(strings.NewReader(string(head)), separator)
	widths := map[int]int{}
	rows := 0
	for rows < 1000 {
		record, err := reader.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return 0
			}
			break
		}
		widths[len(record)]++
		rows++
	}
	width, count := 0, 0
	for w, c := range widths {
		if c > count || c == count && w > width {
			width, count = w, c
		}
	}
	if width < 2 {
		return 0
	}
	return float64(count)/float64(rows) + float64(min(width, 50))/1000
}

func newReader(r io.Reader, separator rune) *csv.Reader {
	reader := csv.NewReader(r)
	reader.Comma = separator
	reader.FieldsPerRecord = -1
	reader.LazyQuotes = true
	reader.ReuseRecord = true
	return reader
}
