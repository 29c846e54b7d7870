// Package host is the guest's side of the syscalls: what they are called, what they take and give. It decides nothing.
package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
)

// Caller makes one syscall: its name, its JSON body, and what came back.
type Caller interface {
	Call(name string, body []byte) (status int, response []byte, err error)
}

// Problem is a refusal, as RFC 9457 has it.
type Problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
	Call   string `json:"-"`
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%s: %s", p.Call, p.Detail)
	if p.Remedy != "" {
		text += " (" + p.Remedy + ")"
	}
	return text
}

// Do makes a syscall with a request of its shape and reads the answer into response.
func Do(caller Caller, name string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	status, answer, err := caller.Call(name, body)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if status != 200 {
		problem := &Problem{Call: name}
		if json.Unmarshal(answer, problem) != nil || problem.Detail == "" {
			problem.Detail = fmt.Sprintf("status %d", status)
		}
		return problem
	}
	if response == nil {
		return nil
	}
	if content, ok := response.(*part); ok {
		answer, content.Data = takeData(answer)
	}
	if err := json.Unmarshal(answer, response); err != nil {
		return fmt.Errorf("%s: its answer is not what was expected: %w", name, err)
	}
	return nil
}

// part is a part of a file, as fs.read gives it.
type part struct {
	Data     []byte `json:"data"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modifiedMs"`
}

// takeData decodes the member "data" where it stands and gives the answer without it: a general reader of JSON looks at
// each of its half a million bytes three times, which was a third of the time of a turn. What is not plain base64 is
// left to that reader.
func takeData(answer []byte) (rest, data []byte) {
	const member = `"data":"`
	begin := bytes.Index(answer, []byte(member))
	if begin < 0 {
		return answer, nil
	}
	begin += len(member)
	length := bytes.IndexByte(answer[begin:], '"')
	if length < 0 {
		return answer, nil
	}
	data = make([]byte, base64.StdEncoding.DecodedLen(length))
	n, err := base64.StdEncoding.Decode(data, answer[begin:begin+length])
	if err != nil {
		return answer, nil
	}
	name := bytes.Clone(answer[:begin-len(member)])
	return append(append(name, `"ignored":"`...), answer[begin+length:]...), data[:n]
}

// FileRef is a file beneath a mount.
type FileRef struct {
	Mount string `json:"mount"`
	Path  string `json:"path"`
}

// Input is what the worker gives on standard input.
type Input struct {
	Input struct {
		Text  string    `json:"text"`
		Files []FileRef `json:"files"`
	} `json:"input"`
}

// Progress is a line about what goes on now.
func Progress(caller Caller, text string) error { return message(caller, "progress", text) }

// LeftOut tells the person that a part of what was given is not in the answer. It is kept, and told whole.
func LeftOut(caller Caller, text string) error { return message(caller, "leftOut", text) }

// Final is the whole answer.
func Final(caller Caller, text string) error { return message(caller, "final", text) }

// Failed says that the turn cannot be answered: why, and what to do. It takes the place of Final.
func Failed(caller Caller, text string) error { return message(caller, "failed", text) }

func message(caller Caller, kind, text string) error {
	return Do(caller, "agent.message", map[string]string{"kind": kind, "text": text}, nil)
}

// Write replaces a file in parts: the first part replaces what was there, the rest is appended.
func Write(caller Caller, file FileRef, content []byte) error {
	mode := "replace"
	for {
		part := content[:min(len(content), chunk)]
		content = content[len(part):]
		err := Do(caller, "fs.write", struct {
			FileRef
			Data []byte `json:"data"`
			Mode string `json:"mode"`
		}{file, part, mode}, nil)
		if err != nil || len(content) == 0 {
			return err
		}
		mode = "append"
	}
}

// Remember stores one item under a stable id.
func Remember(caller Caller, id, collection, text string, attributes map[string]string) error {
	type item struct {
		ID         string            `json:"id"`
		Text       string            `json:"text"`
		Collection string            `json:"collection"`
		Attributes map[string]string `json:"attributes"`
	}
	return Do(caller, "memory.remember", map[string][]item{"items": {{id, text, collection, attributes}}}, nil)
}

// Recall gives the texts that fit the query best; with an empty query the newest.
func Recall(caller Caller, query, collection string, most int) ([]string, error) {
	var answer struct {
		Hits []struct {
			Text string `json:"text"`
		} `json:"hits"`
	}
	err := Do(caller, "memory.recall", map[string]any{"query": query, "collection": collection, "k": most}, &answer)
	texts := make([]string, len(answer.Hits))
	for i, hit := range answer.Hits {
		texts[i] = hit.Text
	}
	return texts, err
}

// chunk is how much of a file one syscall carries; base64 of it stays well below a body's 1 MiB.
const chunk = 384 << 10

// File reads a file from its start, one syscall a chunk. It notices where the file changes meanwhile.
type File struct {
	caller   Caller
	ref      FileRef
	offset   int64
	size     int64
	modified int64
	begun    bool
	buffer   []byte
	// Heard, where it is set, is called with each chunk that was read.
	Heard func(offset, size int64)
}

// OpenFile reads nothing yet.
func OpenFile(caller Caller, ref FileRef) *File { return &File{caller: caller, ref: ref} }

// Size is the file's size, once a part of it has been read.
func (f *File) Size() int64 { return f.size }

// Offset is how much has been read from the host.
func (f *File) Offset() int64 { return f.offset }

// Head reads the first chunk and says whether that is the whole file.
func (f *File) Head() ([]byte, bool, error) {
	if err := f.fill(); err != nil && err != io.EOF {
		return nil, false, err
	}
	return bytes.Clone(f.buffer), f.offset >= f.size, nil
}

func (f *File) Read(into []byte) (int, error) {
	if len(f.buffer) == 0 {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(into, f.buffer)
	f.buffer = f.buffer[n:]
	return n, nil
}

func (f *File) fill() error {
	var answer part
	err := Do(f.caller, "fs.read", struct {
		FileRef
		Offset int64 `json:"offset"`
		Length int   `json:"length"`
	}{f.ref, f.offset, chunk}, &answer)
	if err != nil {
		return err
	}
	if f.begun && (answer.Size != f.size || answer.Modified != f.modified) {
		return fmt.Errorf("%s changed while it was read: run again when nobody writes to it", f.ref.Path)
	}
	f.begun, f.size, f.modified = true, answer.Size, answer.Modified
	if len(answer.Data) == 0 {
		return io.EOF
	}
	f.offset += int64(len(answer.Data))
	f.buffer = answer.Data
	if f.Heard != nil {
		f.Heard(f.offset, f.size)
	}
	return nil
}
