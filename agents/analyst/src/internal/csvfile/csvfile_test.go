package csvfile

import (
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// read reads a text with commas, one byte at a time: a chunk may end anywhere, inside a quote or between CR and LF.
func read(t *testing.T, text string, d Dialect) ([][]string, []int, *Rows) {
	t.Helper()
	rows, err := NewRows(iotest.OneByteReader(strings.NewReader(text)), d)
	if err != nil {
		t.Fatal(err)
	}
	var cells [][]string
	var lines []int
	for {
		more, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return cells, lines, rows
		}
		row := []string{}
		for _, text := range rows.Cells() {
			row = append(row, strings.Clone(text))
		}
		cells = append(cells, row)
		lines = append(lines, rows.Line())
	}
}

var usual = Dialect{Separator: ',', Quote: '"'}

func TestRowsAreTakenApart(t *testing.T) {
	spaced, single, carriage := usual, usual, usual
	spaced.Separator, single.Separator, carriage.CR = ' ', 0, true
	escaped, commented := usual, usual
	escaped.Escape, commented.Comment, commented.Width = '\\', "#", 2
	for name, c := range map[string]struct {
		text string
		d    Dialect
		want [][]string
	}{
		"plain":            {"a,b\n1,2\n", usual, [][]string{{"a", "b"}, {"1", "2"}}},
		"CRLF":             {"a,b\r\n1,2\r\n", usual, [][]string{{"a", "b"}, {"1", "2"}}},
		"CR":               {"a,b\r1,2", carriage, [][]string{{"a", "b"}, {"1", "2"}}},
		"no end":           {"a,b\n1,", usual, [][]string{{"a", "b"}, {"1", ""}}},
		"empty lines":      {"\n a , b \n  \n\n1,2\n", usual, [][]string{{"a", "b"}, {"1", "2"}}},
		"quoted":           {"\"a,\"\"x\"\"\",b\n \"1\" ,\"\"\n", usual, [][]string{{"a,\"x\"", "b"}, {"1", ""}}},
		"several lines":    {"\"a\r\nb\",c\r\n", usual, [][]string{{"a\nb", "c"}}},
		"an inch":          {"5\" pipe,b\n\"6\" pipe\",c\n", usual, [][]string{{"5\" pipe", "b"}, {"6\" pipe", "c"}}},
		"escaped":          {"\"a \\\"x\\\"\",b\n", escaped, [][]string{{"a \"x\"", "b"}}},
		"spaces":           {"  a   b \n 1 2\n", spaced, [][]string{{"a", "b"}, {"1", "2"}}},
		"one column":       {"a,b\n1,2\n", single, [][]string{{"a,b"}, {"1,2"}}},
		"comment":          {"a,b\n# said\n#1,2\n", commented, [][]string{{"a", "b"}, {"#1", "2"}}},
		"never closed":     {"a,\"b\nc,d\n", usual, [][]string{{"a", "\"b"}, {"c", "d"}}},
		"closed too late":  {"a,\"b\nc,\"d\"\ne,\"f\"\n", usual, [][]string{{"a", "\"b"}, {"c", "d"}, {"e", "f"}}},
		"twice not closed": {"\"a,b\n\"c,d\n", usual, [][]string{{"\"a", "b"}, {"\"c", "d"}}},
		"zero bytes":       {"a\x00,b\n\x00\x00", usual, [][]string{{"a", "b"}}},
		"a stray byte":     {"K\xf6ln,1\n", usual, [][]string{{"Köln", "1"}}},
	} {
		if got, _, _ := read(t, c.text, c.d); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLinesAreThoseOfTheFile(t *testing.T) {
	d := usual
	d.Start = 3
	_, lines, rows := read(t, "A title with a \" in it\n\na,b\n\"1\n\n2\",x\n\n\"3,y\n4,z\n", d)
	if !reflect.DeepEqual(lines, []int{3, 4, 8, 9}) {
		t.Errorf("lines %v", lines)
	}
	if rows.Open != (Place{1, 8}) || rows.Lines != (Place{1, 4}) {
		t.Errorf("open %+v, of several lines %+v", rows.Open, rows.Lines)
	}
}

func TestARowThatSwallowedOthersIsTakenApart(t *testing.T) {
	d := usual
	d.Width = 3
	got, _, rows := read(t, "a,\"5,x\nb,6,y\nc,7\",z\n", d)
	if len(got) != 3 || rows.Open.Count != 1 {
		t.Errorf("%q %+v", got, rows.Open)
	}
}

// Every one of a hundred thousand marks looks for its end: it must not look through the whole file each time.
func TestManyMarksThatNobodyClosesAreReadInOneGo(t *testing.T) {
	rows, err := NewRows(strings.NewReader(strings.Repeat("1,\"2\n", 100_000)), usual)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for more := true; more; n++ {
		if more, err = rows.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n != 100_001 || rows.Open.Count != 100_000 {
		t.Errorf("%d rows, %+v", n-1, rows.Open)
	}
}

func TestAFileThatIsNoTableIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "empty",
		"\ufeff \n":                "empty",
		"\xff\xfe\n\x00":           "empty",
		"PK\x03\x04\x00":           "ZIP",
		"\x02\x00\x03\x07\x0a\x02": "bytes that no text has",
	} {
		if _, _, err := Text([]byte(text), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEncodingsAreFoundByMarkOrByLetters(t *testing.T) {
	units := func(text string, big bool) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			if big {
				out = append(out, byte(unit>>8), byte(unit))
			} else {
				out = append(out, byte(unit), byte(unit>>8))
			}
		}
		return string(out)
	}
	bytes := func(text string, e Encoding) string {
		var out []byte
		for _, r := range text {
			if r < 0x80 {
				out = append(out, byte(r))
				continue
			}
			for i, have := range codePages[e] {
				if have == r {
					out = append(out, byte(i+0x80))
				}
			}
		}
		return string(out)
	}
	polish := "miasto;liczba\nŁódź;1\nKraków;2\nGdańsk;3\nŻyrardów;4\nPoznań;5\nWrocław;6\nBiałystok;7\n"
	german := "ort;menge\nKöln;1\nMünchen;2\nGroß-Gerau;3\nLübeck;4\n"
	russian := "город;число\nМосква;1\nКазань;2\nСамара;3\n"
	greek := "πόλη;αριθμός\nΑθήνα;1\nΠάτρα;2\n"
	turkish := "şehir;sayı\nİstanbul;1\nDiyarbakır;2\nEskişehir;3\nIğdır;4\n"
	for name, c := range map[string]struct {
		raw, want string
		encoding  Encoding
	}{
		"mark":         {"\ufeff" + german, german, UTF8},
		"none":         {german, german, UTF8},
		"16 mark":      {"\xff\xfe" + units("a;😀\n", false), "a;😀\n", UTF16LE},
		"16 big mark":  {"\xfe\xff" + units(greek, true), greek, UTF16BE},
		"16 no mark":   {units(german, false), german, UTF16LE},
		"Windows-1252": {bytes(german, Windows1252), german, Windows1252},
		"Windows-1250": {bytes(polish, Windows1250), polish, Windows1250},
		"Windows-1251": {bytes(russian, Windows1251), russian, Windows1251},
		"Windows-1253": {bytes(greek, Windows1253), greek, Windows1253},
		"Windows-1254": {bytes(turkish, Windows1254), turkish, Windows1254},
		"KOI8-R":       {bytes(russian, KOI8R), russian, KOI8R},
		"850":          {bytes(german, CP850), german, CP850},
		"Mac":          {bytes(german, MacRoman), german, MacRoman},
	} {
		d, text, err := Text([]byte(c.raw), true)
		if err != nil || d.Encoding != c.encoding || string(text) != c.want {
			t.Errorf("%s: %v %q %v", name, d.Encoding, text, err)
		}
	}
}

func FuzzRowsLoseNoByteOfText(f *testing.F) {
	f.Add("a,b\n\"1\n,2\"\r\n\"3", byte(','), false)
	f.Add("\"\"\"\" x ,\r\r\n", byte(' '), true)
	f.Fuzz(func(t *testing.T, text string, separator byte, cr bool) {
		if separator == '"' || separator == '\n' || separator == '\r' || separator >= 0x80 {
			return
		}
		rows, err := NewRows(strings.NewReader(text), Dialect{Separator: separator, Quote: '"', CR: cr})
		if err != nil {
			t.Fatal(err)
		}
		letters := 0
		for more := true; more; {
			if more, err = rows.Next(); err != nil {
				t.Fatal(err)
			}
			if more {
				letters += strings.Count(strings.Join(rows.Cells(), ""), "x")
			}
		}
		if separator != 'x' && letters != strings.Count(text, "x") {
			t.Errorf("%d letters of %d", letters, strings.Count(text, "x"))
		}
	})
}

// The quick way and the thorough one give the same rows.
func FuzzTheQuickWayIsTheThoroughOne(f *testing.F) {
	f.Add("a,b\n\"1, x\",2\r\n3, 4 \n\n,\n\"a\"\"b\",c\n\xf6,\u00a0d\u00a0\n\"e\" ,f\rg\n", byte(','), byte('"'), false)
	f.Add("a;'b';c\r'd;e';f;\r;;\rlonger than eight bytes;x;y\r", byte(';'), byte('\''), true)
	f.Fuzz(func(t *testing.T, text string, separator, quote byte, cr bool) {
		if separator == quote || strings.ContainsAny(string([]byte{separator, quote}), "\r\n \x00") || separator >= 0x80 || quote >= 0x80 {
			return
		}
		d := Dialect{Separator: separator, Quote: quote, CR: cr}
		var rows [2]*Rows
		for i := range rows {
			var err error
			if rows[i], err = NewRows(strings.NewReader(text), d); err != nil {
				t.Fatal(err)
			}
		}
		rows[1].slow = true
		for more := true; more; {
			var err error
			if more, err = rows[0].Next(); err != nil {
				t.Fatal(err)
			}
			if same, err := rows[1].Next(); err != nil || same != more {
				t.Fatalf("one more row: %v and %v, %v", more, same, err)
			}
			if more && (!reflect.DeepEqual(rows[0].Cells(), rows[1].Cells()) || rows[0].Line() != rows[1].Line() || rows[0].Width() != rows[1].Width()) {
				t.Fatalf("line %d: %q of %d, and line %d: %q of %d", rows[0].Line(), rows[0].Cells(), rows[0].Width(), rows[1].Line(), rows[1].Cells(), rows[1].Width())
			}
		}
		if rows[0].Open != rows[1].Open || rows[0].Zeros != rows[1].Zeros || rows[0].Recoded != rows[1].Recoded || rows[0].Lines != rows[1].Lines {
			t.Fatalf("%+v\n%+v", rows[0], rows[1])
		}
	})
}
