package cell

import (
	"math/bits"
	"time"

	"aion.dev/agents/analyst/internal/word"
)

// Quick reads what most cells of numbers are: up to fifteen digits, with a minus before them and one sign between them
// that can only be the decimal one. Fifteen digits and a power of ten are held as they are, so that their quotient is
// the nearest float64 (Clinger, How to Read Floating Point Numbers Accurately, PLDI 1990). False is no verdict: the
// cell is ReadNumber's then.
func Quick(text string) (value float64, styles Styles, ok bool) {
	n := len(text)
	begin := 0
	if n > 0 && text[0] == '-' {
		begin, n = 1, n-1
	}
	if n == 0 || n > 16 {
		return 0, 0, false
	}
	var digits uint64
	behind := 0 // digits behind a sign, and the sign
	styles = points | commas
	if n <= 8 {
		digits, behind, styles = few(text[begin:])
	} else {
		digits, behind, styles = many(text[begin:])
	}
	if styles == 0 {
		return 0, 0, false
	}
	value = float64(digits)
	if behind > 0 {
		value /= powers[behind-1]
	}
	if begin == 1 {
		value = -value
	}
	return value, styles, true
}

// few reads up to eight bytes at once (Lemire, Quickly Parsing Eight Digits, 2018); no styles where they are no number.
func few(text string) (digits uint64, behind int, styles Styles) {
	n := len(text)
	if n == 0 {
		return 0, 0, 0
	}
	// The bytes lie at the upper end of a packed, behind zeros.
	packed := word.Load(text) << (64 - 8*n)
	packed |= 0x3030303030303030 & (1<<(64-8*n) - 1)
	styles = points | commas
	if sign := signs(packed); sign != 0 {
		at := bits.TrailingZeros64(sign) &^ 7
		styles = points
		if byte(packed>>at) == ',' {
			styles = commas
		}
		behind = 8 - at/8 // with the sign
		if c := byte(packed >> at); c != '.' && c != ',' || sign&(sign-1) != 0 || behind == 1 || behind == 4 || behind == n {
			return 0, 0, 0
		}
		// What is before the sign moves up by one, with a zero before it.
		below := packed & (1<<at - 1)
		packed = packed&^(1<<(at+8)-1) | below<<8 | '0'
		if at == 56 {
			packed = below<<8 | '0'
		}
	}
	if (packed&0xf0f0f0f0f0f0f0f0)|((packed+0x0606060606060606)&0xf0f0f0f0f0f0f0f0)>>4 != 0x3333333333333333 {
		return 0, 0, 0
	}
	packed = (packed & 0x0f0f0f0f0f0f0f0f) * (1 + 10<<8) >> 8
	packed = (packed & 0x00ff00ff00ff00ff) * (1 + 100<<16) >> 16
	packed = (packed & 0x0000ffff0000ffff) * (1 + 10000<<32) >> 32
	return packed, behind, styles
}

// signs marks the points and commas of a word of digits with their high bits.
func signs(digits uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	// Digits have 0x10 set, the signs have not; what else has not is refused later.
	return (^digits & (0x10 * ones)) << 3 & highs
}

// many reads up to sixteen bytes, one by one.
func many(text string) (digits uint64, behind int, styles Styles) {
	sign := -1
	for i := range len(text) {
		c := text[i]
		if d := c - '0'; d <= 9 {
			digits = digits*10 + uint64(d)
		} else if (c == '.' || c == ',') && sign < 0 && i > 0 {
			sign = i
		} else {
			return 0, 0, 0
		}
	}
	switch behind = len(text) - sign; {
	case sign < 0 && len(text) <= 15:
		return digits, 0, points | commas
	case sign < 0 || behind == 1 || behind == 4:
		return 0, 0, 0
	case text[sign] == ',':
		return digits, behind, commas
	}
	return digits, behind, points
}

// powers are those of ten that a float64 holds, as far as they are wanted.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// pair is a number of two digits; 100 where it is none.
func pair(text string, at int) int {
	a, b := text[at]-'0', text[at+1]-'0'
	if a > 9 || b > 9 {
		return 100
	}
	return int(a)*10 + int(b)
}

// ISO reads the commonest forms of a date: 2024-03-01, and the same with T or a space and 12:30 or 12:30:05 behind it.
// Only year, month and day in this order read them. It gives seconds since 1970 in UTC. False is no verdict: the cell
// is ReadDate's then.
func ISO(text string) (seconds int64, ok bool) {
	if len(text) != 10 && len(text) != 16 && len(text) != 19 || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	century, year, month, day := pair(text, 0), pair(text, 2), pair(text, 5), pair(text, 8)
	if century > 99 || year > 99 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += 100 * century
	if day > daysOf(year, month) {
		return 0, false
	}
	seconds = 86400 * daysTo(year, month, day)
	if len(text) == 10 {
		return seconds, true
	}
	hour, minute, second := pair(text, 11), pair(text, 14), 0
	if text[10] != 'T' && text[10] != ' ' || text[13] != ':' {
		return 0, false
	}
	if len(text) == 19 {
		if text[16] != ':' {
			return 0, false
		}
		second = pair(text, 17)
	}
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return seconds + int64(3600*hour+60*minute+second), true
}

// daysTo are the days from 1970-01-01 in the Gregorian calendar (Hinnant, chrono-Compatible Low-Level Date Algorithms,
// days_from_civil), for years from 0 on.
func daysTo(year, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era := (year + 400) / 400
	ofEra := year + 400 - era*400
	ofYear := (153*((month+9)%12)+2)/5 + day - 1
	return int64((era-1)*146097+ofEra*365+ofEra/4-ofEra/100+ofYear) - 719468
}

func daysOf(year, month int) int {
	if month == 2 && (year%4 != 0 || year%100 == 0 && year%400 != 0) {
		return 28
	}
	return [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
}

// Unix is what ISO gives, as a time.
func Unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
