package cell

import (
	"strings"
	"time"
)

// Order is in which order a column writes the parts of its dates.
type Order int

// The orders, in the order in which they win where several read a column equally well.
const (
	YearMonthDay Order = iota
	DayMonthYear
	MonthDayYear
	YearMonth
	MonthYear
	YearOnly
	orders
)

// Orders is how many orders there are.
const Orders = int(orders)

// Dates is a set of orders.
type Dates uint8

// Has says whether an order is in the set.
func (d Dates) Has(order Order) bool { return d&(1<<order) != 0 }

// Moment is a date as its parts, before it is decided which is which.
type Moment struct {
	// Orders are those in which it is a date.
	Orders Dates
	// Short says that the year has two digits: 69 to 99 are of the twentieth century, the others of this one (as
	// POSIX strptime has it).
	Short bool
	parts [3]int
	clock time.Duration
	// layout is how the date is written, in the letters of a report, with %1 to %3 for the parts.
	layout [3]string
	signs  [2]string
	tail   string
}

// MayBeDate is a cheap test that comes before the layouts: a date has a digit, and is neither short nor long.
func MayBeDate(text string) bool {
	if len(text) < 4 || len(text) > 48 {
		return false
	}
	for i := range len(text) {
		if isDigit(text[i]) {
			return true
		}
	}
	return false
}

// Date reads a trimmed cell in one order. Without an offset it is UTC.
func Date(text string, order Order) (time.Time, bool) {
	if !MayBeDate(text) {
		return time.Time{}, false
	}
	if seconds, ok := ISO(text); ok && order == YearMonthDay {
		return Unix(seconds), true
	}
	m := ReadDate(text)
	return m.Time(order)
}

// Time is the moment in one order.
func (m *Moment) Time(order Order) (time.Time, bool) {
	if !m.Orders.Has(order) {
		return time.Time{}, false
	}
	year, month, day := m.calendar(order)
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Add(m.clock), true
}

func (m *Moment) calendar(order Order) (year, month, day int) {
	p := m.parts
	switch order {
	case YearMonthDay:
		year, month, day = p[0], p[1], p[2]
	case DayMonthYear:
		year, month, day = p[2], p[1], p[0]
	case MonthDayYear:
		year, month, day = p[2], p[0], p[1]
	case YearMonth:
		year, month, day = p[0], p[1], 1
	case MonthYear:
		year, month, day = p[1], p[0], 1
	default:
		year, month, day = p[0], 1, 1
	}
	if m.Short {
		if year < 69 {
			year += 2000
		} else {
			year += 1900
		}
	}
	return year, month, day
}

// allow puts an order into the set if the parts make a day that was.
func (m *Moment) allow(order Order) {
	year, month, day := m.calendar(order)
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return
	}
	if time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day {
		m.Orders |= 1 << order
	}
}

// Layout is how the cell is written in an order, as a report shows it.
func (m *Moment) Layout(order Order) string {
	letters := [...]string{"YMD", "DMY", "MDY", "YM", "MY", "Y"}[order]
	var out strings.Builder
	for i, letter := range letters {
		if i > 0 {
			out.WriteString(m.signs[i-1])
		}
		switch {
		case letter == 'Y' && m.Short:
			out.WriteString("YY")
		case letter == 'Y':
			out.WriteString("YYYY")
		case m.layout[i] != "":
			out.WriteString(m.layout[i])
		default:
			out.WriteString(string([]rune{letter, letter}))
		}
	}
	return out.String() + m.tail
}
