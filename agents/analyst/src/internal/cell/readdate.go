package cell

import (
	"strings"
	"time"
)

// ReadDate takes a cell apart as a date, a clock and an offset: numbers with - / . or spaces between them, or with
// the name of a month; a weekday before them; the clock of 24 or of 12 hours; Z, a zone's name or an offset with or
// without minutes. The numbers' order is the column's to decide.
func ReadDate(text string) Moment {
	var m Moment
	rest := withoutWeekday(strings.TrimSpace(text))
	n := 0
	digits := [3]int{}
	month := -1
	for n < 3 {
		if value, width := number(rest); width > 0 && width <= 4 {
			m.parts[n], digits[n] = value, width
			rest = rest[width:]
		} else if width == 8 && n == 0 {
			m.parts = [3]int{value / 10000, value / 100 % 100, value % 100}
			digits = [3]int{4, 2, 2}
			rest = rest[8:]
			n = 3
			break
		} else if value, width := monthName(rest); width > 0 && month < 0 {
			month = n
			m.parts[n] = value
			m.layout[n] = "Mon"
			if width > 4 {
				m.layout[n] = "Month"
			}
			rest = rest[width:]
		} else {
			break
		}
		n++
		if n == 3 {
			break
		}
		sign := betweenParts(rest)
		if sign == "" {
			break
		}
		// A clock may follow a date of fewer parts.
		if _, width := number(rest[len(sign):]); width > 0 && width <= 2 && strings.HasPrefix(rest[len(sign)+width:], ":") {
			break
		}
		if next, _ := monthName(rest[len(sign):]); next == 0 && !startsDigit(rest[len(sign):]) {
			break
		}
		m.signs[n-1] = sign
		rest = rest[len(sign):]
	}
	if n == 3 && month < 0 && digits[0] != 4 && m.signs[0] != m.signs[1] {
		return m
	}
	m.orders(n, month, digits)
	if m.Orders == 0 {
		return m
	}
	clock, tail, ok := clockOf(rest)
	if !ok || tail != "" && n < 3 {
		return Moment{}
	}
	m.clock, m.tail = clock, tail
	return m
}

// orders finds in which orders the parts are a date.
func (m *Moment) orders(n, month int, digits [3]int) {
	switch {
	case n == 3 && month == 1:
		switch {
		case digits[0] == 4 && digits[2] <= 2:
			m.allow(YearMonthDay)
		case digits[0] <= 2 && (digits[2] == 4 || digits[2] == 2):
			m.Short = digits[2] == 2
			m.allow(DayMonthYear)
		}
	case n == 3 && month == 0 && digits[1] <= 2 && (digits[2] == 4 || digits[2] == 2):
		m.Short = digits[2] == 2
		m.allow(MonthDayYear)
	case n == 3 && month < 0 && digits[0] == 4 && digits[1] <= 2 && digits[2] <= 2:
		m.allow(YearMonthDay)
	case n == 3 && month < 0 && digits[0] <= 2 && digits[1] <= 2 && digits[2] == 4:
		m.allow(DayMonthYear)
		m.allow(MonthDayYear)
	case n == 3 && month < 0 && digits[0] <= 2 && digits[1] <= 2 && digits[2] == 2:
		m.Short = true
		m.allow(DayMonthYear)
		m.allow(MonthDayYear)
		if digits[0] == 2 {
			m.allow(YearMonthDay)
		}
	case n == 2 && digits[0] == 4 && (month == 1 || digits[1] == 2 && m.signs[0] != "."):
		m.allow(YearMonth)
	case n == 2 && digits[1] == 4 && (month == 0 || digits[0] <= 2 && m.signs[0] == "/"):
		m.allow(MonthYear)
	case n == 2 && month == 0 && digits[1] == 2:
		m.Short = true
		m.allow(MonthYear)
	case n == 1 && digits[0] == 4:
		m.allow(YearOnly)
	}
}

func number(text string) (value, width int) {
	for width < len(text) && isDigit(text[width]) {
		if width < 9 {
			value = value*10 + int(text[width]-'0')
		}
		width++
	}
	return value, width
}

func startsDigit(text string) bool { return text != "" && isDigit(text[0]) }

// betweenParts is the sign between two parts of a date.
func betweenParts(text string) string {
	for _, sign := range []string{". ", ", ", " de ", "- ", "-", "/", ".", " ", ","} {
		if strings.HasPrefix(text, sign) {
			return sign
		}
	}
	return ""
}

// clockOf reads what follows a date: nothing, or a time of day and perhaps an offset. The name of the form is for
// the report.
func clockOf(text string) (time.Duration, string, bool) {
	if text == "" {
		return 0, "", true
	}
	sign := text[:len(text)-len(strings.TrimLeft(text, "T ,\u202f\u00a0"))]
	rest := text[len(sign):]
	if sign == "" || rest == "" {
		// An offset may follow the date itself.
		offset, ok := offsetOf(rest)
		return -offset, "", ok
	}
	at, form, rest, ok := timeOfDay(rest)
	if !ok {
		return 0, "", false
	}
	offset, ok := offsetOf(strings.TrimSpace(rest))
	if rest != "" {
		form += "±hh:mm"
	}
	return at - offset, sign + form, ok
}

// TimeOfDay reads a cell that is a time without a date.
func TimeOfDay(text string) (time.Duration, bool) {
	if len(text) < 4 || len(text) > 16 || !startsDigit(text) {
		return 0, false
	}
	at, _, rest, ok := timeOfDay(text)
	return at, ok && rest == ""
}

func timeOfDay(text string) (at time.Duration, form, rest string, ok bool) {
	hour, width := number(text)
	if width < 1 || width > 2 || hour > 24 {
		return 0, "", "", false
	}
	rest = text[width:]
	form = "hh"
	at = time.Duration(hour) * time.Hour
	for i, unit := range []time.Duration{time.Minute, time.Second} {
		if !strings.HasPrefix(rest, ":") {
			break
		}
		value, width := number(rest[1:])
		if width != 2 || value > 60 || i == 0 && value > 59 {
			return 0, "", "", false
		}
		at += time.Duration(value) * unit
		form += []string{":mm", ":ss"}[i]
		rest = rest[3:]
	}
	// A comma with fewer digits behind it separates cells.
	if _, width := number(strings.TrimLeft(rest, ".,")); len(form) == 8 && width > 0 &&
		(rest[0] == '.' && isDigit(rest[1]) || rest[0] == ',' && isDigit(rest[1]) && width >= 3) {
		scale := time.Second
		for rest = rest[1:]; startsDigit(rest); rest = rest[1:] {
			scale /= 10
			at += time.Duration(rest[0]-'0') * scale
		}
	}
	half := strings.ToLower(strings.ReplaceAll(strings.TrimLeft(rest, " \u202f\u00a0"), ".", ""))
	switch {
	case strings.HasPrefix(half, "am") || strings.HasPrefix(half, "pm"):
		if hour < 1 || hour > 12 {
			return 0, "", "", false
		}
		if hour == 12 {
			at -= 12 * time.Hour
		}
		if half[0] == 'p' {
			at += 12 * time.Hour
		}
		form += " AM/PM"
		rest = strings.TrimSpace(half[2:])
	case form == "hh":
		return 0, "", "", false
	}
	return at, form, rest, at <= 24*time.Hour
}

// zones are the offsets of zones by their common names, in hours.
var zones = map[string]int{
	"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}

func offsetOf(text string) (time.Duration, bool) {
	if open := strings.IndexByte(text, '['); open > 0 && strings.HasSuffix(text, "]") {
		text = text[:open]
	}
	if hours, known := zones[strings.ToUpper(text)]; known || text == "" {
		return time.Duration(hours) * time.Hour, true
	}
	text = strings.TrimPrefix(strings.TrimPrefix(strings.Replace(text, "\u2212", "-", 1), "UTC"), "GMT")
	sign := time.Duration(1)
	switch {
	case strings.HasPrefix(text, "-"):
		sign = -1
	case !strings.HasPrefix(text, "+"):
		return 0, false
	}
	value, width := number(strings.Replace(text[1:], ":", "", 1))
	if width != len(strings.Replace(text[1:], ":", "", 1)) {
		return 0, false
	}
	switch {
	case width == 1 || width == 2:
		value *= 100
	case width != 4:
		return 0, false
	}
	if value/100 > 15 || value%100 > 59 {
		return 0, false
	}
	return sign * (time.Duration(value/100)*time.Hour + time.Duration(value%100)*time.Minute), true
}
