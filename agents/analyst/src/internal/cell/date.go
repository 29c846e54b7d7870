package cell

import (
	"strings"
	"time"
)

// DateLayout is how a column writes its dates.
type DateLayout struct {
	// Name is the form as a report shows it.
	Name   string
	layout string
	// Twin is the index of the layout with day and month exchanged, or -1.
	Twin int
}

// DateLayouts is every layout, in the order in which they win where several read a column equally well.
var DateLayouts = []DateLayout{
	{"YYYY-MM-DD", "2006-01-02", -1},
	{"RFC 3339", time.RFC3339Nano, -1},
	{"YYYY-MM-DDThh:mm:ss", "2006-01-02T15:04:05", -1},
	{"YYYY-MM-DD hh:mm:ss", "2006-01-02 15:04:05", -1},
	{"YYYY-MM-DD hh:mm", "2006-01-02 15:04", -1},
	{"YYYY/MM/DD", "2006/1/2", -1},
	{"DD.MM.YYYY", "2.1.2006", -1},
	{"DD.MM.YYYY hh:mm", "2.1.2006 15:04", -1},
	{"DD/MM/YYYY", "2/1/2006", 9},
	{"MM/DD/YYYY", "1/2/2006", 8},
	{"DD-MM-YYYY", "2-1-2006", 11},
	{"MM-DD-YYYY", "1-2-2006", 10},
	{"D Mon YYYY", "2 Jan 2006", -1},
	{"Mon D, YYYY", "Jan 2, 2006", -1},
	{"D Month YYYY", "2 January 2006", -1},
	{"Month D, YYYY", "January 2, 2006", -1},
	{"YYYY-MM", "2006-01", -1},
	{"YYYY", "2006", -1},
}

// YearLayout is the index of the layout that reads a bare year. Every four-digit number fits it, so a column
// must be called a year before it is tried.
var YearLayout = len(DateLayouts) - 1

// MayBeDate is a cheap test that comes before the layouts: a date has a digit, and is neither short nor long.
func MayBeDate(text string) bool {
	return len(text) >= 4 && len(text) <= 40 && strings.ContainsAny(text, "0123456789")
}

// Date reads a trimmed cell with one layout. Without a zone it is UTC.
func Date(text string, layout int) (time.Time, bool) {
	when, err := time.Parse(DateLayouts[layout].layout, text)
	return when, err == nil
}
