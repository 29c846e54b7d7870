package profile

import (
	"bytes"
	"fmt"
	"strings"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/csvfile"
)

const headerSample = 200

// findHeader decides from the file's beginning whether the first row names the columns. A column votes for it
// where its first cell is text above numbers or dates, and against it where the first cell is like the rest. Where
// nobody votes (all text) the first row is a header if its cells are there, differ, and do not come again below.
func findHeader(head []byte, whole bool, dialect csvfile.Dialect) (bool, error) {
	if !whole {
		if end := bytes.LastIndexByte(head, '\n'); end >= 0 {
			head = head[:end+1]
		}
	}
	rows, err := csvfile.NewRows(bytes.NewReader(head), dialect)
	if err != nil {
		return false, err
	}
	var sample [][]string
	for len(sample) < headerSample {
		more, err := rows.Next()
		if err != nil || !more {
			break
		}
		sample = append(sample, append([]string(nil), rows.Cells()...))
	}
	if len(sample) == 0 {
		return false, csvfile.ErrEmpty
	}
	return isHeader(sample[0], sample[1:]), nil
}

func isHeader(first []string, rest [][]string) bool {
	votes := 0
	plausible := true
	seen := map[string]bool{}
	for i, name := range first {
		if cell.Missing(name) || seen[name] {
			plausible = false
			continue
		}
		seen[name] = true
		values, present := 0, 0
		for _, row := range rest {
			if i >= len(row) || cell.Missing(row[i]) {
				continue
			}
			present++
			if isValue(row[i]) && !(isYear(name) && !isYear(row[i])) {
				values++
			}
			if row[i] == name {
				plausible = false
			}
		}
		switch nameIsValue := isValue(name); {
		case nameIsValue && isYear(name) && present > 0 && values == 0:
			votes++ // a column named after its year
		case nameIsValue:
			votes--
		case present > 0 && 2*values > present:
			votes++
		}
	}
	if votes != 0 {
		return votes > 0
	}
	return plausible
}

func isValue(text string) bool {
	for _, style := range cell.NumberStyles {
		if _, ok := cell.Number(text, style); ok {
			return true
		}
	}
	if !cell.MayBeDate(text) {
		return false
	}
	for layout := range cell.DateLayouts {
		if _, ok := cell.Date(text, layout); ok {
			return true
		}
	}
	return false
}

func isYear(text string) bool {
	return len(text) == 4 && (text[:2] == "19" || text[:2] == "20") && strings.Trim(text[2:], "0123456789") == ""
}

// columnNames makes a distinct name for each column out of the header's cells, or of nothing.
func columnNames(header []string, width int) []string {
	names := make([]string, width)
	used := map[string]int{}
	for i := range names {
		name := ""
		if i < len(header) {
			name = strings.Join(strings.Fields(header[i]), " ")
		}
		if name == "" {
			name = fmt.Sprintf("column %d", i+1)
		}
		used[name]++
		if n := used[name]; n > 1 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		names[i] = name
	}
	return names
}
