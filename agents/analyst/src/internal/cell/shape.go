package cell

import (
	"math/bits"
	"strings"
)

// shape says in which styles digits with signs between them are a number.
func shape(text string) Styles {
	mantissa := text
	for i := range len(text) {
		// Almost all that is no number says so with its first letter.
		if c := text[i]; !isDigit(c) && c != '.' && c != ',' && c != ' ' && c != '\'' && (c|0x20 != 'e' || i == 0) && (i == 0 || text[i-1]|0x20 != 'e') {
			return 0
		}
	}
	if e := max(strings.IndexByte(text, 'e'), strings.IndexByte(text, 'E')); e >= 0 {
		mantissa = text[:e]
		exponent := strings.TrimLeft(text[e+1:], "+-")
		if len(text)-e-1-len(exponent) > 1 || exponent == "" || len(exponent) > 4 || digitsOf(exponent) != len(exponent) {
			return 0
		}
	}
	var places [24]int
	var signs [24]byte
	n, digits := 0, 0
	for i := range len(mantissa) {
		switch c := mantissa[i]; {
		case isDigit(c):
			digits++
		case c == '.' || c == ',' || c == ' ' || c == '\'':
			if n == len(places) {
				return 0
			}
			places[n], signs[n] = i, c
			n++
		default:
			return 0
		}
	}
	if digits == 0 {
		return 0
	}
	if n == 0 {
		return points | commas
	}
	last := signs[n-1]
	var styles Styles
	// The last sign is the decimal sign, what comes before it are groups.
	if last == '.' || last == ',' {
		family := points
		if last == ',' {
			family = commas
		}
		if n == 1 {
			styles |= family
		} else if group := signs[0]; group != last {
			styles |= family & groupsOf(mantissa[:places[n-1]], group)
		}
	}
	// Or every sign is between groups.
	return styles | groupsOf(mantissa, signs[0])
}

// groupsOf are the styles whose groups a whole number has: three digits each, or the lakh's two and a last of three.
func groupsOf(whole string, group byte) Styles {
	parts := strings.Split(whole, string(rune(group)))
	if len(parts) < 2 {
		return 0
	}
	threes, lakh := true, group == ','
	for i, part := range parts {
		n := len(part)
		if digitsOf(part) != n {
			return 0
		}
		switch {
		case i == 0:
			threes = threes && n >= 1 && n <= 3 && (part[0] != '0' || n == 0)
			lakh = lakh && n >= 1 && n <= 2 && part[0] != '0'
		case i == len(parts)-1:
			threes, lakh = threes && n == 3, lakh && n == 3
		default:
			threes, lakh = threes && n == 3, lakh && n == 2
		}
	}
	var styles Styles
	if threes {
		styles |= map[byte]Styles{',': 1 << Grouped, '.': 1 << DotGrouped, ' ': spaced, '\'': ticked}[group]
	}
	if lakh {
		styles |= 1 << Lakh
	}
	return styles
}

// rounded says whether a number has more significant digits than a float64 holds, and is not whole and small enough
// for all of them.
func rounded(text string) bool {
	var value uint64
	significant := 0
	for i := range len(text) {
		c := text[i]
		if c == 'e' || c == 'E' {
			break
		}
		if !isDigit(c) {
			continue
		}
		if significant > 0 || c != '0' {
			significant++
		}
		if significant > 17 {
			return true
		}
		value = value*10 + uint64(c-'0')
	}
	if significant <= 15 {
		return false
	}
	// A whole number is held if what remains without its zero bits at the end fits into 53.
	if digitsOf(text) == len(text) {
		return bits.Len64(value)-bits.TrailingZeros64(value) > 53
	}
	return significant > 17
}

func digitsOf(text string) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

func plainASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
