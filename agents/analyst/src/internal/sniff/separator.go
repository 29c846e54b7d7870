// Package sniff finds out how a table in text form is written: what separates and encloses its cells, where its rows
// begin, and which of them names the columns.
package sniff

import (
	"bytes"
	"math"
	"strings"
	"unicode"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

const (
	sampleRows  = 1000
	sampleBytes = 128 << 10
	// oneColumn is what a row of one cell is worth: a little, so that a table of one column is one.
	oneColumn = 1e-3
)

// candidates are the separators, in the order in which they win where several fit equally well.
var candidates = []byte{',', ';', '\t', '|', '^', '~', 0x1f, 0x01, ':', 0}

// row is one row of the sample.
type row struct {
	line  int
	cells []string
}

// separator finds separator and quotation marks by the data consistency measure of van den Burg, Nazábal and Sutton,
// Wrangling Messy CSV Files by Detecting Row and Type Patterns, Data Mining and Knowledge Discovery 33(6), 2019
// (https://doi.org/10.1007/s10618-019-00646-y): a pattern score, which is high where many rows have the same number
// of cells and few other numbers occur, times a type score, the share of cells that are something known. Width by
// itself counts for next to nothing.
//
// Two things differ from the paper. The number of patterns is not counted but weighed (the exponential of their
// entropy), so that three lines of title above a thousand rows do not halve the score of the right separator. And lines
// that are one number or one date as a whole are one cell: a column of decimal commas is no table of two columns.
func separator(text []byte, d csvfile.Dialect) csvfile.Dialect {
	best, bestScore := d, -1.0
	for _, candidate := range candidates {
		if candidate != 0 && bytes.IndexByte(text, candidate) < 0 {
			continue
		}
		tried := d
		tried.Separator = candidate
		tried.Quote, tried.Escape = quotes(text, candidate, d)
		if score := consistency(sample(text, tried)); score > bestScore {
			best, bestScore = tried, score
		}
	}
	if best.Separator != 0 && wholeLines(text, d, best) {
		best.Separator = 0
	}
	if best.Separator == 0 {
		if spaced := bySpaces(text, d); spaced.Separator != 0 {
			return spaced
		}
	}
	return best
}

// sample reads the first rows. A head that breaks off inside a row gives the rows before it.
func sample(text []byte, d csvfile.Dialect) []row {
	d.Mark, d.Encoding = 0, csvfile.UTF8
	var out []row
	rows, err := csvfile.NewRows(bytes.NewReader(text), d)
	for err == nil && len(out) < sampleRows {
		more, failed := rows.Next()
		if failed != nil || !more {
			break
		}
		out = append(out, row{rows.Line(), kept(rows.Cells())})
	}
	return out
}

// kept are cells that outlive their row.
func kept(cells []string) []string {
	out := make([]string, len(cells))
	for i, text := range cells {
		out[i] = strings.Clone(text)
	}
	return out
}

// consistency is the product of pattern score and type score.
func consistency(rows []row) float64 {
	if len(rows) == 0 {
		return 0
	}
	widths := map[int]int{}
	known, cells := 0.0, 0
	for _, row := range rows {
		widths[len(row.cells)]++
		for _, text := range row.cells {
			known += knows(text)
			cells++
		}
	}
	pattern, entropy := 0.0, 0.0
	for width, count := range widths {
		pattern += float64(count) * math.Max(oneColumn, float64(width-1)) / float64(width)
		share := float64(count) / float64(len(rows))
		entropy -= share * math.Log(share)
	}
	return pattern / math.Exp(entropy) * math.Max(1e-10, known/float64(cells))
}

// knows says how sure it is that a text is one cell: a number, a date, a truth value, a word or words.
func knows(text string) float64 {
	if isValue(text) || cell.Missing(text) {
		return 1
	}
	letters := false
	for i, r := range text {
		switch {
		case unicode.IsLetter(r):
			letters = true
		case unicode.IsDigit(r) || unicode.IsMark(r) || unicode.IsSpace(r) && r != '\t':
		case strings.ContainsRune("-_.'’/()&+!?%#*@$€£°º–—“”„«»=<>[]{}\\\"", r):
		case r == ':' && i > 0:
		case (r == ',' || r == ';') && strings.HasPrefix(text[i+1:], " "):
		case r > 0x7f && unicode.IsGraphic(r):
		default:
			return 0
		}
	}
	if !letters {
		return 0.1
	}
	return 1
}

// isValue says whether a cell is a number, a date or a time: something that a name is not.
func isValue(text string) bool {
	if reading := cell.ReadNumber(text); reading.Styles != 0 {
		return true
	}
	if !cell.MayBeDate(text) {
		return false
	}
	if moment := cell.ReadDate(text); moment.Orders != 0 {
		return true
	}
	_, ok := cell.TimeOfDay(text)
	return ok
}

// wholeLines says whether the lines are one value each: nearly all are a number or a date as they stand, and what the
// separator would make of them is no better. With commas in numbers that is so where the first line has none, or where
// all have the same number of digits behind the comma and some begin with a zero there.
func wholeLines(text []byte, d csvfile.Dialect, best csvfile.Dialect) bool {
	if best.Separator != ',' && best.Separator != ':' {
		return false
	}
	d.Separator, d.Quote = 0, 0
	rows := sample(text, d)
	if len(rows) < 3 {
		return false
	}
	head := rows[0].cells[0]
	if !isValue(head) && strings.IndexByte(head, best.Separator) >= 0 {
		return false // it names more than one column
	}
	values, zeros, most, long := 0, 0, 0, 0
	lengths := map[int]int{}
	for _, row := range rows {
		line := row.cells[0]
		if !isValue(line) {
			continue
		}
		values++
		if cell.ReadNumber(line).Styles == 0 {
			long++ // a date or a time
			continue
		}
		if _, after, found := strings.Cut(line, ","); found && strings.Trim(after, "0123456789") == "" {
			lengths[len(after)]++
			most = max(most, lengths[len(after)])
			if len(after) > 1 && after[0] == '0' {
				zeros++
			}
		}
	}
	if 10*values < 9*len(rows) && values != len(rows)-1 {
		return false
	}
	return long > values/2 || !isValue(head) || zeros > 0 && 10*most >= 9*values
}

// bySpaces recognises a table whose columns are set apart by spaces: every row has the same number of words, and most
// of them are numbers or dates.
func bySpaces(text []byte, d csvfile.Dialect) csvfile.Dialect {
	spaced := d
	spaced.Separator, spaced.Quote = ' ', '"'
	rows := sample(text, spaced)
	d.Separator = 0
	whole := sample(text, d)
	if len(rows) < 3 || len(whole) != len(rows) {
		return d
	}
	values, cells, width := 0, 0, len(rows[1].cells)
	for i, row := range rows {
		short := i == 0 && len(row.cells) == width-1 // the rows have names, which have no name
		if len(row.cells) != width && !short || width < 2 || i > 0 && isValue(whole[i].cells[0]) {
			return d
		}
		for _, text := range row.cells {
			cells++
			if isValue(text) || cell.Missing(text) {
				values++
			}
		}
	}
	if 2*values < cells {
		return d
	}
	return spaced
}

// quotes finds what encloses cells: the usual mark, unless apostrophes do and it does not; and whether a backslash
// comes before a mark within a cell.
func quotes(text []byte, separator byte, d csvfile.Dialect) (quote, escape byte) {
	quote = '"'
	if apostrophes, single := enclosed(text, '\'', separator, d), enclosed(text, '"', separator, d); apostrophes > 1 && single == 0 {
		quote = '\''
	}
	at := 0
	for {
		next := bytes.Index(text[at:], []byte{'\\', quote})
		if next < 0 {
			return quote, 0
		}
		at += next + 2
		if at < len(text) && text[at] != separator && text[at] != '\n' && text[at] != '\r' && text[at] != quote {
			return quote, '\\'
		}
	}
}

// enclosed counts the cells that a mark begins and ends; none where more begin with it than that.
func enclosed(text []byte, mark, separator byte, d csvfile.Dialect) int {
	if bytes.IndexByte(text, mark) < 0 {
		return 0
	}
	ends, open := 0, 0
	for _, line := range bytes.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		for _, part := range bytes.Split(line, []byte{separator}) {
			part = bytes.TrimSpace(part)
			if len(part) == 0 {
				continue
			}
			if part[0] == mark {
				open++
			}
			if part[len(part)-1] == mark {
				ends++
			}
		}
	}
	both := min(open, ends)
	if mark == '\'' && 2*both < open {
		return 0
	}
	return both
}
