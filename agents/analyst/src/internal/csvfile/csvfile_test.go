package csvfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func read(t *testing.T, text string) ([][]string, []int, error) {
	t.Helper()
	dialect, err := Sniff([]byte(text), true)
	if err != nil {
		return nil, nil, err
	}
	// One byte at a time: a chunk may end anywhere, inside a quote or between CR and LF.
	rows, err := NewRows(iotest.OneByteReader(strings.NewReader(text)), dialect)
	if err != nil {
		return nil, nil, err
	}
	var cells [][]string
	var lines []int
	for {
		more, err := rows.Next()
		if err != nil || !more {
			return cells, lines, err
		}
		cells = append(cells, append([]string(nil), rows.Cells()...))
		lines = append(lines, rows.Line())
	}
}

func TestEverySeparatorGivesTheSameCells(t *testing.T) {
	want := [][]string{{"name", "n"}, {"a", "1"}, {"b", "2"}}
	for _, separator := range []string{",", ";", "\t", "|"} {
		text := strings.ReplaceAll("name,n\na,1\nb,2\n", ",", separator)
		got, _, err := read(t, text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v", separator, got, err)
		}
	}
}

func TestADecimalCommaDoesNotHideASemicolon(t *testing.T) {
	got, _, err := read(t, "item;price\na;1,50\nb;2,75\nc;3,10\n")
	if err != nil || len(got[1]) != 2 || got[1][1] != "1,50" {
		t.Errorf("%v %v", got, err)
	}
}

func TestQuotesLineEndsAndByteOrderMarkAreUnderstood(t *testing.T) {
	got, lines, err := read(t, "\ufeffname,note\r\n\"Smith, J\",\"said \"\"no\"\"\r\ntwice\"\r\n\r\nB,x\r\n")
	want := [][]string{{"name", "note"}, {"Smith, J", "said \"no\"\ntwice"}, {"B", "x"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q %v", got, err)
	}
	if !reflect.DeepEqual(lines, []int{1, 2, 5}) {
		t.Errorf("lines %v", lines)
	}
}

func TestAFileThatIsNoTableIsNamed(t *testing.T) {
	for text, want := range map[string]error{
		"":               ErrEmpty,
		"\ufeff \n":      ErrEmpty,
		"\xff\xfea\x00":  ErrUTF16,
		"PK\x03\x04\x00": ErrBinary,
	} {
		if _, _, err := read(t, text); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBytesThatAreNotUTF8AreReadAsLatin1(t *testing.T) {
	got, _, err := read(t, "town,n\nK\xf6ln,1\n")
	if err != nil || got[1][0] != "Köln" {
		t.Errorf("%q %v", got, err)
	}
}

func TestAQuoteThatIsNeverClosedStopsWithItsLine(t *testing.T) {
	text := "a,b\n1,2\n3,\"4\n" + strings.Repeat("5,6\n", 2_000_000)
	dialect := Dialect{Separator: ','}
	rows, err := NewRows(strings.NewReader(text), dialect)
	if err != nil {
		t.Fatal(err)
	}
	for {
		more, err := rows.Next()
		if err != nil {
			if !strings.Contains(err.Error(), "line 2") {
				t.Errorf("%v", err)
			}
			return
		}
		if !more {
			t.Fatal("read to the end")
		}
	}
}

func TestTheCutOffLastLineOfASampleSaysNothing(t *testing.T) {
	d, err := Sniff([]byte("a;b;c\n1;2;3\n4,5,6,7,8,9,10"), false)
	if err != nil || d.Separator != ';' {
		t.Errorf("%+v %v", d, err)
	}
}
