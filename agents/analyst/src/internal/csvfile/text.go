package csvfile

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// decode turns a source in any encoding into UTF-8. UTF-8 passes through as it is, stray bytes and all.
func decode(source io.Reader, encoding Encoding) io.Reader {
	if encoding == UTF8 {
		return source
	}
	return &decoder{source: source, encoding: encoding, in: make([]byte, 0, 16<<10)}
}

type decoder struct {
	source   io.Reader
	encoding Encoding
	in       []byte // read and not yet decoded: half a character
	out      []byte
	err      error
}

func (d *decoder) Read(into []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		have := len(d.in)
		n, err := d.source.Read(d.in[have:cap(d.in)])
		d.in = d.in[:have+n]
		d.err = err
		d.out = d.out[:0]
		if d.encoding == UTF16LE || d.encoding == UTF16BE {
			d.units(errors.Is(err, io.EOF))
		} else {
			d.bytes()
		}
	}
	n := copy(into, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *decoder) bytes() {
	page := codePages[d.encoding]
	for _, b := range d.in {
		if b < utf8.RuneSelf {
			d.out = append(d.out, b)
		} else {
			d.out = utf8.AppendRune(d.out, page[b-utf8.RuneSelf])
		}
	}
	d.in = d.in[:0]
}

func (d *decoder) units(last bool) {
	i := 0
	for ; i+1 < len(d.in); i += 2 {
		r := rune(d.unit(i))
		if utf16.IsSurrogate(r) {
			if i+3 >= len(d.in) && !last {
				break
			}
			if i+3 < len(d.in) {
				if pair := utf16.DecodeRune(r, rune(d.unit(i+2))); pair != utf8.RuneError {
					r = pair
					i += 2
				}
			}
		}
		d.out = utf8.AppendRune(d.out, r)
	}
	d.in = d.in[:copy(d.in, d.in[i:])]
}

func (d *decoder) unit(i int) uint16 {
	if d.encoding == UTF16LE {
		return uint16(d.in[i]) | uint16(d.in[i+1])<<8
	}
	return uint16(d.in[i+1]) | uint16(d.in[i])<<8
}

// repair reads bytes that are no UTF-8 as Windows-1252.
func repair(text []byte) []byte {
	page := codePages[Windows1252]
	var out bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			r = page[text[0]-utf8.RuneSelf]
		}
		out.WriteRune(r)
		text = text[size:]
	}
	return out.Bytes()
}
