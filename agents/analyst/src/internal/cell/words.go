package cell

import "strings"

// Missing says whether a trimmed cell stands for "no value". What a spreadsheet writes where a formula failed is no
// value either.
func Missing(text string) bool {
	if len(text) > 8 {
		return false
	}
	switch text {
	case "", "-", "--", "–", "—", "?", ".", "..", "...", "…", "\\N":
		return true
	}
	switch text[0] {
	case 'n', 'N', '#', '-', '1', '<', '(':
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

// unitOf takes a unit off either end of a number.
func unitOf(text string) (rest, unit string, found bool) {
	for _, candidate := range units {
		// The longest that fits: R$ ends with $ too.
		if len(candidate) <= len(unit) || len(candidate) >= len(text) {
			continue
		}
		if bare := text[:len(text)-len(candidate)]; strings.EqualFold(text[len(bare):], candidate) {
			rest, unit, found = bare, candidate, true
		} else if strings.EqualFold(text[:len(candidate)], candidate) {
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
