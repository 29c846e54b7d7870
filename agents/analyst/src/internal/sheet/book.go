// Package sheet makes rows of a sheet of a workbook, XLSX or ODS, and gives them as text with commas: one line for each
// row of the sheet, so that lines are its rows. It unpacks as it reads, within bounds, and knows nothing of columns.
package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what is unpacked: a small archive may hold much.
const (
	maxSheet  = 4 << 30
	maxTexts  = 64 << 20 // the texts that the cells of an XLSX share
	maxPart   = 16 << 20 // any other part
	maxToken  = 1 << 20  // one tag, or the text between two
	maxRows   = 1 << 24
	maxCells  = 2048 // the columns of a table; cells beyond them are counted only
	maxSheets = 1000
)

// Magic begins every workbook.
const Magic = "PK\x03\x04"

// Book is a workbook.
type Book struct {
	// Kind is XLSX or ODS.
	Kind   string
	Sheets []Sheet
	parts  map[string]*zip.File
	xlsx   *xlsx
}

// Sheet is one of its sheets.
type Sheet struct {
	Name   string
	Hidden bool
	part   string // of an XLSX
}

// Open reads what sheets there are.
func Open(source io.ReaderAt, size int64) (*Book, error) {
	if err := fewParts(source, size); err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(source, size)
	if err != nil {
		return nil, fmt.Errorf("the file is a damaged ZIP archive (%w): save it anew and try again", err)
	}
	book := &Book{parts: map[string]*zip.File{}}
	for _, part := range archive.File {
		book.parts[strings.TrimPrefix(part.Name, "/")] = part
	}
	switch {
	case book.parts["xl/workbook.bin"] != nil:
		return nil, errors.New("the file is a binary workbook, XLSB: save it as XLSX or CSV and try again")
	case book.parts["xl/workbook.xml"] != nil:
		book.Kind = "XLSX"
		err = book.openXLSX()
	case book.parts["content.xml"] != nil:
		book.Kind = "ODS"
		err = book.openODS()
	default:
		return nil, errors.New("the file is a ZIP archive without a workbook in it: unpack it, and give the table itself")
	}
	if err == nil && len(book.Sheets) == 0 {
		err = errors.New("the workbook has no sheet with cells")
	}
	return book, err
}

// fewParts refuses an archive with more entries than an old one can count, before they are read: a workbook has some
// dozen.
func fewParts(source io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 64<<10+22))
	if _, err := source.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || at+22 > len(tail) {
		return errors.New("the file is a ZIP archive that breaks off: fetch it anew, or save it as CSV and try again")
	}
	if n := binary.LittleEndian.Uint16(tail[at+10:]); n > 10_000 {
		return fmt.Errorf("the file is a ZIP archive of %d entries, and no workbook has so many", n)
	}
	return nil
}

// part opens a part of the workbook, of at most so many bytes.
func (b *Book) part(name string, most int64) (*xml.Decoder, io.Closer, error) {
	file := b.parts[name]
	if file == nil {
		return nil, nil, fmt.Errorf("the workbook lacks its part %s: save it anew and try again", name)
	}
	unpacked, err := file.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("the workbook's part %s cannot be unpacked: %w", name, err)
	}
	decoder := xml.NewDecoder(&bounded{source: unpacked, name: name, left: most, buffer: make([]byte, 32<<10)})
	// Some programs declare an encoding of old, and write ASCII.
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	return decoder, unpacked, nil
}

// walk calls visit for each token of a part.
func (b *Book) walk(name string, most int64, visit func(xml.Token) error) error {
	decoder, closer, err := b.part(name, most)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the workbook's part %s cannot be read (it may be encrypted): %w", name, err)
		}
		if err := visit(token); err != nil {
			return err
		}
	}
}

// bounded ends a part that is too large, or has a tag or a text that is.
type bounded struct {
	source io.Reader
	name   string
	left   int64
	token  int
	buffer []byte
	rest   []byte // of the buffer
}

func (r *bounded) ReadByte() (byte, error) {
	if len(r.rest) == 0 {
		n, err := r.source.Read(r.buffer)
		for n == 0 && err == nil {
			n, err = r.source.Read(r.buffer)
		}
		if n == 0 {
			return 0, err
		}
		if r.left -= int64(n); r.left < 0 {
			return 0, fmt.Errorf("%s is larger than this agent unpacks: save the sheet as CSV", r.name)
		}
		r.rest = r.buffer[:n]
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	if r.token++; c == '<' {
		r.token = 0
	} else if r.token > maxToken {
		return 0, fmt.Errorf("%s has a cell or a tag of more than %d KiB", r.name, maxToken>>10)
	}
	return c, nil
}

// Read is there because a decoder asks for it; it reads by bytes.
func (r *bounded) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	into[0] = c
	return 1, nil
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
