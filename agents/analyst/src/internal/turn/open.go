package turn

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"aion.dev/agents/analyst/internal/host"
	"aion.dev/agents/analyst/internal/profile"
	"aion.dev/agents/analyst/internal/sheet"
)

// opened is a file as a text that can be read again and again.
type opened struct {
	size   int64
	open   profile.Open
	head   []byte
	whole  bool   // head is all of the text
	source string // what the text was made of, where it is not the file itself
	others string // which other tables the file has
}

// headBytes of the text of a sheet are looked at before it is read.
const headBytes = 256 << 10

// open finds out whether the file is a workbook, and chooses its sheet by the question. heard is told how far it was
// read.
func open(caller host.Caller, ref host.FileRef, question string, heard func(offset, size int64)) (*opened, error) {
	first := host.OpenFile(caller, ref)
	head, whole, err := first.Head()
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte(sheet.Magic)) {
		return openSheet(first.Size(), &host.At{Caller: caller, Ref: ref, Heard: heard}, question)
	}
	text := func() (io.Reader, error) {
		file := host.OpenFile(caller, ref)
		file.Heard = heard
		return file, nil
	}
	return &opened{size: first.Size(), open: text, head: head, whole: whole}, nil
}

func openSheet(size int64, source io.ReaderAt, question string) (*opened, error) {
	book, err := sheet.Open(source, size)
	if err != nil {
		return nil, err
	}
	index, err := book.Choose(question)
	if err != nil {
		return nil, err
	}
	text := func() (io.Reader, error) { return book.Rows(index) }
	rows, err := text()
	if err != nil {
		return nil, err
	}
	head := make([]byte, headBytes)
	n, err := io.ReadFull(rows, head)
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !whole {
		return nil, err
	}
	head = head[:n]
	if !whole {
		head = head[:bytes.LastIndexByte(head, '\n')+1]
	}
	return &opened{size: size, open: text, head: head, whole: whole, others: book.Others(index),
		source: fmt.Sprintf("the sheet %s of an %s workbook", book.Sheets[index].Name, book.Kind)}, nil
}
