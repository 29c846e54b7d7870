package cell

import "testing"

func TestNumbersAreReadInTheirStyle(t *testing.T) {
	cases := []struct {
		text  string
		style NumberStyle
		want  float64
		ok    bool
	}{
		{"12", Plain, 12, true},
		{"-1.5e3", Plain, -1500, true},
		{"12 %", Plain, 12, true},
		{"$4.20", Plain, 4.2, true},
		{"-€3", Plain, -3, true},
		{"1,234.5", Plain, 0, false},
		{"1,234.5", Grouped, 1234.5, true},
		{"1,234,567", Grouped, 1234567, true},
		{"12,34", Grouped, 0, false},
		{"1,2345", Grouped, 0, false},
		{",123", Grouped, 0, false},
		{"12,34", DecimalComma, 12.34, true},
		{"1.234,5", DecimalComma, 1234.5, true},
		{"-1 234,5", DecimalComma, -1234.5, true},
		{"1.234.567", DecimalComma, 1234567, true},
		{"1.5", DecimalComma, 0, false},
		{"0x10", Plain, 0, false},
		{"1_000", Plain, 0, false},
		{"Inf", Plain, 0, false},
		{"1e999", Plain, 0, false},
		{"-", Plain, 0, false},
		{"e", Plain, 0, false},
		{"1-2", Plain, 0, false},
		{"", Plain, 0, false},
	}
	for _, c := range cases {
		got, ok := Number(c.text, c.style)
		if ok != c.ok || got != c.want {
			t.Errorf("Number(%q, %v) = %v, %v; want %v, %v", c.text, c.style, got, ok, c.want, c.ok)
		}
	}
}

func TestMissingValuesAreKnownByTheirMarkers(t *testing.T) {
	for _, text := range []string{"", "-", "NA", "n/a", "#N/A", "NULL", "None", "NaN"} {
		if !Missing(text) {
			t.Errorf("%q is not taken as missing", text)
		}
	}
	for _, text := range []string{"0", "nano", "no", "nonexistent", "x"} {
		if Missing(text) {
			t.Errorf("%q is taken as missing", text)
		}
	}
}

func TestDatesAreReadInTheirLayout(t *testing.T) {
	cases := map[string]string{
		"2024-02-29":           "YYYY-MM-DD",
		"2024-02-29T10:11:12Z": "RFC 3339",
		"2024-02-29 10:11":     "YYYY-MM-DD hh:mm",
		"29.2.2024":            "DD.MM.YYYY",
		"29/02/2024":           "DD/MM/YYYY",
		"02/29/2024":           "MM/DD/YYYY",
		"29 Feb 2024":          "D Mon YYYY",
		"February 29, 2024":    "Month D, YYYY",
	}
	for text, name := range cases {
		var found []string
		for i, layout := range DateLayouts {
			if when, ok := Date(text, i); ok {
				found = append(found, layout.Name)
				if when.Year() != 2024 || when.YearDay() != 60 {
					t.Errorf("%q as %s is %v", text, layout.Name, when)
				}
			}
		}
		if len(found) != 1 || found[0] != name {
			t.Errorf("%q is read by %v, want %s", text, found, name)
		}
	}
	if _, ok := Date("2023-02-29", 0); ok {
		t.Error("a day that never was is a date")
	}
}

func TestADayThatMayBeAMonthHasATwin(t *testing.T) {
	for i, layout := range DateLayouts {
		if layout.Twin >= 0 && DateLayouts[layout.Twin].Twin != i {
			t.Errorf("%s: its twin's twin is another", layout.Name)
		}
		if _, ok := Date("03/04/2024", i); ok && layout.Twin < 0 {
			t.Errorf("%s reads 03/04/2024 and has no twin", layout.Name)
		}
	}
}
