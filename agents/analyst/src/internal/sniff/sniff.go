package sniff

import (
	"bytes"
	"errors"
	"strings"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

// Layout is how a file is written and where its table lies in it.
type Layout struct {
	csvfile.Dialect
	// Header says whether the first row names the columns.
	Header bool
	// Names are the header's cells.
	Names []string
	// Title are lines above the table that are no part of it.
	Title int
	// Source says what the text was made of, where it is not the file itself.
	Source string
	// Trailing says that each row ends with a separator behind which nothing comes.
	Trailing bool
}

// hint reads the line by which spreadsheets are told the separator, sep=X, and gives what comes after it; 0 where the
// first line is another.
func hint(text []byte) (separator byte, rest []byte) {
	end := bytes.IndexAny(text, "\r\n")
	if end < 0 {
		return 0, nil
	}
	line := bytes.TrimPrefix(text[:end], []byte{'"'})
	if len(line) < 5 || !bytes.EqualFold(line[:4], []byte("sep=")) || len(bytes.Trim(line[5:], "\" ,;\t")) > 0 {
		return 0, nil
	}
	c := line[4]
	if c == '"' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
		return 0, nil
	}
	return c, text[end:]
}

// DetectIn finds the table in a text with commas that was made of a sheet: how it is written is known.
func DetectIn(text []byte) (Layout, error) {
	layout := Layout{Dialect: csvfile.Dialect{Separator: ',', Quote: '"', Start: 1}}
	rows := sample(text, layout.Dialect)
	if len(rows) == 0 {
		return layout, errors.New("the sheet is empty: name another, or give one with a row of names and rows of values")
	}
	layout.place(rows)
	return layout, nil
}

// Detect finds the layout from the beginning of a file; whole says whether that is all of it.
func Detect(head []byte, whole bool) (Layout, error) {
	var layout Layout
	dialect, text, err := csvfile.Text(head, whole)
	if err != nil {
		return layout, err
	}
	if len(text) > sampleBytes {
		if end := bytes.LastIndexAny(text[:sampleBytes], "\r\n"); end > 0 {
			text = text[:end+1]
		}
	}
	dialect.Start = 1
	if named, rest := hint(text); named != 0 && bytes.IndexByte(rest, named) < 0 {
		dialect.Start = 2 // the line names a separator that never comes: it is no row, and no help
		dialect = separator(text, dialect)
	} else if named != 0 {
		dialect.Hint, dialect.Start = true, 2
		dialect.Separator = named
		dialect.Quote, dialect.Escape = quotes(text, dialect.Separator, dialect)
	} else {
		dialect = separator(text, dialect)
	}
	rows := sample(text, dialect)
	if len(rows) == 0 {
		return layout, csvfile.ErrEmpty
	}
	layout.Dialect = dialect
	layout.place(rows)
	return layout, nil
}

// place finds the table among the rows: its width, where it starts, what is above it, and its header.
func (l *Layout) place(rows []row) {
	first := rows[0].line
	rows, comments := l.withoutComments(rows)
	width := usualWidth(rows)
	begin := 0
	for i, row := range rows {
		if len(row.cells) == width && 2*present(row.cells) >= width {
			begin = i + padded(rows[i:], width)
			break
		}
	}
	// A header may be shorter or longer than its rows by some cells: it is all names, and the rows are not.
	if begin > 0 && begin < len(rows) {
		above := rows[begin-1].cells
		if len(above) > 1 && 2*len(above) >= width && present(above) == len(above) && names(above) && !names(rows[begin].cells) {
			begin--
		}
	}
	// Above one column nothing can be told from a header but by what it holds.
	rows = rows[begin:]
	l.Width, l.Start = width, rows[0].line
	l.Title = begin
	if l.Comment != "" {
		l.Title += len(comments)
	}
	l.Header = isHeader(rows[0].cells, rows[1:])
	if l.Header {
		l.Names = append([]string(nil), rows[0].cells...)
	} else if names := l.commentedNames(comments, rows[0].line, width); names != nil {
		l.Names = names
		l.Title-- // that line was read
	}
	l.Trailing = l.trailing(rows)
	if l.Start == first {
		l.Title = 0
	}
}

// padded says how many rows of a title come first that a spreadsheet filled up to the width of the table: none of them
// is full, and a full row of names above values follows.
func padded(rows []row, width int) int {
	const most = 20
	for i := 0; i+1 < min(len(rows), most); i++ {
		if len(rows[i].cells) == width && present(rows[i].cells) == width {
			if names(rows[i].cells) && !names(rows[i+1].cells) {
				return i
			}
			return 0
		}
	}
	return 0
}

// commentedNames are the names that the last comment above the first row gives, if it gives as many as there are.
func (l *Layout) commentedNames(comments []row, line, width int) []string {
	for _, comment := range comments {
		if comment.line == line-1 && len(comment.cells) == width && width > 1 {
			cells := append([]string(nil), comment.cells...)
			cells[0] = strings.TrimSpace(strings.TrimLeft(cells[0], "#%/ "))
			if names(cells) {
				return cells
			}
		}
	}
	return nil
}

// withoutComments leaves out the lines above the table that begin with a comment sign. A sign before the very first
// cell of a header is part of it: below it no line has one.
func (l *Layout) withoutComments(rows []row) (rest, comments []row) {
	width := usualWidth(rows)
	for _, sign := range []string{"#", "//", "%", "!"} {
		comments, rest = nil, nil
		for _, row := range rows {
			if strings.HasPrefix(row.cells[0], sign) && (len(row.cells) != width || width == 1 || len(rest) == 0) {
				comments = append(comments, row)
			} else {
				rest = append(rest, row)
			}
		}
		if len(comments) == 0 || len(rest) == 0 || 2*len(comments) > len(rows) {
			continue
		}
		l.Comment = sign
		return rest, comments
	}
	return rows, nil
}

// usualWidth is the width that makes the most of the rows, by the pattern score of one width.
func usualWidth(rows []row) int {
	counts := map[int]int{}
	for _, row := range rows {
		counts[len(row.cells)]++
	}
	best, bestScore := 1, -1.0
	for width, count := range counts {
		score := float64(count) * max(oneColumn, float64(width-1)) / float64(width)
		if score > bestScore || score == bestScore && width > best {
			best, bestScore = width, score
		}
	}
	return best
}

// trailing says whether the last cell is empty in every row and has no name.
func (l *Layout) trailing(rows []row) bool {
	if l.Width < 2 || l.Separator == ' ' {
		return false
	}
	for i, row := range rows {
		if len(row.cells) >= l.Width && row.cells[l.Width-1] != "" {
			return false
		}
		if len(row.cells) > l.Width || i > 0 && len(row.cells) < l.Width-1 {
			return false
		}
	}
	return l.Header && len(rows) > 1 || len(rows) > 2
}

// present counts the cells that are not empty.
func present(cells []string) int {
	n := 0
	for _, text := range cells {
		if text != "" {
			n++
		}
	}
	return n
}

// names says whether no cell is a value.
func names(cells []string) bool {
	for _, text := range cells {
		if isValue(text) || cell.Missing(text) {
			return false
		}
	}
	return true
}
