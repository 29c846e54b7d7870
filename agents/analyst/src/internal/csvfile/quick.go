package csvfile

import (
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// class is what a byte means to the separation of cells.
type class byte

const (
	inner class = iota
	between
	lineFeed
	carriage
	mark
	zero
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special tells the bytes of a dialect apart: one at a time, and eight at once.
type special struct {
	of       [256]class
	patterns [4]uint64
}

func specials(d Dialect) (s special) {
	s.of[0] = zero
	s.of['\r'] = carriage
	s.patterns = [4]uint64{'\r' * ones, '\r' * ones, '\r' * ones, '\r' * ones}
	if !d.CR {
		s.of['\n'], s.patterns[1] = lineFeed, '\n'*ones
	}
	if d.Separator != 0 {
		s.of[d.Separator], s.patterns[2] = between, uint64(d.Separator)*ones
	}
	if d.Quote != 0 {
		s.of[d.Quote], s.patterns[3] = mark, uint64(d.Quote)*ones
	}
	return s
}

// in marks the special ones of eight bytes with their high bits. Above a special byte it may mark one too many (Warren,
// Hacker's Delight, 6-1), so each is looked at again.
func (s *special) in(word uint64) uint64 {
	a, b := word^s.patterns[0], word^s.patterns[1]
	c, d := word^s.patterns[2], word^s.patterns[3]
	return ((a-ones)&^a | (b-ones)&^b | (c-ones)&^c | (d-ones)&^d | (word-ones)&^word) & highs
}

// quick takes apart a row as most are: whole in the buffer, every cell without a quotation mark or with one at each
// of its ends, no zero byte. It copies nothing, and gives how many bytes the row has. False is no verdict: the row is
// parse's then. It looks at eight bytes at a time, since a jump costs a guest more than the arithmetic of a word.
func (r *Rows) quick(data []byte) (int, bool) {
	if r.d.Separator == ' ' || r.d.Escape != 0 {
		return 0, false
	}
	cells := r.cells[:0]
	begin, width, opened := 0, 0, -1
	high := uint64(0)
	start := unsafe.Pointer(unsafe.SliceData(data))
	for at := 0; at+8 <= len(data); at += 8 {
		word := *(*uint64)(unsafe.Add(start, at))
		high |= word
		for marks := r.special.in(word); marks != 0; marks &= marks - 1 {
			i := at + bits.TrailingZeros64(marks)/8
			kind := r.special.of[data[i]]
			if kind == inner || i < begin {
				continue
			}
			end := i
			if opened >= 0 {
				// Within marks only the closing one may stand, and right behind it a cell ends.
				if opened == 0 {
					switch kind {
					case mark:
						opened = i
					case between:
					default:
						return 0, false
					}
					continue
				}
				if i != opened+1 || kind == mark {
					return 0, false
				}
				end = opened
			}
			switch kind {
			case mark:
				if i != begin {
					return 0, false
				}
				begin, opened = i+1, 0
				continue
			case zero:
				return 0, false
			}
			used := i + 1
			if kind == carriage && !r.d.CR {
				if used == len(data) || data[used] != '\n' {
					if opened >= 0 || used == len(data) {
						return 0, false
					}
					continue
				}
				used++
			}
			if width++; width <= maxCells {
				cells = append(cells, trimmed(data[begin:end]))
			}
			if kind != between {
				if high&highs != 0 && !utf8.Valid(data[:used]) {
					return 0, false
				}
				r.cells, r.width, r.multi = cells, width, false
				return used, true
			}
			begin, opened = used, -1
		}
	}
	return 0, false
}

// trimmed is a cell without the white space around it, in place.
func trimmed(raw []byte) string {
	text := unsafe.String(unsafe.SliceData(raw), len(raw))
	if len(raw) > 0 && raw[0]|raw[len(raw)-1]|(raw[0]-'!')|(raw[len(raw)-1]-'!') < utf8.RuneSelf {
		return text // both ends are plain
	}
	return trim(text)
}

//go:noinline
func trim(text string) string { return strings.TrimSpace(text) }
