package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// figure writes a number for a reader: whole where it is whole, else with five significant digits, with groups
// of three, and with an exponent only where it is very large or very small.
func figure(value float64) string {
	size := math.Abs(value)
	switch {
	case math.IsNaN(value):
		return "–"
	case size >= 1e15 || size > 0 && size < 1e-4:
		return minus(strconv.FormatFloat(value, 'e', 3, 64))
	case value == math.Trunc(value):
		return grouped(strconv.FormatFloat(value, 'f', 0, 64))
	}
	decimals := 4 - int(math.Floor(math.Log10(size)))
	text := strconv.FormatFloat(value, 'f', max(1, min(decimals, 8)), 64)
	return grouped(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}

// count writes a whole number with groups of three.
func count(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

func grouped(text string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		sign, text = "−", rest
	}
	whole, fraction, has := strings.Cut(text, ".")
	var out strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	if has {
		out.WriteString("." + fraction)
	}
	return sign + out.String()
}

func minus(text string) string {
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		return "−" + rest
	}
	return text
}

// plural is `1 row`, `2 rows`.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// percent is a share in whole per cent, never 0 or 100 where it is neither.
func percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	share := 100 * float64(part) / float64(whole)
	switch {
	case part > 0 && share < 1:
		return "<1 %"
	case part < whole && share > 99:
		return ">99 %"
	}
	return strconv.Itoa(int(math.Round(share))) + " %"
}

// moment writes a time without the parts that are zero.
func moment(when time.Time) string {
	when = when.UTC()
	switch {
	case when.Hour() == 0 && when.Minute() == 0 && when.Second() == 0:
		return when.Format("2006-01-02")
	case when.Second() == 0:
		return when.Format("2006-01-02 15:04")
	}
	return when.Format("2006-01-02 15:04:05")
}

// bytes writes a file's size.
func bytes(n int64) string {
	switch {
	case n < 1024:
		return plural(n, "byte", "bytes")
	case n < 1<<20:
		return strconv.FormatFloat(float64(n)/1024, 'f', 1, 64) + " KiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
}
