package profile

import (
	"math"

	"aion.dev/agents/analyst/internal/csvfile"
)

// maxKept is how many numbers are kept between two passes: 48 MB of them. Tests set it.
var maxKept = 6_000_000

// kept is what locate needs of each row, from measure: where there is room for it the file is not read again.
type kept struct {
	all    bool // nothing was left out
	width  int
	lines  []int
	places []float64 // NaN where a row has none
	values []float64 // of the numeric columns, row by row; NaN where there is none
}

// add keeps one row, or gives up all of them.
func (k *kept) add(line int, at float64, placed bool, values []float64) {
	if !k.all {
		return
	}
	if len(k.values)+2*len(k.lines) > maxKept {
		*k = kept{}
		return
	}
	if !placed {
		at = math.NaN()
	}
	k.lines = append(k.lines, line)
	k.places = append(k.places, at)
	k.values = append(k.values, values...)
}

// located calls visit for every row with its line, its place and its numbers: from what was kept, or from the file.
func (t *Table) located(rows *csvfile.Rows, visit func(line int, at float64, values []float64)) error {
	if t.kept.all {
		for i, line := range t.kept.lines {
			visit(line, t.kept.places[i], t.kept.values[i*t.kept.width:(i+1)*t.kept.width])
		}
		t.kept = kept{}
		return nil
	}
	numeric := t.numeric()
	values := make([]float64, len(numeric))
	return t.each(rows, func(row int64, cells []string) {
		at, placed := t.place(row, cells)
		if !placed {
			at = math.NaN()
		}
		for i, column := range numeric {
			value, ok := column.number(cells)
			if !ok {
				value = math.NaN()
			}
			values[i] = value
		}
		visit(rows.Line(), at, values)
	})
}
