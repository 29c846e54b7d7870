package sniff

import (
	"strings"

	"aion.dev/agents/analyst/internal/cell"
)

// isHeader decides whether the first row names the columns. A column votes for it where its first cell is text above
// numbers or dates, and against it where the first cell is like the rest. Where nobody votes (all text) the first row is
// a header if its cells are there, differ, and do not come again below.
func isHeader(first []string, rest []row) bool {
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
			if i >= len(row.cells) || cell.Missing(row.cells[i]) {
				continue
			}
			present++
			if isValue(row.cells[i]) && !(isYear(name) && !isYear(row.cells[i])) {
				values++
			}
			if row.cells[i] == name {
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

func isYear(text string) bool {
	return len(text) == 4 && (text[:2] == "19" || text[:2] == "20") && strings.Trim(text[2:], "0123456789") == ""
}
