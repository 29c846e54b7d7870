package csvfile

import (
	"bytes"
	"slices"
)

// parse takes one row apart from the beginning of data. It says how many bytes the row has with its line end;
// false where more of the file is needed to know.
func (r *Rows) parse(data []byte) (int, bool) {
again:
	r.flat, r.ends, r.width, r.multi = r.flat[:0], r.ends[:0], 0, false
	at := 0
	for {
		if r.d.Separator == ' ' {
			for at < len(data) && data[at] == ' ' {
				at++
			}
		}
		start := at
		for start < len(data) && data[start] == ' ' {
			start++
		}
		if start == len(data) && !r.ended {
			return 0, false
		}
		if r.d.Quote != 0 && start < len(data) && data[start] == r.d.Quote && !slices.Contains(r.open, start) {
			end, verdict := r.inQuotes(data, start)
			switch verdict {
			case needMore:
				return 0, false
			case neverClosed:
				r.open = append(r.open, start)
				r.quoted = max(minQuoted, r.quoted/2)
				goto again
			}
			at = end
		} else {
			end := r.cellEnd(data, at)
			if end == len(data) && !r.ended {
				return 0, false
			}
			r.flat = append(r.flat, data[at:end]...)
			at = end
		}
		r.width++
		if len(r.ends) < maxCells {
			r.ends = append(r.ends, len(r.flat))
		} else {
			r.flat = r.flat[:r.ends[maxCells-1]]
		}
		if at == len(data) {
			return at, true
		}
		if data[at] == r.d.Separator && r.d.Separator != 0 {
			at++
			if r.d.Separator != ' ' {
				continue
			}
			for at < len(data) && data[at] == ' ' {
				at++
			}
			if at+1 >= len(data) && !r.ended {
				return 0, false
			}
			if at == len(data) {
				return at, true
			}
			if !r.endsLine(data, at) {
				continue
			}
		}
		// A line end: one byte, or a carriage return before a line feed.
		if data[at] == '\r' && !r.d.CR {
			return at + 2, true
		}
		return at + 1, true
	}
}

// cellEnd is where a cell without quotation marks ends.
func (r *Rows) cellEnd(data []byte, at int) int {
	separator, cr := r.d.Separator, r.d.CR
	for i := at; i < len(data); i++ {
		c := data[i]
		if c > ',' && c != separator {
			continue
		}
		switch {
		case c == separator && separator != 0, c == '\n' && !cr:
			return i
		case c == '\r' && (cr || i+1 < len(data) && data[i+1] == '\n'):
			return i
		}
	}
	return len(data)
}

func (r *Rows) endsLine(data []byte, at int) bool {
	switch {
	case r.d.CR:
		return data[at] == '\r'
	case data[at] == '\n':
		return true
	}
	return data[at] == '\r' && at+1 < len(data) && data[at+1] == '\n'
}

type verdict int

const (
	closed verdict = iota
	needMore
	neverClosed
)

// inQuotes reads a cell in quotation marks and gives where it ends. A mark closes a cell where a separator or a line
// end follows; elsewhere it is part of the cell. A mark is never closed where the end of the file comes first, or,
// once the cell goes over more than its line, where a mark stands that neither closes nor is doubled, or where whole
// rows of the table lie within the cell.
func (r *Rows) inQuotes(data []byte, start int) (int, verdict) {
	quote := r.d.Quote
	begin := len(r.flat)
	from := start + 1
	lines := false
	fail := func() (int, verdict) {
		r.flat = r.flat[:begin]
		return 0, neverClosed
	}
	for at := from; ; {
		next := bytes.IndexByte(data[at:], quote)
		if next < 0 || next+at-start > r.quoted {
			if r.ended || len(data)-start > r.quoted {
				return fail()
			}
			return 0, needMore
		}
		mark := at + next
		if r.d.Escape != 0 && escaped(data[from:mark], r.d.Escape) {
			r.flat = append(append(r.flat, data[from:mark-1]...), quote)
			from, at = mark+1, mark+1
			continue
		}
		after := mark + 1
		if after == len(data) && !r.ended {
			return 0, needMore
		}
		if after < len(data) && data[after] == quote {
			r.flat = append(r.flat, data[from:after]...)
			from, at = after+1, after+1
			continue
		}
		for after < len(data) && data[after] == ' ' && r.d.Separator != ' ' {
			after++
		}
		if after+1 >= len(data) && !r.ended {
			return 0, needMore
		}
		if after == len(data) || data[after] == r.d.Separator && r.d.Separator != 0 || r.endsLine(data, after) {
			r.flat = append(r.flat, data[from:mark]...)
			if bytes.IndexByte(data[start:mark], r.d.lineEnd()) >= 0 {
				if r.holdsRows(data[start:mark]) {
					return fail()
				}
				r.multi = true
				text := bytes.ReplaceAll(r.flat[begin:], []byte("\r\n"), []byte("\n"))
				r.flat = append(r.flat[:begin], text...)
			}
			return after, closed
		}
		if lines = lines || bytes.IndexByte(data[start:mark], r.d.lineEnd()) >= 0; lines {
			return fail()
		}
		at = mark + 1
	}
}

func escaped(before []byte, escape byte) bool {
	n := 0
	for n < len(before) && before[len(before)-1-n] == escape {
		n++
	}
	return n%2 == 1
}

// holdsRows says whether the lines inside a cell are as wide as the table, each of them: then they are its rows.
func (r *Rows) holdsRows(cell []byte) bool {
	lines := bytes.Split(cell, []byte{r.d.lineEnd()})
	if len(lines) < 3 || r.d.Width < 3 || r.d.Separator == 0 {
		return false
	}
	for _, line := range lines[1 : len(lines)-1] {
		if bytes.Count(line, []byte{r.d.Separator})+1 != r.d.Width {
			return false
		}
	}
	return true
}
