package sheet

import (
	"fmt"
	"strings"
	"unicode"
)

// Choose finds the sheet that a question names; the first that is not hidden where it names none. A sheet that is
// called for as such ("sheet X") and is not there is an error.
func (b *Book) Choose(question string) (int, error) {
	best := -1
	for i, sheet := range b.Sheets {
		if says(question, sheet.Name) && (best < 0 || len(sheet.Name) > len(b.Sheets[best].Name)) {
			best = i
		}
	}
	if best >= 0 {
		return best, nil
	}
	if name := calledFor(question); name != "" {
		return 0, fmt.Errorf("the workbook has no sheet %q; its sheets are %s", name, b.names(-1))
	}
	for i, sheet := range b.Sheets {
		if !sheet.Hidden {
			return i, nil
		}
	}
	return 0, nil
}

// Others says which sheets were not read, and how they are; empty where there are none.
func (b *Book) Others(read int) string {
	if len(b.Sheets) < 2 {
		return ""
	}
	another := (read + 1) % len(b.Sheets)
	for i, sheet := range b.Sheets {
		if i != read && !sheet.Hidden {
			another = i
			break
		}
	}
	return fmt.Sprintf("The workbook has other sheets, which were not read: %s. Name one in the question to have it read: \"sheet %s\".",
		b.names(read), b.Sheets[another].Name)
}

func (b *Book) names(but int) string {
	const most = 12
	var names []string
	for i, sheet := range b.Sheets {
		switch {
		case i == but:
		case sheet.Hidden:
			names = append(names, sheet.Name+" (hidden)")
		default:
			names = append(names, sheet.Name)
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// says whether a name stands in a text as words of its own, whatever its case.
func says(text, name string) bool {
	text, name = strings.ToLower(text), strings.ToLower(strings.TrimSpace(name))
	for from := 0; name != ""; {
		at := strings.Index(text[from:], name)
		if at < 0 {
			return false
		}
		at += from
		before, after := []rune(text[:at]), []rune(text[at+len(name):])
		if (len(before) == 0 || !joins(before[len(before)-1])) && (len(after) == 0 || !joins(after[0])) {
			return true
		}
		from = at + len(name)
	}
	return false
}

func joins(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// calledFor is the name behind the word sheet: in quotation marks, or the only other word.
func calledFor(question string) string {
	words := strings.Fields(question)
	for i, word := range words {
		if strings.EqualFold(strings.Trim(word, ",.:;"), "sheet") && i+1 < len(words) {
			rest := strings.Join(words[i+1:], " ")
			if mark := rest[0]; mark == '"' || mark == '\'' {
				if name, _, closed := strings.Cut(rest[1:], string(rune(mark))); closed {
					return name
				}
			}
			if len(words) == 2 && i == 0 {
				return words[1]
			}
		}
	}
	return ""
}
