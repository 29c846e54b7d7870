package sheet

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// xlsx is what the sheets of an XLSX share (ECMA-376, part 1, SpreadsheetML).
type xlsx struct {
	texts []string
	// styles says for each style how its numbers read.
	styles []form
	// since1904 says that days are counted from 1904.
	since1904 bool
}

func (b *Book) openXLSX() error {
	b.xlsx = &xlsx{}
	targets := map[string]string{}
	err := b.walk("xl/_rels/workbook.xml.rels", maxPart, func(token xml.Token) error {
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "Relationship" {
			target := attribute(start, "Target")
			if !strings.HasPrefix(target, "/") {
				target = path.Join("xl", target)
			}
			targets[attribute(start, "Id")] = strings.TrimPrefix(target, "/")
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = b.walk("xl/workbook.xml", maxPart, func(token xml.Token) error {
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "workbookPr":
			b.xlsx.since1904 = isTrue(attribute(start, "date1904"))
		case start.Name.Local == "sheet" && len(b.Sheets) < maxSheets:
			id := ""
			for _, a := range start.Attr {
				if a.Name.Local == "id" && a.Name.Space != "" {
					id = a.Value
				}
			}
			part := targets[id]
			if b.parts[part] == nil || strings.Contains(part, "chartsheets/") {
				return nil
			}
			state := attribute(start, "state")
			b.Sheets = append(b.Sheets, Sheet{attribute(start, "name"), state == "hidden" || state == "veryHidden", part})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if b.parts["xl/styles.xml"] != nil {
		if err := b.readStyles(); err != nil {
			return err
		}
	}
	if b.parts["xl/sharedStrings.xml"] == nil {
		return nil
	}
	return b.readTexts()
}

func isTrue(text string) bool { return text == "1" || strings.EqualFold(text, "true") }

// readTexts reads the texts that cells name by number. What is said beside a text, how it is pronounced, is none of it.
func (b *Book) readTexts() error {
	var text strings.Builder
	size, aside, inText := 0, 0, false
	return b.walk("xl/sharedStrings.xml", 8*maxTexts, func(token xml.Token) error {
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "rPh":
				aside++
			case "t":
				inText = aside == 0
			case "si":
				text.Reset()
			}
		case xml.EndElement:
			switch token.Name.Local {
			case "rPh":
				aside--
			case "t":
				inText = false
			case "si":
				if size += text.Len() + 16; size > maxTexts {
					return fmt.Errorf("the texts of the workbook are more than %d MiB: save the sheet as CSV", maxTexts>>20)
				}
				b.xlsx.texts = append(b.xlsx.texts, text.String())
			}
		case xml.CharData:
			if inText {
				text.Write(token)
			}
		}
		return nil
	})
}

// xlsxRows reads the rows of one sheet.
type xlsxRows struct {
	*xlsx
	token  func() (xml.Token, error)
	number int
}

func (r *xlsxRows) next() (row, error) {
	var cells []string
	var kind string
	var style, at int
	var text strings.Builder
	inText, inRow, aside := false, false, 0
	for {
		token, err := r.token()
		if err != nil {
			return row{}, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "row":
				r.number++
				if n, err := strconv.Atoi(attribute(token, "r")); err == nil {
					if n < r.number {
						return row{}, errors.New("the sheet's rows are not in their order: save it anew and try again")
					}
					r.number = n
				}
				cells, at, inRow = nil, -1, true
			case "c":
				kind, style = attribute(token, "t"), 0
				if s, err := strconv.Atoi(attribute(token, "s")); err == nil {
					style = s
				}
				at++
				if place := columnOf(attribute(token, "r")); place >= 0 {
					at = place
				}
				text.Reset()
			case "rPh":
				aside++
			case "v", "t":
				inText = aside == 0
			}
		case xml.EndElement:
			switch token.Name.Local {
			case "v", "t":
				inText = false
			case "rPh":
				aside--
			case "c":
				cells = put(cells, at, r.value(kind, style, text.String()))
			case "row":
				if inRow = false; len(cells) > 0 {
					return row{r.number, cells}, nil
				}
			case "sheetData":
				return row{}, io.EOF
			}
		case xml.CharData:
			if inText && inRow {
				text.Write(token)
			}
		}
	}
}

// columnOf is the column of a place such as AB12, from 0; -1 where there is none.
func columnOf(place string) int {
	column := 0
	for i := range len(place) {
		c := place[i]
		if c < 'A' || c > 'Z' || column > 1<<20 {
			break
		}
		column = 26*column + int(c-'A') + 1
	}
	return column - 1
}

// value is what a cell holds, as a person would write it.
func (x *xlsx) value(kind string, style int, text string) string {
	switch kind {
	case "s":
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n >= 0 && n < len(x.texts) {
			return x.texts[n]
		}
		return ""
	case "b":
		return map[bool]string{true: "true", false: "false"}[isTrue(text)]
	case "str", "inlineStr", "e":
		return text
	case "d":
		return strings.TrimSuffix(text, "Z")
	}
	if style >= 0 && style < len(x.styles) && x.styles[style] != plain {
		if days, err := strconv.ParseFloat(text, 64); err == nil {
			return moment(days, x.styles[style], x.since1904)
		}
	}
	return text
}
