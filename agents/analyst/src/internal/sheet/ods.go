package sheet

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// openODS finds the sheets of an ODS (OpenDocument 1.3, part 3): they lie in one part, one behind the other.
func (b *Book) openODS() error {
	depth := 0
	return b.walk("content.xml", maxSheet, func(token xml.Token) error {
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "table" && token.Name.Space == "table" {
				if depth == 0 && len(b.Sheets) < maxSheets {
					b.Sheets = append(b.Sheets, Sheet{Name: attribute(token, "name")})
				}
				depth++
			}
		case xml.EndElement:
			if token.Name.Local == "table" && token.Name.Space == "table" {
				depth--
			}
		}
		return nil
	})
}

// odsRows reads the rows of one sheet.
type odsRows struct {
	index  int
	token  func() (xml.Token, error)
	inside bool
	number int // of the last row
	again  int // how often the last row comes again
	last   []string
}

func (r *odsRows) next() (row, error) {
	if r.again > 0 {
		r.again--
		r.number++
		return row{r.number, r.last}, nil
	}
	for !r.inside {
		token, err := r.token()
		if err != nil {
			return row{}, err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "table" && start.Name.Space == "table" {
			if r.inside = r.index == 0; !r.inside {
				r.index--
				if err := r.pass("table"); err != nil {
					return row{}, err
				}
			}
		}
	}
	for {
		token, err := r.token()
		if err != nil {
			return row{}, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local != "table-row" {
				continue
			}
			cells, err := r.cells()
			if err != nil {
				return row{}, err
			}
			times, err := repeated(token, "number-rows-repeated")
			if err != nil {
				return row{}, err
			}
			if len(cells) == 0 {
				r.number += times
				continue
			}
			r.number++
			r.again, r.last = times-1, cells
			return row{r.number, cells}, nil
		case xml.EndElement:
			if token.Name.Local == "table" && token.Name.Space == "table" {
				return row{}, io.EOF
			}
		}
	}
}

func repeated(start xml.StartElement, name string) (int, error) {
	text := attribute(start, name)
	if text == "" {
		return 1, nil
	}
	times, err := strconv.Atoi(text)
	if err != nil || times < 1 || times > maxRows {
		return 0, errors.New("the sheet repeats a row or a cell " + text + " times, which no program writes")
	}
	return times, nil
}

// pass reads to the end of the element that has begun.
func (r *odsRows) pass(name string) error {
	for depth := 1; depth > 0; {
		token, err := r.token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == name {
				depth++
			}
		case xml.EndElement:
			if token.Name.Local == name {
				depth--
			}
		}
	}
	return nil
}

// cells reads the cells of the row that has begun.
func (r *odsRows) cells() ([]string, error) {
	var cells []string
	at := 0
	for {
		token, err := r.token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if name != "table-cell" && name != "covered-table-cell" {
				continue
			}
			times, err := repeated(token, "number-columns-repeated")
			if err != nil {
				return nil, err
			}
			text, err := r.text(name)
			if err != nil {
				return nil, err
			}
			text = valueOf(token, text)
			for i := at; text != "" && i < at+times && i < maxCells; i++ {
				cells = put(cells, i, text)
			}
			at += times
		case xml.EndElement:
			if token.Name.Local == "table-row" {
				return cells, nil
			}
		}
	}
}

// text reads the paragraphs of a cell, to its end. A note at the cell is none of it.
func (r *odsRows) text(cell string) (string, error) {
	var out strings.Builder
	inParagraph := 0
	for {
		token, err := r.token()
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "annotation":
				if err := r.pass("annotation"); err != nil {
					return "", err
				}
			case "p":
				if inParagraph++; out.Len() > 0 {
					out.WriteByte(' ')
				}
			case "s", "tab", "line-break":
				out.WriteByte(' ')
			}
		case xml.EndElement:
			switch token.Name.Local {
			case "p":
				inParagraph--
			case cell:
				return out.String(), nil
			}
		case xml.CharData:
			if inParagraph > 0 {
				out.Write(token)
			}
		}
	}
}

// valueOf is what a cell holds: what it means, where that is written, and else what it shows.
func valueOf(cell xml.StartElement, shown string) string {
	kind := ""
	for _, a := range cell.Attr {
		if a.Name.Local == "value-type" && a.Name.Space == "office" {
			kind = a.Value
		}
	}
	value := ""
	switch kind {
	case "float", "percentage", "currency":
		value = attribute(cell, "value")
	case "date":
		value = strings.Replace(attribute(cell, "date-value"), "T", " ", 1)
		value = strings.TrimSuffix(value, " 00:00:00")
	case "time":
		value = clock(attribute(cell, "time-value"))
	case "boolean":
		value = attribute(cell, "boolean-value")
	}
	if value == "" {
		return shown
	}
	return value
}

// clock writes a duration such as PT09H30M00S as 09:30:00; empty where it is of another form, or more than a day.
func clock(text string) string {
	rest, ok := strings.CutPrefix(text, "PT")
	var parts [3]int
	for i, unit := range "HMS" {
		number, after, found := strings.Cut(rest, string(unit))
		if !found {
			continue
		}
		whole, _, _ := strings.Cut(number, ".")
		n, err := strconv.Atoi(whole)
		if err != nil {
			return ""
		}
		parts[i], rest = n, after
	}
	if !ok || rest != "" || parts[0] > 23 || parts[1] > 59 || parts[2] > 59 {
		return ""
	}
	two := func(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	return two(parts[0]) + ":" + two(parts[1]) + ":" + two(parts[2])
}
