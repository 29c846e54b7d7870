// Package report puts a profile into words and pictures: findings for a person in a hurry, a report in Markdown, a
// figure. It computes nothing that the profile does not say.
package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"aion.dev/agents/analyst/internal/profile"
)

// The R² from which a trend is called clear, and from which it is mentioned at all.
const (
	clearTrend = 0.5
	weakTrend  = 0.1
	// minTrendRows is how many rows a trend must rest on.
	minTrendRows = 8
	// cautionsTold is how many are in the answer itself.
	cautionsTold = 12
)

// File is what the report says about the file itself.
type File struct {
	Name string
	Size int64
	// Others says which other tables the file has, and how they are read.
	Others string
}

// Findings are the sentences that matter most, at most a handful of each kind; columns in focus come first.
func Findings(table *profile.Table, focus []string) []string {
	columns := slices.Clone(table.Columns)
	slices.SortStableFunc(columns, func(a, b *profile.Column) int {
		return rank(a, focus) - rank(b, focus)
	})
	var out []string
	out = append(out, trends(table, columns)...)
	out = append(out, outliers(columns)...)
	out = append(out, correlations(table)...)
	out = append(out, gaps(table, columns)...)
	return out
}

func rank(column *profile.Column, focus []string) int {
	if slices.Contains(focus, strings.ToLower(column.Name)) {
		return 0
	}
	return 1
}

func trends(table *profile.Table, columns []*profile.Column) []string {
	var out []string
	for _, column := range columns {
		if len(out) < 3 && tells(table, column) && column.Trend.R2 >= floor(table) {
			out = append(out, trend(table, column))
		}
	}
	return out
}

// floor is the R² a trend must have to be a finding. The order of the rows means less than a date.
func floor(table *profile.Table) float64 {
	if table.Axis == nil {
		return clearTrend
	}
	return weakTrend
}

func tells(table *profile.Table, column *profile.Column) bool {
	return column.Numeric() && column.HasTrend && column.Moments.N >= minTrendRows && column.Trend.Slope != 0 &&
		(table.Axis == nil || table.Axis.Last.After(table.Axis.First))
}

func trend(table *profile.Table, column *profile.Column) string {
	direction, strength := "rises", "clearly"
	if column.Trend.Slope < 0 {
		direction = "falls"
	}
	if column.Trend.R2 < clearTrend {
		strength = "weakly"
	}
	if table.Axis == nil {
		return fmt.Sprintf("**%s** %s %s along the rows: by %s a row (R² %.2f).",
			word(column.Name), direction, strength, figure(math.Abs(column.Trend.Slope)), column.Trend.R2)
	}
	days, unit := slopeUnit(table.Axis)
	return fmt.Sprintf("**%s** %s %s over %s: by %s a %s (R² %.2f).",
		word(column.Name), direction, strength, word(table.Axis.Name), figure(math.Abs(column.Trend.Slope)*days), unit, column.Trend.R2)
}

// slopeUnit is the unit of time in which a slope reads best: one that the data spans several times.
func slopeUnit(axis *profile.Column) (float64, string) {
	switch span := profile.Days(axis.Last) - profile.Days(axis.First); {
	case span >= 3*365:
		return 365.25, "year"
	case span >= 90:
		return 365.25 / 12, "month"
	case span >= 3:
		return 1, "day"
	default:
		return 1.0 / 24, "hour"
	}
}

func outliers(columns []*profile.Column) []string {
	var out []string
	for _, column := range columns {
		if !column.Numeric() || column.OutlierN == 0 || len(out) == 3 {
			continue
		}
		var places []string
		for _, outlier := range column.Outliers[:min(3, len(column.Outliers))] {
			places = append(places, fmt.Sprintf("%s on line %s", figure(outlier.Value), count(int64(outlier.Line))))
		}
		more := ""
		if rest := column.OutlierN - int64(len(places)); rest > 0 {
			more = fmt.Sprintf(" and %s more", count(rest))
		}
		out = append(out, fmt.Sprintf("**%s** has %s: %s%s.", word(column.Name),
			plural(column.OutlierN, "outlier", "outliers"), strings.Join(places, ", "), more))
	}
	return out
}

func correlations(table *profile.Table) []string {
	var out []string
	for _, pair := range table.Correlations {
		if len(out) == 3 {
			break
		}
		how := "go up and down together"
		if pair.R < 0 {
			how = "go opposite ways"
		}
		out = append(out, fmt.Sprintf("**%s** and **%s** %s (r %s).", word(pair.A.Name), word(pair.B.Name), how, signed(pair.R)))
	}
	return out
}

func gaps(table *profile.Table, columns []*profile.Column) []string {
	var out []string
	for _, column := range columns {
		switch {
		case len(out) == 3:
			return out
		case column.Kind == profile.Empty && table.Rows > 0:
			out = append(out, fmt.Sprintf("**%s** is empty.", word(column.Name)))
		case 20*column.Missing >= table.Rows && column.Missing > 0:
			out = append(out, fmt.Sprintf("**%s** is missing in %s (%s).", word(column.Name),
				plural(column.Missing, "row", "rows"), percent(column.Missing, table.Rows)))
		case column.Kind == profile.Mixed:
			out = append(out, fmt.Sprintf("**%s** holds numbers and text, or numbers of several ways of writing, mixed.", word(column.Name)))
		}
	}
	return out
}

func signed(r float64) string { return minus(fmt.Sprintf("%.2f", r)) }

// Summary is the answer to whoever asked: what the file is, what stands out, where the report is.
func Summary(file File, table *profile.Table, focus []string, reportPath, plotPath string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s Read as %s.\n", headline(file, table), written(table))
	if cautions := Cautions(file, table); len(cautions) > 0 {
		out.WriteString("\nRead with care:\n")
		for _, caution := range cautions[:min(len(cautions), cautionsTold)] {
			fmt.Fprintf(&out, "- %s\n", caution.Text)
		}
		if rest := len(cautions) - cautionsTold; rest > 0 {
			fmt.Fprintf(&out, "- and %s more, all in the report.\n", count(int64(rest)))
		}
	}
	findings := Findings(table, focus)
	if len(findings) == 0 && table.Rows > 0 {
		findings = []string{"No trend, outlier, correlation or gap stands out."}
	}
	if len(findings) > 0 {
		out.WriteString("\n")
	}
	for _, finding := range findings {
		fmt.Fprintf(&out, "- %s\n", finding)
	}
	fmt.Fprintf(&out, "\nThe whole report is in %s", reportPath)
	if plotPath != "" {
		fmt.Fprintf(&out, ", the plot in %s", plotPath)
	}
	out.WriteString(".\n")
	return out.String()
}

// Memory is what is remembered of the file.
func Memory(file File, table *profile.Table) string {
	names := make([]string, 0, len(table.Columns))
	for _, column := range table.Columns {
		names = append(names, column.Name)
	}
	text := headline(file, table) + " Columns: " + strings.Join(names, ", ") + ".\n" + strings.Join(Findings(table, nil), "\n")
	const most = 16 << 10
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return strings.ReplaceAll(text, "**", "")
}

func headline(file File, table *profile.Table) string {
	period := ""
	if axis := table.Axis; axis != nil && axis.Last.After(axis.First) {
		period = fmt.Sprintf(", from %s to %s", moment(axis.First), moment(axis.Last))
	}
	return fmt.Sprintf("%s has %s and %s%s.", file.Name, plural(table.Rows, "row", "rows"),
		plural(int64(len(table.Columns)), "column", "columns"), period)
}

// word makes a name from the file safe inside a line of Markdown.
func word(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > 60 {
		name = string(runes[:59]) + "…"
	}
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "`", "\\`", "<", "&lt;", "[", "\\[").Replace(name)
}
