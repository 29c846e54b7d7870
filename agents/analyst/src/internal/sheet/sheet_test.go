package sheet

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASheetIsChosenByWhatAPersonSays(t *testing.T) {
	book := Book{Sheets: []Sheet{{Name: "Old", Hidden: true}, {Name: "Sales"}, {Name: "Sales 2024"}, {Name: "Q1"}, {Name: "Übersicht"}}}
	for question, want := range map[string]string{
		"":                              "Sales",
		"What stands out?":              "Sales",
		"Read the sheet sales 2024":     "Sales 2024",
		"sales":                         "Sales",
		"How does Q1 look?":             "Q1",
		"How does Q10 look?":            "Sales",
		"sheet \"old\", please":         "Old",
		"was steht in der übersicht?":   "Übersicht",
		"Is there a sheet about money?": "Sales",
		"sheet \"Q2\"":                  "no sheet \"Q2\"",
		"sheet Q2":                      "no sheet \"Q2\"",
	} {
		index, err := book.Choose(question)
		switch {
		case strings.HasPrefix(want, "no sheet"):
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", question, err)
			}
		case err != nil || book.Sheets[index].Name != want:
			t.Errorf("%q: %v, %v", question, book.Sheets[index], err)
		}
	}
}

// Days as spreadsheets count them: the values are those that LibreOffice and Excel show.
func TestDaysBecomeDates(t *testing.T) {
	for days, want := range map[float64]string{
		1: "1900-01-01", 59: "1900-02-28", 61: "1900-03-01", 25569: "1970-01-01", 45351: "2024-02-29", 45351.75: "2024-02-29 18:00:00",
		45351.999999: "2024-03-01", -1: "-1",
	} {
		if got := moment(days, aDate, false); got != want {
			t.Errorf("%v is %s, want %s", days, got, want)
		}
	}
	if got := moment(43889, aDate, true); got != "2024-02-29" {
		t.Errorf("since 1904: %s", got)
	}
}

func TestFormatsTellDatesFromNumbers(t *testing.T) {
	for code, want := range map[string]form{
		"General": plain, "0.00": plain, "#,##0 \"days\"": plain, "[Red]0": plain, "[h]:mm": plain, "0.00E+00": plain, "@": plain,
		"dd/mm/yyyy": aDate, "yyyy-mm-dd\\ hh:mm": aDate, "[$-409]d-mmm-yy;@": aDate, "mmm yy": aDate, "h:mm AM/PM": aClock, "hh:mm:ss.000": aClock,
	} {
		if got := formOf(code); got != want {
			t.Errorf("%s is %v, want %v", code, got, want)
		}
	}
}

func FuzzAnyArchiveIsReadOrRefused(f *testing.F) {
	for _, kind := range []string{"xlsx", "ods"} {
		paths, err := filepath.Glob("../../../../../tests/corpus/tables/*." + kind)
		if err != nil || len(paths) == 0 {
			f.Fatal(err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		book, err := Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		for i := range book.Sheets {
			rows, err := book.Rows(i)
			if err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(rows, 1<<20))
			}
		}
	})
}

// What is within the archive, as text, since a fuzzer seldom makes a checksum right.
func FuzzAnyPartsAreReadOrRefused(f *testing.F) {
	f.Add(`<row r="2"><c r="B2" t="s"><v>0</v></c></row></sheetData>`, `<si><t>a</t></si>`)
	f.Add(`<row><c t="inlineStr"><is><t>a</t><rPh><t>b</t></rPh></is></c><c s="1"><v>1e9</v></c></row>`, `<si><rPh></si>`)
	f.Fuzz(func(t *testing.T, sheet, texts string) {
		raw := pack(t, map[string]string{
			"xl/workbook.xml":            `<workbook><sheets><sheet name="A" r:id="i"/></sheets></workbook>`,
			"xl/_rels/workbook.xml.rels": `<r><Relationship Id="i" Target="s.xml"/></r>`,
			"xl/s.xml":                   "<sheetData>" + sheet,
			"xl/sharedStrings.xml":       texts,
			"xl/styles.xml":              `<cellXfs><xf/><xf numFmtId="14"/></cellXfs>`,
		})
		for _, raw := range [][]byte{raw, pack(t, map[string]string{"content.xml": `<table:table name="A">` + sheet + texts})} {
			book, err := Open(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				continue
			}
			if rows, err := book.Rows(0); err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(rows, 1<<20))
			}
		}
	})
}
