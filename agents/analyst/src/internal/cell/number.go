// Package cell reads the text of one cell: whether it is missing, a number, or a date. It knows of no files and
// no columns.
package cell

import (
	"math"
	"strconv"
	"strings"
)

// NumberStyle is how a column writes its numbers.
type NumberStyle int

// The styles, in the order in which they win where several read a column equally well.
const (
	Plain        NumberStyle = iota // 1234.56, -1e3
	Grouped                         // 1,234.56
	DecimalComma                    // 1234,56 or 1.234,56
)

// NumberStyles is every style.
var NumberStyles = []NumberStyle{Plain, Grouped, DecimalComma}

// String is the style as a report names it.
func (s NumberStyle) String() string {
	switch s {
	case Grouped:
		return "1,234.56"
	case DecimalComma:
		return "1.234,56"
	default:
		return "1234.56"
	}
}

// Missing says whether a trimmed cell stands for "no value".
func Missing(text string) bool {
	switch text {
	case "", "-", "–", "—", "?", ".":
		return true
	}
	if len(text) > 4 {
		return false
	}
	switch strings.ToLower(text) {
	case "na", "n/a", "#n/a", "null", "none", "nan", "nil":
		return true
	}
	return false
}

// Number reads a trimmed cell. A currency sign or a per cent sign at either end is passed over; infinities,
// hexadecimal and underscores are not numbers of a table.
func Number(text string, style NumberStyle) (float64, bool) {
	text = strip(text)
	if text == "" || len(text) > 64 {
		return 0, false
	}
	digits := false
	for i := range len(text) {
		switch c := text[i]; {
		case isDigit(c):
			digits = true
		case c == '.' || c == ',' || c == '-' || c == '+' || c == 'e' || c == 'E' || c == ' ' || c == '\'':
		default:
			return 0, false
		}
	}
	if !digits {
		return 0, false
	}
	plain, ok := toPlain(text, style)
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseFloat(plain, 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
		return 0, false
	}
	return value, true
}

// strip takes a currency or per cent sign off either end. Almost every cell ends and begins with a digit: those are
// left at the first look.
func strip(text string) string {
	if text == "" || isDigit(text[0]) && isDigit(text[len(text)-1]) {
		return text
	}
	sign := ""
	rest, negative := strings.CutPrefix(text, "-")
	if negative {
		sign = "-"
	}
	for _, unit := range []string{"%", "€", "$", "£", "¥"} {
		if bare, found := strings.CutSuffix(text, unit); found {
			return strings.TrimSpace(bare)
		}
		if bare, found := strings.CutPrefix(rest, unit); found {
			return sign + strings.TrimSpace(bare)
		}
	}
	return text
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func toPlain(text string, style NumberStyle) (string, bool) {
	switch style {
	case Plain:
		return text, !strings.ContainsAny(text, ", '")
	case Grouped:
		return ungroup(text, ".", ",")
	default:
		return ungroup(text, ",", ".")
	}
}

// ungroup takes the group separators out of the whole part, if they stand where groups of three end, and makes
// the decimal sign a point.
func ungroup(text, decimal, group string) (string, bool) {
	whole, fraction, hasFraction := strings.Cut(text, decimal)
	if strings.ContainsAny(fraction, ",' ") || strings.Contains(fraction, group) {
		return "", false
	}
	for _, separator := range []string{group, " ", "'"} {
		if !strings.Contains(whole, separator) {
			continue
		}
		parts := strings.Split(whole, separator)
		if first := strings.TrimLeft(parts[0], "+-"); len(first) == 0 || len(first) > 3 {
			return "", false
		}
		for _, part := range parts[1:] {
			if len(part) != 3 {
				return "", false
			}
		}
		whole = strings.Join(parts, "")
		break
	}
	if strings.ContainsAny(whole, "., '") {
		return "", false
	}
	if hasFraction {
		return whole + "." + fraction, true
	}
	return whole, true
}
