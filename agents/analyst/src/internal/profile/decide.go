package profile

import "aion.dev/agents/analyst/internal/cell"

// Certainty says how it was decided what is the day and what the month.
type Certainty int

const (
	Sure      Certainty = iota // some cell leaves no choice
	Nearest                    // in this order the rows lie closest together
	Undecided                  // it could be otherwise
)

// leaning says why a sign that could be either is taken for a decimal comma.
type leaning int

const (
	noComma leaning = iota
	likeSemicolons
	likeOthers
)

// decide makes up the mind about the columns: first about those that leave no choice, then about the others, which
// follow them where they may.
func (t *Table) decide(columns []*inference) {
	commas, points := 0, 0
	days, months := 0, 0
	for _, f := range columns {
		f.settle()
		if style, sure := f.bestStyle(noComma); sure && 10*f.hits(style) >= 9*f.column.Present {
			if style.Comma() {
				commas++
			} else if f.fractional() {
				points++
			}
		}
		if order, sure := f.bestOrder(cell.DayMonthYear); sure != Undecided && f.dateHits(order) > 0 {
			switch order {
			case cell.DayMonthYear:
				days++
			case cell.MonthDayYear:
				months++
			}
		}
	}
	// 1,234 is a thousand or a fraction. The other columns say which; else semicolons do, which are used where commas
	// are decimal signs. They do not make thousands of 1.234.
	comma := noComma
	switch {
	case commas > points:
		comma = likeOthers
	case commas == points && t.Layout.Separator == ';':
		comma = likeSemicolons
	}
	order := cell.DayMonthYear
	if months > days {
		order = cell.MonthDayYear
	}
	for _, f := range columns {
		f.decide(t.Rows, comma, order)
		if t.Layout.Separator == ',' && f.column.Style == cell.Plain {
			// Who separates by commas writes fractions with points, of three digits too.
			f.column.Undecided = false
		}
		t.Columns = append(t.Columns, f.column)
	}
	for _, column := range t.Columns {
		if column.Kind == Date && 10*column.Present >= 9*t.Rows {
			t.Axis = column
			break
		}
	}
}

// settle adds what was counted in one for several.
func (f *inference) settle() {
	// What was passed over is odd as its first was.
	for _, odd := range []*Odd{&f.noNumber, &f.none, &f.noClock, &f.noTruth} {
		odd.Count += f.dull
	}
	for _, odd := range []*Odd{&f.noNumber, &f.dates[1<<cell.YearMonthDay], &f.noClock, &f.noTruth} {
		odd.Count += f.again
	}
	f.dull, f.again = 0, 0
	// What is a number and nothing else is no date, no time and no truth value either.
	for _, other := range []*Odd{&f.none, &f.noClock, &f.noTruth} {
		other.join(&f.plain)
	}
}

func (f *inference) decide(rows int64, comma leaning, order cell.Order) {
	c := f.column
	c.Distinct, c.DistinctCapped, c.Top = int64(f.tally.distinct), f.tally.capped, f.tally.frequencies()
	style, _ := f.bestStyle(comma)
	numbers := f.hits(style)
	inAnyStyle := c.Present - f.noNumber.Count
	when, sure := f.bestOrder(order)
	dates := f.dateHits(when)
	// Most of the cells must be of a kind: nine in ten.
	most := func(n int64) bool { return c.Present > 0 && 10*n >= 9*c.Present }
	switch {
	case c.Present == 0:
		c.Kind = Empty
	case most(dates):
		c.Kind = Date
		c.Order, c.Layout = when, f.layout[when]
		c.Certainty = sure
		c.Odd = f.none
		for orders := range f.dates {
			if orders > 0 && !cell.Dates(orders).Has(when) {
				c.Odd.join(&f.dates[orders])
			}
		}
	case most(inAnyStyle):
		c.Kind = Number
		c.Style = style
		c.Fractions = !f.whole
		c.Sequence = f.sequence && rows > 2 && c.Present == rows
		c.Odd = f.noNumber
		for styles := range f.numbers {
			if styles > 0 && !cell.Styles(styles).Has(style) {
				c.Against.join(&f.numbers[styles])
			}
		}
		c.Undecided = f.undecided(style)
		if !most(numbers) {
			c.Kind = Mixed
			c.Odd.join(&c.Against)
		}
	case most(f.clocks):
		c.Kind = Time
		c.Odd = f.noClock
	case most(f.truths):
		c.Kind = Truth
		c.Odd = f.noTruth
	case 10*inAnyStyle >= c.Present:
		c.Kind = Mixed
		c.Odd = f.noNumber
	default:
		c.Kind = Text
	}
}

// hits counts the cells that a style reads.
func (f *inference) hits(style cell.NumberStyle) int64 {
	n := int64(0)
	for styles := range f.numbers {
		if cell.Styles(styles).Has(style) {
			n += f.numbers[styles].Count
		}
	}
	return n
}

// bestStyle is the style that reads most, the first where several do; where those differ in the decimal sign, comma
// decides and it is not sure.
func (f *inference) bestStyle(comma leaning) (style cell.NumberStyle, sure bool) {
	var best [2]cell.NumberStyle
	var most [2]int64
	for style := range cell.NumberStyle(cell.NumberStyles) {
		family := 0
		if style.Comma() {
			family = 1
		}
		if n := f.hits(style); n > most[family] {
			best[family], most[family] = style, n
		}
	}
	if most[1] == 0 {
		best[1] = cell.DecimalComma
	}
	if most[0] == most[1] {
		// Numbers that both read alike, without any sign in them, are read the plain way.
		if f.signed() && (comma == likeOthers || comma == likeSemicolons && best[0] != cell.Plain) {
			return best[1], false
		}
		return best[0], false
	}
	if most[1] > most[0] {
		return best[1], true
	}
	return best[0], true
}

// signed says whether any number has a sign between its digits.
func (f *inference) signed() bool {
	all := cell.ReadNumber("0").Styles
	for styles := range f.numbers {
		if styles > 0 && cell.Styles(styles) != all && f.numbers[styles].Count > 0 {
			return true
		}
	}
	return false
}

// fractional says whether a number has a point that can only be the decimal sign.
func (f *inference) fractional() bool {
	only := cell.ReadNumber("0.5").Styles
	return f.numbers[only].Count > 0
}

// undecided says whether some cells mean another number with the other decimal sign, and no cell tells which.
func (f *inference) undecided(style cell.NumberStyle) bool {
	_, sure := f.bestStyle(noComma)
	if sure {
		return false
	}
	point, comma := cell.ReadNumber("1.234").Styles, cell.ReadNumber("1,234").Styles
	return f.numbers[point].Count > 0 || f.numbers[comma].Count > 0 || f.numbers[comma|1<<cell.Lakh].Count > 0 ||
		f.numbers[comma&^(1<<cell.Lakh)].Count > 0
}

func (f *inference) dateHits(order cell.Order) int64 {
	n := int64(0)
	for orders := range f.dates {
		if cell.Dates(orders).Has(order) {
			n += f.dates[orders].Count
		}
	}
	return n
}

// bestOrder is the order that reads most. Where several do, the one in which the rows lie closest together, if it is
// clearly so; else the preferred one, and it is not sure.
func (f *inference) bestOrder(preferred cell.Order) (cell.Order, Certainty) {
	best, most := cell.YearMonthDay, int64(0)
	for order := range cell.Order(cell.Orders) {
		if order == cell.YearOnly && !calledYear(f.column.Name) {
			continue
		}
		if n := f.dateHits(order); n > most {
			best, most = order, n
		}
	}
	var tied []cell.Order
	for order := range cell.Order(cell.Orders) {
		if order != cell.YearOnly && f.dateHits(order) == most && most > 0 {
			tied = append(tied, order)
		}
	}
	if len(tied) < 2 {
		return best, Sure
	}
	const enough = 5
	if f.travel.steps > enough {
		for _, order := range tied {
			clear := true
			for _, other := range tied {
				clear = clear && (other == order || 2*f.travel.far[order] < f.travel.far[other])
			}
			if clear {
				return order, Nearest
			}
		}
	}
	for _, order := range tied {
		if order == preferred {
			return order, Undecided
		}
	}
	return tied[len(tied)-1], Undecided
}
