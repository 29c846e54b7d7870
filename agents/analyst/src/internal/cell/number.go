// Package cell reads the text of one cell: whether it is missing, a number, a truth value, a date or a time. It knows
// of no files and no columns.
package cell

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
)

// NumberStyle is how a column writes its numbers: its decimal sign and what stands between its groups of digits.
type NumberStyle int

// The styles, in the order in which they win where several read a column equally well.
const (
	Plain        NumberStyle = iota // 1234.56, -1e3
	DecimalComma                    // 1234,56
	Grouped                         // 1,234.56
	DotGrouped                      // 1.234,56
	SpacedPoint                     // 1 234.56
	SpacedComma                     // 1 234,56
	TickPoint                       // 1'234.56
	TickComma                       // 1'234,56
	Lakh                            // 12,34,567.89
	numberStyles
)

// NumberStyles is how many styles there are.
const NumberStyles = int(numberStyles)

// String is the style as a report names it.
func (s NumberStyle) String() string {
	return [...]string{"1234.56", "1234,56", "1,234.56", "1.234,56", "1 234.56", "1 234,56", "1'234.56", "1'234,56", "12,34,567.89"}[s]
}

// Comma says whether the decimal sign is a comma.
func (s NumberStyle) Comma() bool {
	return s == DecimalComma || s == DotGrouped || s == SpacedComma || s == TickComma
}

// Grouping says whether the style is one of groups set apart by the other decimal sign.
func (s NumberStyle) Grouping() bool { return s == Grouped || s == DotGrouped || s == Lakh }

// Styles is a set of styles.
type Styles uint16

// Has says whether a style is in the set.
func (s Styles) Has(style NumberStyle) bool { return s&(1<<style) != 0 }

// First is the first style of the set.
func (s Styles) First() NumberStyle { return NumberStyle(bits.TrailingZeros16(uint16(s))) }

const (
	points Styles = 1<<Plain | 1<<Grouped | 1<<SpacedPoint | 1<<TickPoint | 1<<Lakh
	commas Styles = 1<<DecimalComma | 1<<DotGrouped | 1<<SpacedComma | 1<<TickComma
	spaced Styles = 1<<SpacedPoint | 1<<SpacedComma
	ticked Styles = 1<<TickPoint | 1<<TickComma
)

// Reading is what one cell may mean as a number.
type Reading struct {
	// Styles are those in which it is one.
	Styles Styles
	// Unit is the currency or per cent sign that it has.
	Unit string
	// Rounded says that it has more digits than a float64 holds.
	Rounded bool
	text    string // sign and digits, groups still in it
	minus   bool
	small   bool // whole is the value, in every style
	whole   float64
}

// Number reads a trimmed cell in one style.
func Number(text string, style NumberStyle) (float64, bool) {
	reading := ReadNumber(text)
	return reading.Value(style)
}

// Value is the number in one style; false where it is none. It may be infinite: the text says so, or is too large.
func (r *Reading) Value(style NumberStyle) (float64, bool) {
	if !r.Styles.Has(style) {
		return 0, false
	}
	value := r.whole
	if !r.small {
		var plain [72]byte
		out := plain[:0]
		for i := range len(r.text) {
			switch c := r.text[i]; {
			case c == ',' && style.Comma(), c == '.' && !style.Comma():
				out = append(out, '.')
			case c == ',' || c == '.' || c == ' ' || c == '\'':
			default:
				out = append(out, c)
			}
		}
		var err error
		if value, err = strconv.ParseFloat(string(out), 64); err != nil && !math.IsInf(value, 0) {
			return 0, false
		}
	}
	if r.minus {
		value = -value
	}
	return value, true
}

// ReadNumber says in which styles a trimmed cell is a number. A minus is written as - or U+2212 before or after the
// number, or as parentheses around it; a currency stands before or after it; spaces of every kind make groups.
// Hexadecimal and underscores are not numbers of a table.
func ReadNumber(text string) Reading {
	var r Reading
	if text == "" || len(text) > 120 {
		return r
	}
	if value, styles, ok := Quick(text); ok {
		r.small, r.whole, r.Styles = true, value, styles
		return r
	}
	if !mayBeNumber(text) {
		return r
	}
	core, ok := r.bare(text)
	if !ok {
		return r
	}
	if core == "∞" || strings.EqualFold(core, "inf") || strings.EqualFold(core, "infinity") || strings.EqualFold(core, "1.#inf") {
		r.small, r.whole, r.Styles = true, math.Inf(1), points|commas
		return r
	}
	if len(core) > 64 {
		return r
	}
	r.text = core
	r.Styles = shape(core)
	if r.Styles != 0 {
		r.Rounded = rounded(core)
	}
	return r
}

// mayBeNumber is a cheap test: a number has a digit, or says that it is infinite.
func mayBeNumber(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case isDigit(c) || c >= 0x80:
			return true
		case c|0x20 == 'i' && i+2 < len(text) && text[i+1]|0x20 == 'n' && text[i+2]|0x20 == 'f':
			return true
		}
	}
	return false
}

// bare takes sign, parentheses and unit off a number, and makes every space a plain one.
func (r *Reading) bare(text string) (string, bool) {
	if !plainASCII(text) {
		text = strings.Map(func(c rune) rune {
			switch {
			case c == '\u2212' || c == '\ufe63' || c == '\uff0d' || c == '\u2012':
				return '-'
			case c == '’' || c == '\u02bc':
				return '\''
			case unicode.IsSpace(c):
				return ' '
			case c == '\u200e' || c == '\u200f' || c == '\u2060' || c == '\u061c':
				return -1
			case c >= '٠' && c <= '٩':
				return c - '٠' + '0'
			case c >= '۰' && c <= '۹':
				return c - '۰' + '0'
			case c == '٫':
				return '.'
			case c == '٬':
				return '\''
			}
			return c
		}, text)
	}
	signs := 0
	for again := true; again && text != ""; {
		again = false
		text = strings.Trim(text, " ")
		if text == "" {
			return "", false
		}
		first, last := text[0], text[len(text)-1]
		switch {
		case first == '(' && last == ')':
			text, again = text[1:len(text)-1], true
			r.minus = true
			signs++
		case first == '-' || first == '+':
			text, again = text[1:], true
			r.minus = r.minus || first == '-'
			signs++
		case last == '-':
			text, again = text[:len(text)-1], true
			r.minus = true
			signs++
		case isDigit(first) && isDigit(last):
		default:
			if rest, unit, found := unitOf(text); found && r.Unit == "" {
				text, r.Unit, again = rest, unit, true
			}
		}
	}
	return text, text != "" && signs <= 1
}
