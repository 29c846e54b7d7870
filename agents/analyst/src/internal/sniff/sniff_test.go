package sniff

import (
	"bytes"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"aion.dev/agents/analyst/internal/csvfile"
)

// made is a table and the text that it was written as.
type made struct {
	about string
	raw   []byte
	names []string
	rows  [][]string
	line  int
}

// write makes a table of columns that each hold one kind of value, and writes it in a dialect of its own.
func write(r *rand.Rand) made {
	pick := func(from ...string) string { return from[r.Intn(len(from))] }
	separator := pick(",", ";", "\t", "|")
	end := pick("\n", "\r\n", "\r")
	encoding := pick("utf-8", "mark", "16", "16 big", "1252")
	comma := r.Intn(2) == 0
	everywhere := r.Intn(4) == 0
	width, height := 2+r.Intn(5), 12+r.Intn(30)
	m := made{about: fmt.Sprintf("separator %q, end %q, %s, decimal comma %v, all quoted %v", separator, end, encoding, comma, everywhere)}
	var kinds []int
	for i := range width {
		kinds = append(kinds, r.Intn(5))
		m.names = append(m.names, pick("café", "weight", "lot no", "état", "size, cm", "rack; bay", "a|b")+fmt.Sprint("-", i, "x"))
	}
	kinds[r.Intn(width)] = r.Intn(3) // a table of words alone has no header to be known by
	for n := range height {
		var row []string
		for _, kind := range kinds {
			text := ""
			switch kind {
			case 0:
				text = fmt.Sprint(r.Intn(5000) - 900)
			case 1:
				text = fmt.Sprintf("%.2f", r.Float64()*900)
				if comma {
					text = strings.Replace(text, ".", ",", 1)
				}
			case 2:
				text = fmt.Sprintf("20%02d-%02d-%02d", 10+r.Intn(20), 1+r.Intn(12), 1+r.Intn(28))
			case 3:
				text = pick("brass", "élan vital", "slate", "moss green") + fmt.Sprint(" ", n)
			case 4:
				text = pick("oak, old", "5\" bolt", "north; south", "said \"no\"", "two\nlines", "plain")
			}
			if r.Intn(20) == 0 && kind != 3 {
				text = ""
			}
			row = append(row, text)
		}
		row[0] = strings.TrimSpace(row[0] + "")
		m.rows = append(m.rows, row)
	}
	var out strings.Builder
	m.line = 1
	if r.Intn(6) == 0 {
		out.WriteString("sep=" + separator + end)
		m.line++
	} else if r.Intn(3) == 0 {
		for range 1 + r.Intn(3) {
			out.WriteString(pick("Stock of the yard", "Kept by: the yard", "as of March") + end)
			m.line++
		}
	}
	for _, row := range append([][]string{m.names}, m.rows...) {
		for i, text := range row {
			if i > 0 {
				out.WriteString(separator)
			}
			text = strings.ReplaceAll(text, "\n", strings.ReplaceAll(end, "\r\n", "\n"))
			if everywhere || strings.ContainsAny(text, separator+"\"\r\n") {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			out.WriteString(text)
		}
		out.WriteString(end)
	}
	m.raw = encode(out.String(), encoding)
	return m
}

func encode(text, encoding string) []byte {
	var out []byte
	switch encoding {
	case "mark":
		return []byte("\ufeff" + text)
	case "16":
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			out = append(out, byte(unit), byte(unit>>8))
		}
	case "16 big":
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			out = append(out, byte(unit>>8), byte(unit))
		}
	case "1252":
		for _, r := range text {
			out = append(out, byte(r)) // what is written here is the same in Latin-1
		}
	default:
		return []byte(text)
	}
	return out
}

func TestWhatIsWrittenInAnyDialectIsReadAgain(t *testing.T) {
	const times = 1000
	failed := 0
	for seed := range int64(times) {
		m := write(rand.New(rand.NewSource(seed)))
		layout, err := Detect(m.raw, true)
		if err != nil {
			t.Fatalf("seed %d, %s: %v", seed, m.about, err)
		}
		rows, err := csvfile.NewRows(bytes.NewReader(m.raw), layout.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for {
			more, err := rows.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
			row := append([]string(nil), rows.Cells()...)
			for i := range row {
				row[i] = strings.ReplaceAll(strings.Clone(row[i]), "\r", "\n")
			}
			got = append(got, row)
		}
		want := append([][]string{m.names}, m.rows...)
		if !layout.Header || layout.Start != m.line || !reflect.DeepEqual(got, want) {
			if failed++; failed < 5 {
				t.Errorf("seed %d, %s: read with %q from line %d, header %v\n%.600q", seed, m.about, layout.Separator, layout.Start, layout.Header, m.raw)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d", failed, times)
	}
	t.Logf("%d tables in random dialects were read as they were written", times-failed)
}

func TestAHintIsNoRowAndTitlesAreNone(t *testing.T) {
	for text, want := range map[string]struct {
		separator byte
		start     int
		header    bool
	}{
		"sep=;\na;b\n1;2\n":                    {';', 2, true},
		"\"SEP=|\"\r\na|b\r\n1|2\r\n":          {'|', 2, true},
		"sep=,\na;b\n1;2\n3;4\n":               {';', 2, true},
		"Title\n\na,b\n1,2\n3,4\n5,6\n":        {',', 3, true},
		"Title,,\n,,\na,b,c\n1,2,3\n4,5,6\n":   {',', 3, true},
		"# one\n# two, three\na,b\n1,2\n3,4\n": {',', 3, true},
		"1;2,5\n2;3,5\n3;4,5\n":                {';', 1, false},
		"n\n1,5\n2,25\n10,75\n":                {0, 1, true},
		"3,04\n5,99\n7,10\n12,00\n":            {0, 1, false},
		"3,4\n5,99\n7,1\n12,0\n":               {',', 1, false},
		"at\n10:00\n11:30\n12:45\n":            {0, 1, true},
		"a:b\n1:2\n3:4\n5:6\n":                 {':', 1, true},
		"when,n\n2024-01-01 10:00,5\n2024-01-02 11:00,6\n2024-01-03 12:00,7\n": {',', 1, true},
	} {
		layout, err := Detect([]byte(text), true)
		if err != nil || layout.Separator != want.separator || layout.Start != want.start || layout.Header != want.header {
			t.Errorf("%q: %q from line %d, header %v, %v", text, layout.Separator, layout.Start, layout.Header, err)
		}
	}
}

func FuzzAnyBytesAreReadOrRefused(f *testing.F) {
	f.Add([]byte("sep=;\na;b\n1;2\n"))
	f.Add([]byte("\xff\xfea\x00,\x00"))
	f.Add([]byte("\"\n# x\n1 2\n1 2"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		layout, err := Detect(raw, true)
		if err != nil {
			return
		}
		rows, err := csvfile.NewRows(bytes.NewReader(raw), layout.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			if more, err = rows.Next(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
