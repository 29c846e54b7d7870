package csvfile

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Encoding is how characters became bytes.
type Encoding int

// The encodings that are told apart. The single-byte ones have no mark: they are guessed from what they make of
// the text.
const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
	Windows1252
	Windows1250
	Windows1251
	Windows1253
	Windows1254
	KOI8R
	CP850
	MacRoman
)

// String is the encoding's usual name.
func (e Encoding) String() string {
	return [...]string{"UTF-8", "UTF-16 (little-endian)", "UTF-16 (big-endian)", "Windows-1252", "Windows-1250",
		"Windows-1251", "Windows-1253", "Windows-1254", "KOI8-R", "code page 850", "Mac Roman"}[e]
}

// Guessed says that nothing in the file says so: the encoding is the one in which its letters make words.
func (e Encoding) Guessed() bool { return e >= Windows1252 }

// detectEncoding gives the encoding and how many bytes of byte-order mark come first.
func detectEncoding(head []byte) (Encoding, int) {
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return UTF16BE, 2
	}
	if encoding, ok := unmarkedUTF16(head); ok {
		return encoding, 0
	}
	if mostlyUTF8(head) {
		return UTF8, 0
	}
	best, bestScore := Windows1252, -1<<62
	for encoding := Windows1252; encoding <= MacRoman; encoding++ {
		if score := plausible(head, codePages[encoding]); score > bestScore {
			best, bestScore = encoding, score
		}
	}
	return best, 0
}

// unmarkedUTF16 looks at where the zero bytes are: a table has digits, separators and line ends, whose upper byte
// is zero in every script.
func unmarkedUTF16(head []byte) (Encoding, bool) {
	var zeros [2]int
	for i, b := range head {
		if b == 0 {
			zeros[i&1]++
		}
	}
	few, many := len(head)/200, len(head)/8
	switch {
	case len(head) < 8:
		return UTF8, false
	case zeros[1] > many && zeros[0] <= few:
		return UTF16LE, true
	case zeros[0] > many && zeros[1] <= few:
		return UTF16BE, true
	}
	return UTF8, false
}

// mostlyUTF8 allows a stray byte: where the rest of the characters beyond ASCII are UTF-8, the file is. The head may
// end inside a character.
func mostlyUTF8(head []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(head); {
		if head[i] < utf8.RuneSelf {
			i++
			continue
		}
		if !utf8.FullRune(head[i:]) {
			break
		}
		r, size := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && size == 1 {
			bad++
		} else {
			good++
		}
		i += size
	}
	return bad == 0 || good > 4*bad
}

// plausible says how much the text looks like words in a code page. Letters inside words of their own script and
// case speak for it; holes, control characters, signs between letters, and capitals after small letters against it.
// The commoner page wins where two read the text alike, since it comes first.
func plausible(head []byte, page [128]rune) int {
	score, high := 0, 0
	at := func(i int) rune {
		if i < 0 || i >= len(head) {
			return ' '
		}
		if head[i] < utf8.RuneSelf {
			return rune(head[i])
		}
		return page[head[i]-utf8.RuneSelf]
	}
	for i, b := range head {
		if b < utf8.RuneSelf {
			continue
		}
		if high++; high > 20_000 {
			break
		}
		r, before, after := at(i), at(i-1), at(i+1)
		switch {
		case r == utf8.RuneError || unicode.IsControl(r):
			score -= 20
		case unicode.IsLetter(r):
			score += letter(r, before, after)
		case unicode.IsLetter(before) && unicode.IsLetter(after) && r != '’':
			score -= 6
		case r == '\u00a0' || r == '€' || r == '£' || r == '°' || r == '–' || r == '’' || r == '“' || r == '”' || r == '§':
			score++
		default:
			score--
		}
	}
	return score
}

func letter(r, before, after rune) int {
	score := 1
	for _, other := range []rune{before, after} {
		if !unicode.IsLetter(other) {
			continue
		}
		switch {
		case script(other) != script(r):
			score -= 6
		case script(r) == unicode.Latin && other >= 0x80:
			score -= 2 // two letters with accents beside each other are seldom
		default:
			score++
		}
	}
	if unicode.IsUpper(r) && unicode.IsLower(before) {
		score -= 5
	}
	if unicode.IsUpper(r) && unicode.IsLower(after) && unicode.IsLetter(before) {
		score -= 2
	}
	if common[r] {
		score += 2
	} else if r == 'ý' || r == 'Ý' || r == 'ţ' || r == 'đ' {
		score++
	} else if script(r) == unicode.Latin {
		score--
	}
	return score
}

func script(r rune) *unicode.RangeTable {
	switch {
	case unicode.Is(unicode.Latin, r):
		return unicode.Latin
	case unicode.Is(unicode.Cyrillic, r):
		return unicode.Cyrillic
	case unicode.Is(unicode.Greek, r):
		return unicode.Greek
	}
	return nil
}

// common are the accented letters that the languages of the Latin code pages write often.
var common = func() map[rune]bool {
	set := map[rune]bool{}
	for _, r := range "äöüßÄÖÜéèêëàâçîïôûùœÉÀÇñáíóúÑÁÍÓÚãõåæøÅÆØìòışğİŞĞąćęłńśźżĄĆĘŁŃŚŹŻčďěňřšťůžČĎĚŇŘŠŤŮŽőűŐŰăâîșț" {
		set[r] = true
	}
	return set
}()
