package profile

import (
	"fmt"
	"strings"
)

// columnNames makes a distinct name for each column out of the header's cells, or of nothing. A name that is there
// stays with the first column that has it; a number is put behind the others, one that gives no name that is there.
func columnNames(header []string, width int) []string {
	names := make([]string, width)
	taken := map[string]bool{}
	for i := range names {
		if i < len(header) {
			names[i] = strings.Join(strings.Fields(header[i]), " ")
		}
		taken[names[i]] = true
	}
	used := map[string]bool{}
	for i, name := range names {
		if name != "" && !used[name] {
			used[name] = true
			continue
		}
		form, n := name+" (%d)", 2
		if name == "" {
			form, n = "column %d", i+1
		}
		for {
			candidate := fmt.Sprintf(form, n)
			if !taken[candidate] {
				names[i] = candidate
				taken[candidate], used[candidate] = true, true
				break
			}
			if name == "" {
				form, n = fmt.Sprintf("column %d (%%d)", i+1), 1
			}
			n++
		}
	}
	return names
}
