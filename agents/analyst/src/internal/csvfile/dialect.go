// Package csvfile turns the bytes of a delimited text file into rows of trimmed cells, once it is known how the file
// is written. What the cells mean is not its business.
package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Dialect is how a file is written.
type Dialect struct {
	Encoding Encoding
	// Mark is how many bytes of byte-order mark come before the first character.
	Mark int
	// Separator stands between cells; 0 where a line is one cell. A space stands for any run of spaces.
	Separator byte
	// Quote encloses cells; 0 where none does. Within it a quote is doubled, or has Escape before it.
	Quote, Escape byte
	// CR says that a carriage return alone ends a line.
	CR bool
	// Hint says that a line sep=X named the separator.
	Hint bool
	// Comment begins lines that are no rows; 0 where none does.
	Comment string
	// Start is the line of the first row, counted from 1: what comes before is a title.
	Start int
	// Width is how many cells most rows have; 0 where that is not known yet.
	Width int
}

// SeparatorName is the separator in words.
func (d Dialect) SeparatorName() string {
	switch d.Separator {
	case 0:
		return "nothing (one column)"
	case '\t':
		return "tabs"
	case ';':
		return "semicolons"
	case '|':
		return "bars"
	case ':':
		return "colons"
	case ' ':
		return "spaces"
	case ',':
		return "commas"
	}
	return fmt.Sprintf("%q", rune(d.Separator))
}

// ErrEmpty says that there is nothing in the file.
var ErrEmpty = errors.New("the file is empty: give one with a row of names and rows of values")

// notText are the beginnings of files that are no text.
var notText = []struct{ magic, name string }{
	{"PK\x03\x04", "a ZIP archive"},
	{"\xd0\xcf\x11\xe0", "an old Office file, as XLS files are, or an encrypted workbook"},
	{"PAR1", "a Parquet file"},
	{"%PDF", "a PDF"},
	{"\x1f\x8b", "compressed with gzip"},
	{"SQLite format 3", "an SQLite database"},
	{"\x89PNG", "a picture"},
}

// Text finds the encoding of a file from its head, and gives the head in UTF-8. It refuses what is no text.
func Text(head []byte, whole bool) (Dialect, []byte, error) {
	var d Dialect
	for _, kind := range notText {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return d, nil, fmt.Errorf("the file is %s: it does not look like a table in text form: save it as CSV and try again", kind.name)
		}
	}
	d.Encoding, d.Mark = detectEncoding(head)
	text, err := io.ReadAll(decode(bytes.NewReader(head[d.Mark:]), d.Encoding))
	if err != nil {
		return d, nil, err
	}
	if len(bytes.Trim(text, " \t\r\n\x00\ufeff")) == 0 {
		return d, nil, ErrEmpty
	}
	if controls(bytes.TrimRight(text, "\x00")) {
		return d, nil, errors.New("the file holds bytes that no text has: it does not look like a table in text form: save it as CSV and try again")
	}
	d.CR = bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') >= 0
	if !whole {
		// The last line is cut off somewhere: it says nothing.
		if end := bytes.LastIndexByte(text, d.lineEnd()); end >= 0 {
			text = text[:end+1]
		}
	}
	return d, text, nil
}

func (d Dialect) lineEnd() byte {
	if d.CR {
		return '\r'
	}
	return '\n'
}

// controls says whether more than one byte in ten is one that text does not have.
func controls(text []byte) bool {
	odd := 0
	for _, b := range text {
		if b < 0x20 && b != '\t' && b != '\n' && b != '\r' && b != '\f' && b != 0x1f && b != 0x1e && b != 0x01 {
			odd++
		}
	}
	return 10*odd > len(text)
}
