package profile

import "aion.dev/agents/analyst/internal/cell"

// plan is what is measured in a table: which columns have figures, which are dates, which of those orders the rows. A
// guess from the first rows has the figures taken while the columns are still being learnt; where the guess was right
// the file is read once.
type plan struct {
	numbers []planned[cell.NumberStyle]
	dates   []planned[cell.Order]
	axis    int // among the dates; -1 where there is none
}

// planned is a column by its index, and how it is read.
type planned[S any] struct {
	index int
	how   S
}

// plan is what the table's columns make of it.
func (t *Table) plan() plan {
	p := plan{axis: -1}
	for _, column := range t.Columns {
		switch {
		case column.Numeric():
			p.numbers = append(p.numbers, planned[cell.NumberStyle]{column.Index, column.Style})
		case column.Kind == Date:
			if column == t.Axis {
				p.axis = len(p.dates)
			}
			p.dates = append(p.dates, planned[cell.Order]{column.Index, column.Order})
		}
	}
	return p
}
