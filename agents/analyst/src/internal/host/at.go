package host

import (
	"fmt"
	"io"
)

// At reads a file at any place, a chunk at a time, of which it keeps two: the parts of an archive are read from their
// beginnings to their ends.
type At struct {
	Caller Caller
	Ref    FileRef
	// Heard, where it is set, is called with each chunk that was read.
	Heard func(offset, size int64)

	chunks   [2]struct{ from, to int64 }
	data     [2][]byte
	older    int
	size     int64
	modified int64
	begun    bool
}

// ReadAt is that of io.ReaderAt.
func (a *At) ReadAt(into []byte, offset int64) (int, error) {
	n := 0
	for n < len(into) {
		part, err := a.chunk(offset + int64(n))
		if err != nil {
			return n, err
		}
		if len(part) == 0 {
			return n, io.EOF
		}
		n += copy(into[n:], part)
	}
	return n, nil
}

// chunk is what there is from an offset on; nothing at the end.
func (a *At) chunk(offset int64) ([]byte, error) {
	for i, held := range a.chunks {
		if offset >= held.from && offset < held.to {
			a.older = 1 - i
			return a.data[i][offset-held.from:], nil
		}
	}
	begin := offset - offset%chunk
	var answer part
	err := Do(a.Caller, "fs.read", struct {
		FileRef
		Offset int64 `json:"offset"`
		Length int   `json:"length"`
	}{a.Ref, begin, chunk}, &answer)
	if err != nil {
		return nil, err
	}
	if a.begun && (answer.Size != a.size || answer.Modified != a.modified) {
		return nil, fmt.Errorf("%s changed while it was read: run again when nobody writes to it", a.Ref.Path)
	}
	a.begun, a.size, a.modified = true, answer.Size, answer.Modified
	i := a.older
	a.chunks[i].from, a.chunks[i].to, a.data[i] = begin, begin+int64(len(answer.Data)), answer.Data
	a.older = 1 - i
	if a.Heard != nil {
		a.Heard(a.chunks[i].to, a.size)
	}
	if offset >= a.chunks[i].to {
		return nil, nil
	}
	return answer.Data[offset-begin:], nil
}
