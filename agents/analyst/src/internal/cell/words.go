package cell

import "strings"

// Missing says whether a trimmed cell stands for "no value". What a spreadsheet writes where a formula failed is no
// value either.
func Missing(text string) bool {
	if len(text) > 8 {
		return false
	}
	switch text {
	case "", "-", "--", "---", "----", "-----", "–", "—", "?", ".", "..", "...", "…", "\\N":
		return true
	}
	switch text[0] {
	case 'n', 'N':
		if len(text) > 4 {
			return false
		}
	case '#', '-', '1', '<', '(':
	default:
		return false
	}
	switch strings.ToLower(text) {
	case "na", "n/a", "n.a.", "#n/a", "null", "none", "nan", "nil", "-nan", "1.#qnan", "<na>", "(null)",
		"#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!":
		return true
	}
	return false
}

// units are what a number may have before or behind it.
var units = []string{
	"%", "‰", "€", "$", "£", "¥", "₹", "₽", "₩", "₺", "₫", "₪", "₴", "₦", "₱", "฿", "¢", "R$", "US$", "A$", "C$", "HK$", "zł", "kr.", "kr",
	"Kč", "Ft", "lei", "Fr.", "SFr.", "Rs.", "Rs", "TL", "€/h",
	"EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "RUB", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "TRY", "BRL", "CAD", "AUD",
	"NZD", "MXN", "ZAR", "KRW", "SGD", "HKD", "ILS", "UAH", "THB", "AED", "SAR", "IRR",
}

// unitsBy are the units by their first and by their last byte, in lower case: most cells are no number, and must not be
// compared with all of them.
var unitsBy = func() (by [2][256][]string) {
	for _, unit := range units {
		first, last := lower(unit[0]), lower(unit[len(unit)-1])
		by[0][first] = append(by[0][first], unit)
		by[1][last] = append(by[1][last], unit)
	}
	return by
}()

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// unitOf takes a unit off either end of a number: the longest that fits, since R$ ends with $ too.
func unitOf(text string) (rest, unit string, found bool) {
	for _, candidate := range unitsBy[1][lower(text[len(text)-1])] {
		bare := len(text) - len(candidate)
		if bare > 0 && len(candidate) > len(unit) && strings.EqualFold(text[bare:], candidate) {
			rest, unit, found = text[:bare], candidate, true
		}
	}
	for _, candidate := range unitsBy[0][lower(text[0])] {
		if len(candidate) < len(text) && len(candidate) > len(unit) && strings.EqualFold(text[:len(candidate)], candidate) {
			rest, unit, found = text[len(candidate):], candidate, true
		}
	}
	return rest, unit, found
}

// truths are pairs of words for yes and no, in several languages. Digits are no truth values: they are numbers.
var truths = map[string]struct {
	pair int
	yes  bool
}{
	"true": {1, true}, "false": {1, false}, "yes": {2, true}, "no": {2, false}, "y": {3, true}, "n": {3, false},
	"t": {4, true}, "f": {4, false}, "on": {5, true}, "off": {5, false}, "ja": {6, true}, "nein": {6, false},
	"wahr": {7, true}, "falsch": {7, false}, "oui": {8, true}, "non": {8, false}, "vrai": {9, true}, "faux": {9, false},
	"sí": {10, true}, "verdadero": {11, true}, "falso": {11, false}, "да": {12, true}, "нет": {12, false},
	"evet": {13, true}, "hayır": {13, false}, "tak": {14, true}, "nie": {14, false}, "sim": {15, true}, "não": {15, false},
	"nee": {6, false}, "nej": {6, false}, "vero": {11, true}, "sì": {10, true},
}

// Truth reads a truth value. Two cells of a column that mean it have the same pair; pair 10 takes its no from 2.
func Truth(text string) (yes bool, pair int, ok bool) {
	if len(text) > 12 {
		return false, 0, false
	}
	word, ok := truths[strings.ToLower(text)]
	return word.yes, word.pair, ok
}
