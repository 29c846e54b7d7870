package report

import (
	"fmt"
	"strings"

	"aion.dev/agents/analyst/internal/cell"
	"aion.dev/agents/analyst/internal/profile"
)

const outliersListed = 10

// Markdown is the whole report. plotPath is empty where there is no plot.
func Markdown(file File, table *profile.Table, question string, focus []string, plotPath string) string {
	w := &writer{}
	w.line("# %s", word(file.Name))
	w.line("")
	if question = strings.Join(strings.Fields(question), " "); question != "" {
		w.line("> %s", word(question))
		w.line("")
	}
	w.line("%s %s, %s.", headline(file, table), capital(bytes(file.Size)), written(table))
	w.line("")
	if cautions := Cautions(file, table); len(cautions) > 0 {
		w.line("## Read with care")
		w.line("")
		for _, caution := range cautions {
			w.line("- %s", caution.Text)
		}
		w.line("")
	}
	if findings := Findings(table, focus); len(findings) > 0 {
		w.line("## What stands out")
		w.line("")
		for _, finding := range findings {
			w.line("- %s", finding)
		}
		w.line("")
	}
	if plotPath != "" {
		w.line("![The columns that were drawn](%s)", plotPath)
		w.line("")
	}
	w.columns(table)
	w.figures(table)
	w.outliers(table)
	w.trends(table)
	w.correlations(table)
	w.values(table)
	return w.out.String()
}

type writer struct{ out strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

func (w *writer) columns(table *profile.Table) {
	w.line("## Columns")
	w.line("")
	w.line("| column | holds | present | missing | different | remarks |")
	w.line("|---|---|--:|--:|--:|---|")
	for _, c := range table.Columns {
		different := count(c.Distinct)
		if c.DistinctCapped {
			different = "over " + different
		}
		w.line("| %s | %s | %s | %s | %s | %s |", word(c.Name), c.Kind, count(c.Present), count(c.Missing), different, remarks(table, c))
	}
	w.line("")
}

func remarks(table *profile.Table, c *profile.Column) string {
	var out []string
	switch c.Kind {
	case profile.Date:
		out = append(out, fmt.Sprintf("%s to %s, written %s", moment(c.First), moment(c.Last), word(c.Layout)))
		if c == table.Axis {
			out = append(out, "orders the rows below")
		}
		if c.ShortYears {
			out = append(out, "years 69 to 99 are 1969 to 1999, the others 20…")
		}
		if c.Certainty == profile.Undecided {
			out = append(out, "**day and month could be exchanged**")
		}
	case profile.Number:
		if c.Sequence {
			out = append(out, "counts the rows; left out below")
		}
		if c.Style != cell.Plain {
			out = append(out, "written "+c.Style.String())
		}
		if c.Unit != "" {
			out = append(out, "in "+word(c.Unit))
		}
	}
	if c.Odd.Count > 0 {
		out = append(out, odd(c.Odd, "cell is "+wanting(c.Kind), "cells are "+wanting(c.Kind)))
	}
	return strings.Join(out, "; ")
}

// wanting says what a cell is not that is not of its column's kind.
func wanting(kind profile.Kind) string {
	return map[profile.Kind]string{profile.Date: "no date", profile.Number: "no number", profile.Mixed: "text or written otherwise",
		profile.Time: "no time", profile.Truth: "neither yes nor no"}[kind]
}

// odd tells of cells with their number and the first of them.
func odd(o profile.Odd, one, many string) string {
	return fmt.Sprintf("%s (line %s: %q)", plural(o.Count, one, many), count(int64(o.Line)), word(o.Text))
}

func (w *writer) figures(table *profile.Table) {
	exact, rounded := true, false
	first := true
	for _, c := range table.Columns {
		if !c.Numeric() {
			continue
		}
		if first {
			w.line("## Figures")
			w.line("")
			w.line("| column | mean | stdev | min | 5 %% | 25 %% | median | 75 %% | 95 %% | max |")
			w.line("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
			first = false
		}
		s := c.Sample
		exact = exact && s.Exact()
		rounded = rounded || c.Rounded.Count > 0
		w.line("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", word(c.Name),
			figure(c.Moments.Mean()), figure(c.Moments.Stdev()), figure(c.Moments.Min), figure(s.Percentile(5)),
			figure(s.Percentile(25)), figure(s.Percentile(50)), figure(s.Percentile(75)), figure(s.Percentile(95)), figure(c.Moments.Max))
	}
	if first {
		return
	}
	w.line("")
	const how = "quantiles are interpolated (type 7, as R and NumPy do), stdev is the sample's (n − 1)."
	switch {
	case !exact:
		w.line("Mean, stdev (n − 1), min and max are computed without rounding on the way. **Quantiles are estimates** from a " +
			"uniform sample of the rows: there are more values than fit into memory.")
	case rounded:
		w.line("Some numbers have more digits than are held (about 16), and were rounded; %s", how)
	default:
		w.line("All figures are exact, but for the digits that are not shown: %s", how)
	}
	w.line("")
}

func (w *writer) outliers(table *profile.Table) {
	first := true
	for _, c := range table.Columns {
		if !c.Numeric() || c.OutlierN == 0 {
			continue
		}
		if first {
			w.line("## Outliers")
			w.line("")
			w.line("A value is called an outlier where two tests agree: it lies more than 1.5 times the middle half's width outside of " +
				"that half (Tukey), and its modified z-score, from the median absolute deviation, is above 3.5 (Iglewicz and Hoaglin).")
			w.line("")
			w.line("| column | outliers | usual range | farthest, with their lines |")
			w.line("|---|--:|---|---|")
			first = false
		}
		var places []string
		for _, outlier := range c.Outliers[:min(outliersListed, len(c.Outliers))] {
			places = append(places, fmt.Sprintf("%s (%s)", figure(outlier.Value), count(int64(outlier.Line))))
		}
		if rest := c.OutlierN - int64(len(places)); rest > 0 {
			places = append(places, "…")
		}
		w.line("| %s | %s | %s to %s | %s |", word(c.Name), count(c.OutlierN), figure(c.Bounds.Low), figure(c.Bounds.High), strings.Join(places, ", "))
	}
	if !first {
		w.line("")
	}
}

func (w *writer) trends(table *profile.Table) {
	first := true
	for _, c := range table.Columns {
		if !tells(table, c) {
			continue
		}
		days, unit, over := 1.0, "row", "the order of the rows"
		if table.Axis != nil {
			days, unit = slopeUnit(table.Axis)
			over = word(table.Axis.Name)
		}
		if first {
			w.line("## Trends over %s", over)
			w.line("")
			w.line("| column | change a %s | R² | |", unit)
			w.line("|---|--:|--:|---|")
			first = false
		}
		verdict := "none"
		switch {
		case c.Trend.R2 >= clearTrend:
			verdict = "clear"
		case c.Trend.R2 >= weakTrend:
			verdict = "weak"
		}
		w.line("| %s | %s | %.2f | %s |", word(c.Name), figure(c.Trend.Slope*days), c.Trend.R2, verdict)
	}
	if !first {
		w.line("")
		w.line("A straight line by least squares; R² is the share of the variance that it explains.")
		w.line("")
	}
}

func (w *writer) correlations(table *profile.Table) {
	if len(table.Correlations) == 0 {
		return
	}
	w.line("## Correlations")
	w.line("")
	w.line("| | | r | rows |")
	w.line("|---|---|--:|--:|")
	for _, pair := range table.Correlations {
		w.line("| %s | %s | %s | %s |", word(pair.A.Name), word(pair.B.Name), signed(pair.R), count(pair.N))
	}
	w.line("")
	w.line("Pearson's r of at least 0.5 either way. It says that two columns move together, not why.")
	w.line("")
}

func (w *writer) values(table *profile.Table) {
	first := true
	for _, c := range table.Columns {
		if c.Kind != profile.Text && c.Kind != profile.Mixed && c.Kind != profile.Truth || len(c.Top) == 0 || c.Top[0].Count < 2 {
			continue
		}
		if first {
			w.line("## Most frequent values")
			w.line("")
			first = false
		}
		var values []string
		for _, value := range c.Top[:min(5, len(c.Top))] {
			values = append(values, fmt.Sprintf("%s (%s, %s)", word(value.Value), count(value.Count), percent(value.Count, c.Present)))
		}
		w.line("- **%s**: %s", word(c.Name), strings.Join(values, "; "))
	}
	if !first {
		w.line("")
	}
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
