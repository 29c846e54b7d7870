package report

import (
	"fmt"
	"slices"
	"strings"

	"aion.dev/agents/analyst/internal/csvfile"
	"aion.dev/agents/analyst/internal/profile"
)

// written says in one line how the file is written, as it was found.
func written(table *profile.Table) string {
	l := table.Layout
	parts := []string{"separated by " + l.SeparatorName()}
	if l.Source != "" {
		parts[0] = l.Source
	}
	if l.Hint {
		parts[0] += " (as its line sep= says)"
	}
	if l.Quote == '\'' {
		parts = append(parts, "cells in apostrophes")
	}
	if signs := decimals(table); signs != "" {
		parts = append(parts, signs)
	}
	if l.Encoding != csvfile.UTF8 {
		name := l.Encoding.String()
		if l.Encoding.Guessed() {
			name += " by its letters"
		}
		parts = append(parts, name)
	}
	if l.CR {
		parts = append(parts, "lines ended by carriage returns")
	}
	if l.Trailing {
		parts = append(parts, "a separator at each line's end")
	}
	switch {
	case l.Header:
		parts = append(parts, "header in line "+count(int64(l.Start)))
	case l.Names != nil:
		parts = append(parts, "names in the comment above line "+count(int64(l.Start)))
	default:
		parts = append(parts, "no header, so the columns are numbered")
	}
	return strings.Join(parts, ", ")
}

// decimals says which decimal signs there are: nothing where there is only the point.
func decimals(table *profile.Table) string {
	var commas, points []string
	for _, c := range table.Columns {
		if c.Kind != profile.Number {
			continue
		}
		if c.Style.Comma() && c.Fractions {
			commas = append(commas, word(c.Name))
		} else if c.Style != 0 || c.Fractions {
			points = append(points, word(c.Name))
		}
	}
	switch {
	case len(commas) == 0:
		return ""
	case len(points) == 0:
		return "decimal commas"
	case len(commas) < len(points):
		return "decimal commas in " + strings.Join(commas, ", ") + " and points elsewhere"
	}
	return "decimal points in " + strings.Join(points, ", ") + " and commas elsewhere"
}

// Caution is something that was not read as it stands, with how much of it and the first place.
type Caution struct {
	Text string
	// Left says that a part of the table is in no figure.
	Left bool
}

// Cautions belong into the answer: who reads a figure must know what is not in it. What was left out comes first.
func Cautions(file File, table *profile.Table) []Caution {
	var out []Caution
	add := func(left bool, text string) { out = append(out, Caution{text, left}) }
	place := func(p csvfile.Place, left bool, one, many, what string) {
		if p.Count > 0 {
			add(left, fmt.Sprintf("%s (first on line %s): %s.", plural(p.Count, one, many), count(int64(p.Line)), what))
		}
	}
	if file.Others != "" {
		add(false, file.Others)
	}
	if table.Layout.Title > 0 {
		add(false, fmt.Sprintf("%s above line %s: not part of the table.",
			plural(int64(table.Layout.Title), "line stands", "lines stand"), count(int64(table.Layout.Start))))
	}
	place(table.Open, false, "quotation mark is never closed", "quotation marks are never closed",
		"read as part of the cell, which ends with its line")
	place(table.Long, true, "row has more cells than there are columns", "rows have more cells than there are columns",
		"what is beyond the last column was not read")
	place(table.Short, false, "row has fewer cells than there are columns", "rows have fewer cells than there are columns",
		"what is not there counts as missing")
	place(table.Zeros, false, "row holds zero bytes", "rows hold zero bytes", "they were left out")
	place(table.Recoded, false, "row is not UTF-8", "rows are not UTF-8", "read as Windows-1252")
	place(table.Comments, false, "line is a comment", "lines are comments", fmt.Sprintf("what begins with %s was not read", table.Layout.Comment))
	place(table.Lines, false, "row has a cell of several lines", "rows have cells of several lines", "read as one cell each")
	for _, c := range table.Columns {
		out = append(out, ofColumn(c)...)
	}
	slices.SortStableFunc(out, func(a, b Caution) int {
		switch {
		case a.Left == b.Left:
			return 0
		case a.Left:
			return -1
		}
		return 1
	})
	return out
}

// LeftOut says in one line what of a table is in no figure; empty where nothing is.
func LeftOut(file File, table *profile.Table) string {
	var texts []string
	more := 0
	for _, caution := range Cautions(file, table) {
		if caution.Left && len(texts) < cautionsTold {
			texts = append(texts, strings.TrimSuffix(strings.ReplaceAll(caution.Text, "**", ""), "."))
		} else if caution.Left {
			more++
		}
	}
	if len(texts) == 0 {
		return ""
	}
	if more > 0 {
		texts = append(texts, count(int64(more))+" more of such, all in the report")
	}
	return "not all of " + file.Name + " is in the figures: " + strings.Join(texts, "; ")
}

func ofColumn(c *profile.Column) []Caution {
	var out []Caution
	add := func(left bool, text string) { out = append(out, Caution{text, left}) }
	cells := func(o profile.Odd, left bool, one, many, what string) {
		if o.Count > 0 {
			add(left, fmt.Sprintf("**%s**: %s: %s.", word(c.Name), odd(o, one, many), what))
		}
	}
	if c.Kind != profile.Text && c.Kind != profile.Mixed {
		cells(c.Odd, true, "cell is "+wanting(c.Kind), "cells are "+wanting(c.Kind), "left out")
	}
	if c.Kind == profile.Number {
		cells(c.Against, true, "number is not written as "+c.Style.String(), "numbers are not written as "+c.Style.String(),
			"not read, since a column has one decimal sign and one kind of groups")
		cells(c.Infinite, true, "number is infinite or too large", "numbers are infinite or too large", "left out of every figure")
		unit := "without a unit"
		if c.Unit != "" {
			unit = "in " + word(c.Unit)
		}
		cells(c.OtherUnit, false, "number has another unit than the first, which is "+unit,
			"numbers have another unit than the first, which is "+unit, "read as if it were the same")
		cells(c.Rounded, false, "number has more digits than are held", "numbers have more digits than are held", "rounded to about 16")
		if c.Undecided {
			sign := "a decimal sign"
			if c.Style.Grouping() {
				sign = "a group's"
			}
			add(false, fmt.Sprintf("**%s**: what stands before three digits could be a decimal sign or a group's; read as %s (%s).",
				word(c.Name), sign, c.Style))
		}
	}
	if c.Kind == profile.Mixed {
		cells(c.Odd, false, "cell is no number of one way of writing", "cells are no numbers of one way of writing", "no figures were made")
	}
	if c.Kind == profile.Date {
		switch c.Certainty {
		case profile.Undecided:
			add(false, fmt.Sprintf("**%s**: day and month could be exchanged; read as %s.", word(c.Name), word(c.Layout)))
		case profile.Nearest:
			add(false, fmt.Sprintf("**%s**: day, month and year could be exchanged; read as %s, in which the rows lie closest together.",
				word(c.Name), word(c.Layout)))
		}
	}
	return out
}
