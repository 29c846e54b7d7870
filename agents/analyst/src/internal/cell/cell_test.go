package cell

import (
	"math"
	"testing"
)

func TestNumbersAreReadInTheirStyle(t *testing.T) {
	cases := []struct {
		text  string
		style NumberStyle
		want  float64
		ok    bool
	}{
		{"12", Plain, 12, true},
		{"-1.5e3", Plain, -1500, true},
		{"1,5E+03", DecimalComma, 1500, true},
		{"12 %", Plain, 12, true},
		{"$4.20", Plain, 4.2, true},
		{"-€3", Plain, -3, true},
		{"€-3", Plain, -3, true},
		{"3 EUR", Plain, 3, true},
		{"R$ 1.234,50", DotGrouped, 1234.5, true},
		{"CHF 1'250.40", TickPoint, 1250.4, true},
		{"1’250.40", TickPoint, 1250.4, true},
		{"₹12,34,567.80", Lakh, 1234567.8, true},
		{"12,34,567.80", Grouped, 0, false},
		{"1,234.5", Plain, 0, false},
		{"1,234.5", Grouped, 1234.5, true},
		{"1,234,567", Grouped, 1234567, true},
		{"12,34", Grouped, 0, false},
		{"1,2345", Grouped, 0, false},
		{",123", Grouped, 0, false},
		{",5", DecimalComma, 0.5, true},
		{"12,34", DecimalComma, 12.34, true},
		{"1.234,5", DotGrouped, 1234.5, true},
		{"1.234,5", DecimalComma, 0, false},
		{"-1 234,5", SpacedComma, -1234.5, true},
		{"\u22121\u202f234,5", SpacedComma, -1234.5, true},
		{"1\u00a0234\u2009567", SpacedPoint, 1234567, true},
		{"1 23", SpacedPoint, 0, false},
		{"1.234.567", DotGrouped, 1234567, true},
		{"1.5", DecimalComma, 0, false},
		{"(1,250.00)", Grouped, -1250, true},
		{"(€ 12.50)", Plain, -12.5, true},
		{"1,250.00-", Grouped, -1250, true},
		{"(-5)", Plain, 0, false},
		{"--5", Plain, 0, false},
		{"+7", Plain, 7, true},
		{"۱۲۳", Plain, 123, true},
		{"Inf", Plain, math.Inf(1), true},
		{"-∞", DecimalComma, math.Inf(-1), true},
		{"1e999", Plain, math.Inf(1), true},
		{"0x10", Plain, 0, false},
		{"1_000", Plain, 0, false},
		{"-", Plain, 0, false},
		{"e", Plain, 0, false},
		{"1e", Plain, 0, false},
		{"1-2", Plain, 0, false},
		{"%", Plain, 0, false},
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

func TestANumberWithMoreDigitsThanAreHeldSaysSo(t *testing.T) {
	for text, want := range map[string]bool{
		"9007199254740993": true, "9007199254740992": false, "0.1": false, "123456789012345678": true,
		"100000000000000000000": true, "3.14159265358979": false,
	} {
		if reading := ReadNumber(text); reading.Styles == 0 || reading.Rounded != want {
			t.Errorf("%q: %+v", text, reading)
		}
	}
}

func TestDatesAreReadInTheOrdersThatTheyMayHave(t *testing.T) {
	// Each is the 29th of February 2024, at ten past eleven where there is a clock.
	cases := map[string]string{
		"2024-02-29":                    "YYYY-MM-DD",
		"2024-02-29T11:10:00Z":          "YYYY-MM-DDThh:mm:ss±hh:mm",
		"2024-02-29 11:10":              "YYYY-MM-DD hh:mm",
		"2024-02-29 12:10:00+01":        "YYYY-MM-DD hh:mm:ss±hh:mm",
		"2024-02-29 06:40:00.000-04:30": "YYYY-MM-DD hh:mm:ss±hh:mm",
		"2024-02-29T13:10+0200":         "YYYY-MM-DDThh:mm±hh:mm",
		"2024/2/29":                     "YYYY/MM/DD",
		"29.2.2024":                     "DD.MM.YYYY",
		"29. 2. 2024":                   "DD. MM. YYYY",
		"29/02/2024":                    "DD/MM/YYYY",
		"29/02/2024 11:10":              "DD/MM/YYYY hh:mm",
		"02/29/2024":                    "MM/DD/YYYY",
		"2/29/2024 11:10:00 AM":         "MM/DD/YYYY hh:mm:ss AM/PM",
		"02/29/24, 11:10 a.m.":          "MM/DD/YY, hh:mm AM/PM",
		"29 Feb 2024":                   "DD Mon YYYY",
		"29-FEB-24":                     "DD-Mon-YY",
		"29. Februar 2024":              "DD. Month YYYY",
		"29 février 2024":               "DD Month YYYY",
		"February 29, 2024":             "Month DD, YYYY",
		"Thu, 29 Feb 2024 11:10:00 GMT": "DD Mon YYYY hh:mm:ss±hh:mm",
		"20240229":                      "YYYYMMDD",
	}
	for text, want := range cases {
		moment := ReadDate(text)
		found := 0
		for order := range Order(Orders) {
			when, ok := moment.Time(order)
			if !ok {
				continue
			}
			found++
			if when.Year() != 2024 || when.YearDay() != 60 || when.Hour() != 0 && (when.Hour() != 11 || when.Minute() != 10) {
				t.Errorf("%q is %v", text, when)
			}
			if got := moment.Layout(order); got != want {
				t.Errorf("%q is written %s, want %s", text, got, want)
			}
		}
		if found != 1 {
			t.Errorf("%q is read in %d orders", text, found)
		}
	}
	for _, text := range []string{"2023-02-29", "31/04/2024", "13:10", "2024-02-29 25:00", "1.2.3", "29/02-2024", "2024-02-29 11:10 noon", "May be", "marvel 1, 2024"} {
		if moment := ReadDate(text); moment.Orders != 0 {
			t.Errorf("%q is a date: %+v", text, moment)
		}
	}
}

func TestADayThatMayBeAMonthIsReadInBothOrders(t *testing.T) {
	moment := ReadDate("03/04/2024")
	if !moment.Orders.Has(DayMonthYear) || !moment.Orders.Has(MonthDayYear) || moment.Orders.Has(YearMonthDay) {
		t.Errorf("%b", moment.Orders)
	}
	if moment := ReadDate("13/04/24"); !moment.Orders.Has(DayMonthYear) || moment.Orders.Has(MonthDayYear) || !moment.Orders.Has(YearMonthDay) {
		t.Errorf("%b", moment.Orders)
	}
}

func FuzzACellIsReadWithoutPanic(f *testing.F) {
	for _, text := range []string{"", "(", "-", "1,2.3", "1e", "31/12/99 12:00 PM", "Mon, 1 Jan", "€", "9:5", "2024-01-01T"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reading := ReadNumber(text)
		for style := range NumberStyle(NumberStyles) {
			if value, ok := reading.Value(style); ok && math.IsNaN(value) {
				t.Errorf("%q is a number that is none", text)
			}
		}
		moment := ReadDate(text)
		for order := range Order(Orders) {
			if when, ok := moment.Time(order); ok && when.IsZero() && moment.Layout(order) == "" {
				t.Errorf("%q", text)
			}
		}
		TimeOfDay(text)
		Truth(text)
	})
}
