package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestTicksAreRoundAndWithinTheRange(t *testing.T) {
	cases := []struct {
		from, to float64
		want     []float64
	}{
		{0, 10, []float64{0, 2, 4, 6, 8, 10}},
		{-3, 7, []float64{-2, 0, 2, 4, 6}},
		{0, 1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{5, 5, []float64{5}},
	}
	for _, c := range cases {
		got := ticks(c.from, c.to, 5)
		if len(got) != len(c.want) {
			t.Errorf("ticks(%v, %v) = %v", c.from, c.to, got)
			continue
		}
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-9 {
				t.Errorf("ticks(%v, %v) = %v", c.from, c.to, got)
			}
		}
	}
}

func TestTickLabelsAreAsShortAsTheirStepAllows(t *testing.T) {
	cases := map[string][]float64{
		"0 0.2 0.4":       {0, 0.2, 0.4},
		"−2 0 2":          {-2, 0, 2},
		"0 20k 40k":       {0, 20_000, 40_000},
		"0 500k 1000k":    {0, 500_000, 1_000_000},
		"0 5M 10M":        {0, 5e6, 10e6},
		"9990 9995 10000": {9990, 9995, 10_000},
		"0 0.0005 0.0010": {0, 0.0005, 0.001},
	}
	for want, values := range cases {
		if got := strings.Join(tickLabels(values), " "); got != want {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
}

func TestTimeTicksStartOnTheUnitThatFitsTheRange(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	cases := []struct{ from, to, want string }{
		{"2024-01-15 00:00", "2024-05-20 00:00", "Feb 2024|Mar 2024|Apr 2024|May 2024"},
		{"2024-03-01 00:00", "2024-03-03 00:00", "1 Mar 00:00|1 Mar 06:00|1 Mar 12:00|1 Mar 18:00|" +
			"2 Mar 00:00|2 Mar 06:00|2 Mar 12:00|2 Mar 18:00|3 Mar 00:00"},
		{"2024-03-01 00:00", "2024-03-05 00:00", "1 Mar|2 Mar|3 Mar|4 Mar|5 Mar"},
		{"2019-06-01 00:00", "2020-06-01 00:00", "Jul 2019|Oct 2019|Jan 2020|Apr 2020"},
		{"2000-06-01 00:00", "2012-06-01 00:00", "2002|2004|2006|2008|2010|2012"},
		{"1900-01-01 00:00", "2020-01-01 00:00", "1900|1920|1940|1960|1980|2000|2020"},
	}
	for _, c := range cases {
		var labels []string
		for _, tick := range timeTicks(at(c.from), at(c.to)) {
			labels = append(labels, tick.label)
		}
		if got := strings.Join(labels, "|"); got != c.want {
			t.Errorf("%s to %s: %s", c.from, c.to, got)
		}
	}
}

func TestAnyNameGivesWellFormedXML(t *testing.T) {
	evil := "a<b> & \"c\" \x00\x1b[31m \xff ]]>"
	start := time.Unix(0, 0)
	svg := Render(evil, evil, []Panel{
		Time{Title: evil, YLabel: evil, XLabel: evil, From: start, To: start.AddDate(0, 2, 0), LineLabel: evil,
			Stretches: []Stretch{{0, 1, 1, 1}, {30, 2, 1, 3}},
			Trend:     &[2]Point{{0, 1}, {30, 2}}, TrendLabel: evil, Marks: []Point{{3, 9}}, MarkLabel: evil},
		Bars{Title: evil, XLabel: evil, Labels: []string{evil, "b"}, Counts: []int64{3, 4}, Line: math.NaN()},
		Bars{Title: "flat", From: 1, To: 2, Counts: []int64{0, 0}, Line: 1.5, LineLabel: "median", Note: "2 outside"},
	})
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a coordinate is not a number")
	}
}
