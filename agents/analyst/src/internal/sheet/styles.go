package sheet

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"
)

// form is how the number of a cell reads.
type form int

const (
	plain form = iota
	aDate
	aClock // a time of day, without a date
)

// readStyles finds which styles make dates of numbers.
func (b *Book) readStyles() error {
	own := map[int]form{}
	inCells := false
	return b.walk("xl/styles.xml", maxPart, func(token xml.Token) error {
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "numFmt":
				if id, err := strconv.Atoi(attribute(token, "numFmtId")); err == nil {
					own[id] = formOf(attribute(token, "formatCode"))
				}
			case "cellXfs":
				inCells = true
			case "xf":
				if inCells {
					id, _ := strconv.Atoi(attribute(token, "numFmtId"))
					known, found := own[id]
					if !found {
						known = builtIn(id)
					}
					b.xlsx.styles = append(b.xlsx.styles, known)
				}
			}
		case xml.EndElement:
			if token.Name.Local == "cellXfs" {
				inCells = false
			}
		}
		return nil
	})
}

// builtIn are the formats that a workbook does not spell out (ECMA-376, part 1, 18.8.30).
func builtIn(id int) form {
	switch {
	case id >= 14 && id <= 17 || id == 22 || id >= 27 && id <= 31 || id == 36 || id >= 50 && id <= 54 || id == 57 || id == 58:
		return aDate
	case id >= 18 && id <= 21 || id >= 32 && id <= 35 || id == 45 || id == 47 || id == 55 || id == 56:
		return aClock
	}
	return plain
}

// formOf reads a format of the workbook's own: letters outside of quotation marks and brackets. Hours that count on
// beyond a day, [h], are a number of days.
func formOf(code string) form {
	code, _, _ = strings.Cut(strings.ToLower(code), ";")
	date, clock, m := false, false, false
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '"':
			if end := strings.IndexByte(code[i+1:], '"'); end >= 0 {
				i += end + 1
			}
		case '\\', '_', '*':
			i++
		case '[':
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				return plain
			}
			if inner := code[i+1 : i+end]; strings.Trim(inner, "hms") == "" && inner != "" {
				return plain
			}
			i += end
		case 'y', 'd':
			date = true
		case 'h', 's':
			clock = true
		case 'm':
			m = true
		case '0', '#', '?':
			if !clock {
				return plain
			}
		}
	}
	switch {
	case strings.Contains(code, "general"):
		return plain
	case date || m && !clock:
		return aDate
	case clock:
		return aClock
	}
	return plain
}

// moment writes a number of days as a date or a time. The first of March 1900 is day 61: the calendar of old
// spreadsheets has a 29th of February in that year.
func moment(days float64, how form, since1904 bool) string {
	if days < 0 || days > 3e6 || days != days {
		return strconv.FormatFloat(days, 'g', -1, 64)
	}
	seconds := math.Round(days * 86400)
	if how == aClock && days < 1 {
		return time.Unix(int64(seconds), 0).UTC().Format("15:04:05")
	}
	begin := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case since1904:
		begin = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case days < 60:
		begin = begin.AddDate(0, 0, 1)
	}
	whole := int(seconds) / 86400
	at := begin.AddDate(0, 0, whole).Add(time.Duration(int(seconds)%86400) * time.Second)
	if int(seconds)%86400 == 0 {
		return at.Format("2006-01-02")
	}
	return at.Format("2006-01-02 15:04:05")
}
