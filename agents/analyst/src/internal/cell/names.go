package cell

import (
	"slices"
	"strings"
	"unicode"
)

// months are the beginnings of month names, in English, German, French, Spanish, Italian, Portuguese and Dutch.
var months = map[string]int{
	"jan": 1, "jän": 1, "gen": 1, "ene": 1, "feb": 2, "fév": 2, "fev": 2, "mar": 3, "mär": 3, "mrz": 3, "mrt": 3, "maa": 3,
	"apr": 4, "avr": 4, "abr": 4, "may": 5, "mai": 5, "mei": 5, "mag": 5, "jun": 6, "giu": 6, "jul": 7, "lug": 7,
	"aug": 8, "aoû": 8, "ago": 8, "sep": 9, "set": 9, "oct": 10, "okt": 10, "ott": 10, "out": 10, "nov": 11,
	"dec": 12, "dez": 12, "déc": 12, "dic": 12,
}

// monthNames are the whole names where three letters do not tell, or are not the whole name's first.
var monthNames = []string{
	"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	"januar", "jänner", "februar", "märz", "mai", "juni", "juli", "oktober", "dezember", "janvier", "février", "mars", "avril", "juin",
	"juillet", "août", "septembre", "octobre", "novembre", "décembre", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio",
	"agosto", "septiembre", "octubre", "noviembre", "diciembre", "gennaio", "febbraio", "aprile", "maggio", "giugno", "luglio",
	"settembre", "ottobre", "novembre", "dicembre", "janeiro", "fevereiro", "março", "maio", "junho", "julho", "setembro", "outubro",
	"novembro", "dezembro", "januari", "februari", "maart", "mei", "augustus", "sept", "juin", "juil", "janv", "févr", "avr", "jan", "feb",
}

func monthName(text string) (month, width int) {
	for width < len(text) && (text[width] >= 0x80 || unicode.IsLetter(rune(text[width]))) {
		width++
	}
	if width < 3 || width > 12 {
		return 0, 0
	}
	word := strings.ToLower(text[:width])
	letters := []rune(word)
	if len(letters) < 3 {
		return 0, 0
	}
	month = months[string(letters[:3])]
	if strings.HasPrefix(word, "juin") {
		month = 6
	} else if strings.HasPrefix(word, "juil") {
		month = 7
	}
	if month > 0 && len(letters) > 3 {
		if !slices.Contains(monthNames, word) {
			return 0, 0
		}
	}
	if month == 0 {
		return 0, 0
	}
	return month, width
}

// withoutWeekday takes the name of a day of the week off the beginning.
func withoutWeekday(text string) string {
	if startsDigit(text) {
		return text
	}
	word, rest, found := strings.Cut(text, " ")
	word = strings.ToLower(strings.TrimRight(word, ",."))
	if month, _ := monthName(word); !found || month > 0 {
		return text
	}
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
		"montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
		"lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"} {
		if len(word) >= 2 && strings.HasPrefix(day, word) {
			return strings.TrimSpace(rest)
		}
	}
	return text
}
