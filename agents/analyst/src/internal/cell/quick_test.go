package cell

import (
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"testing"
	"time"
)

// Every quick way gives what the thorough one gives, or nothing.
func TestQuickNumbersAreTheNearestFloats(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	read := 0
	for range 200_000 {
		text := fmt.Sprintf("%s%d", []string{"", "-"}[r.Intn(2)], r.Int63n(int64(math.Pow10(1+r.Intn(17)))))
		if r.Intn(3) > 0 {
			text = fmt.Sprintf("%s.%0*d", text, 1+r.Intn(5), r.Intn(10))
		}
		value, styles, ok := Quick(text)
		if !ok {
			continue
		}
		read++
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || value != want || math.Signbit(value) != math.Signbit(want) || !styles.Has(Plain) {
			t.Fatalf("%s: %v %v, want %v", text, value, styles, want)
		}
	}
	t.Logf("%d numbers", read)
	// Whatever the thorough way makes of a text, the quick one does not make another.
	for range 200_000 {
		letters := make([]byte, 1+r.Intn(9))
		for i := range letters {
			letters[i] = "0123456789999.,- '/:;+e~"[r.Intn(24)]
		}
		text := string(letters)
		value, styles, ok := Quick(text)
		bare := Reading{}
		core, isBare := bare.bare(text)
		if ok && (!isBare || shape(core) != styles) {
			t.Fatalf("%q: %v %b, of %q %b", text, value, styles, core, shape(core))
		}
		if style := styles.First(); ok {
			bare.text, bare.Styles = core, styles
			if want, _ := bare.Value(style); want != value {
				t.Fatalf("%q: %v, want %v", text, value, want)
			}
		}
	}
	for _, text := range []string{"", "-", ".5", "5.", "1.234", "1,234", "1..2", "+1", "1e3", "1234567890123456", "--1", "1 2"} {
		if _, _, ok := Quick(text); ok {
			t.Errorf("%q is read the quick way", text)
		}
	}
	if _, styles, _ := Quick("1,25"); styles.Has(Plain) || !styles.Has(DecimalComma) {
		t.Errorf("1,25 is %b", styles)
	}
}

func TestQuickDatesAreThoseOfTheCalendar(t *testing.T) {
	for day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 10_000; day = day.AddDate(0, 0, 13).Add(61 * time.Second) {
		for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
			text := day.Format(layout)
			want, _ := time.Parse(layout, text)
			if seconds, ok := ISO(text); !ok || seconds != want.Unix() {
				t.Fatalf("%s: %v %v", text, Unix(seconds), ok)
			}
		}
	}
	for _, text := range []string{"2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-01-00", "24-01-01",
		"2024-01-01T24:00", "2024-01-01 10.30", "2024-01-01 10:60:00", "2024-01-01Z"} {
		if _, ok := ISO(text); ok {
			t.Errorf("%s is read", text)
		}
	}
	if _, ok := ISO("2000-02-29"); !ok {
		t.Error("a leap day is not read")
	}
}
