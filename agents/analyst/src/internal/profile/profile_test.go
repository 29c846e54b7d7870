package profile

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"aion.dev/agents/analyst/internal/cell"
)

func analyse(t *testing.T, text string, focus ...string) *Table {
	t.Helper()
	open := func() (io.Reader, error) { return strings.NewReader(text), nil }
	table, err := Analyse(open, []byte(text), true, Options{Focus: focus})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func kinds(table *Table) string {
	var out []string
	for _, c := range table.Columns {
		out = append(out, c.Name+":"+c.Kind.String())
	}
	return strings.Join(out, " ")
}

func TestColumnsAreKnownByWhatNineInTenCellsHold(t *testing.T) {
	var text strings.Builder
	text.WriteString("id,when,town,amount,mixed,blank\n")
	for i := 1; i <= 20; i++ {
		amount, mixed := fmt.Sprint(i*10), "x"
		if i == 7 {
			amount = "unknown"
		}
		if i%2 == 0 {
			mixed = "4"
		}
		fmt.Fprintf(&text, "%d,2024-01-%02d,%s,%s,%s,\n", i, i, []string{"Oslo", "Bern"}[i%2], amount, mixed)
	}
	table := analyse(t, text.String())
	if got, want := kinds(table), "id:number when:date town:text amount:number mixed:mixed blank:empty"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if id := table.Columns[0]; !id.Sequence || id.Numeric() {
		t.Error("a column that counts the rows has figures that mean something")
	}
	if table.Axis != table.Columns[1] {
		t.Error("the dates are not the axis")
	}
	amount := table.Columns[3]
	if amount.Odd.Count != 1 || amount.Odd.Line != 8 || amount.Odd.Text != "unknown" {
		t.Errorf("odd cell: %+v", amount)
	}
	if table.Rows != 20 || table.Columns[2].Distinct != 2 || table.Columns[2].Top[0] != (Frequency{"Bern", 10}) {
		t.Errorf("rows %d, towns %+v", table.Rows, table.Columns[2])
	}
}

// Sales 10, 12, … one a day, and 500 on the last line: quartiles of 10,12,…,38,500 (n=16) are 17.5 and 32.5.
func TestOneHugeNumberInEachRowCountsNothing(t *testing.T) {
	table := analyse(t, "n,huge\n"+strings.Repeat("1,1e308\n", 20))
	if huge := table.Columns[1]; huge.Sequence || !huge.Numeric() {
		t.Error("a number that adding 1 leaves as it is counts the rows")
	}
}

func TestFiguresTrendAndOutlierAgreeWithTheFile(t *testing.T) {
	var text strings.Builder
	text.WriteString("day;sales\n")
	for i := range 15 {
		fmt.Fprintf(&text, "2024-03-%02d;%d\n", i+1, 10+2*i)
	}
	exact := analyse(t, text.String())
	sales := exact.Columns[1]
	if math.Abs(sales.Trend.Slope-2) > 1e-9 || math.Abs(sales.Trend.R2-1) > 1e-9 {
		t.Errorf("a straight line has slope 2 a day: %+v", sales.Trend)
	}
	if sales.OutlierN != 0 {
		t.Errorf("outliers %+v", sales.Outliers)
	}
	text.WriteString("2024-03-16;500\n")
	table := analyse(t, text.String())
	sales = table.Columns[1]
	if got := sales.Sample.Percentile(25); got != 17.5 {
		t.Errorf("first quartile %v", got)
	}
	if got := sales.Moments.Mean(); math.Abs(got-(24*15+500)/16.0) > 1e-9 {
		t.Errorf("mean %v", got)
	}
	if sales.OutlierN != 1 || sales.Outliers[0].Line != 17 || sales.Outliers[0].Value != 500 {
		t.Errorf("outliers %+v", sales.Outliers)
	}
	if sales.Series == nil || sales.Series.Bins[0].Mean != 10 || sales.Series.Bins[len(sales.Series.Bins)-1].Max != 500 {
		t.Error("the series does not begin with 10 and end with 500")
	}
}

func TestAHeaderIsFoundOrMissedAsAReaderWould(t *testing.T) {
	cases := map[string]bool{
		"name,n\na,1\nb,2\n":                      true,
		"a,1\nb,2\nc,3\n":                         false,
		"country,2019,2020\nNO,5.5,6\nCH,7,8\n":   true,
		"colour,size\nred,big\nblue,small\n":      true,
		"red,big\nblue,small\nred,big\n":          false,
		"2024-01-01,5\n2024-01-02,6\n":            false,
		"when,what\n2024-01-01,a\n2024-01-02,b\n": true,
		"1,2,3\n":  false,
		"a,b,c\n":  true,
		"a,a\n1,2": true,
	}
	for text, want := range cases {
		if got := analyse(t, text).Layout.Header; got != want {
			t.Errorf("%q: header %v", text, got)
		}
	}
	if names := columnNames([]string{"a", "", "a"}, 4); strings.Join(names, "|") != "a|column 2|a (2)|column 4" {
		t.Errorf("%q", names)
	}
}

func TestADecimalCommaIsReadAsOne(t *testing.T) {
	table := analyse(t, "item;price\na;1,500\nb;2,750\nc;1.003,100\n")
	price := table.Columns[1]
	if price.Style != cell.DotGrouped || price.Moments.Max != 1003.1 {
		t.Errorf("%v %+v", price.Style, price.Moments)
	}
	grouped := analyse(t, "item,price\na,\"1,500\"\nb,\"2,750\"\nc,\"1,003.5\"\n").Columns[1]
	if grouped.Style != cell.Grouped || grouped.Moments.Max != 2750 {
		t.Errorf("%v %+v", grouped.Style, grouped.Moments)
	}
}

func TestADayThatCouldBeAMonthIsSaidToBe(t *testing.T) {
	open := analyse(t, "d,v\n03/04/2024,1\n05/06/2024,2\n").Columns[0]
	if open.Kind != Date || open.Certainty != Undecided {
		t.Errorf("%+v", open)
	}
	settled := analyse(t, "d,v\n03/04/2024,1\n05/16/2024,2\n").Columns[0]
	if settled.Certainty != Sure || settled.First.Month() != 3 || settled.Last.Day() != 16 {
		t.Errorf("%+v", settled)
	}
}

func TestRowsOfTheWrongWidthAreCountedAndMissingCellsToo(t *testing.T) {
	table := analyse(t, "a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,,3\n1,NA,3\n")
	if table.Short.Count != 1 || table.Short.Line != 3 || table.Long.Count != 1 || table.Long.Line != 4 {
		t.Errorf("%+v", table)
	}
	if b := table.Columns[1]; b.Missing != 2 || b.Present != 3 {
		t.Errorf("%+v", b)
	}
	if c := table.Columns[2]; c.Missing != 1 {
		t.Errorf("%+v", c)
	}
}

// x = 1..6, y = 7 - x, z is neither.
func TestColumnsThatGoTogetherAreFound(t *testing.T) {
	table := analyse(t, "x,y,z\n1.5,5.5,3\n2,5,9\n3,4,1\n4,3,7\n5,2,2\n6,1,5\n")
	if len(table.Correlations) != 1 {
		t.Fatalf("%+v", table.Correlations)
	}
	found := table.Correlations[0]
	if found.A.Name != "x" || found.B.Name != "y" || math.Abs(found.R+1) > 1e-12 || found.N != 6 {
		t.Errorf("%+v", found)
	}
}

func TestAYearColumnIsTheAxisOnlyUnderItsName(t *testing.T) {
	year := analyse(t, "year,v\n2001,5\n2002,6\n2003,8\n")
	if year.Axis == nil || year.Columns[0].Kind != Date {
		t.Errorf("%s", kinds(year))
	}
	other := analyse(t, "size,v\n2001,5\n2002,6\n2003,8\n")
	if other.Columns[0].Kind != Number {
		t.Errorf("%s", kinds(other))
	}
}

func TestWhatWasAskedForIsDrawnFirst(t *testing.T) {
	text := "a,b,c,d\n1,2,3,9\n4,5,6,2\n7,8,1,4\n2,2,2,8\n"
	plotted := analyse(t, text, "d").Plotted([]string{"d"})
	if len(plotted) != maxPlotted || plotted[0].Name != "d" || plotted[1].Name != "a" {
		t.Errorf("%v", plotted)
	}
	for _, column := range plotted {
		if column.Histogram == nil {
			t.Errorf("%s has no histogram", column.Name)
		}
	}
}

func TestATableOfOneColumnAndNoRowsIsNoError(t *testing.T) {
	if table := analyse(t, "only\n"); table.Rows != 0 || len(table.Columns) != 1 {
		t.Errorf("%+v", table)
	}
	if table := analyse(t, "v\n3\n4\n8\n"); table.Columns[0].Kind != Number {
		t.Errorf("%s", kinds(table))
	}
}

func TestAFileTooLargeToKeepGivesTheSame(t *testing.T) {
	var text strings.Builder
	text.WriteString("day,a,b\n")
	for i := range 400 {
		day := fmt.Sprintf("2024-%02d-%02d", 1+i/28%12, 1+i%28)
		if i%50 == 0 {
			day = ""
		}
		fmt.Fprintf(&text, "%s,%d,%d\n", day, i*i%97, map[bool]int{true: 9000, false: i % 13}[i%100 == 0])
	}
	want := analyse(t, text.String())
	most := maxKept
	maxKept = 100
	defer func() { maxKept = most }()
	got := analyse(t, text.String())
	if want.kept.all || got.kept.all {
		t.Error("what was kept is kept on")
	}
	for i, column := range got.Columns {
		other := want.Columns[i]
		if fmt.Sprint(column.Outliers) != fmt.Sprint(other.Outliers) || fmt.Sprint(column.Series) != fmt.Sprint(other.Series) {
			t.Errorf("%s: %v\n%v", column.Name, column.Outliers, other.Outliers)
		}
	}
	if n := got.Columns[2].OutlierN; n != 4 {
		t.Errorf("%d outliers of 4", n)
	}
}

func TestTheFirstCellThatIsNoTimeOrTruthIsNamed(t *testing.T) {
	var text strings.Builder
	text.WriteString("at,open\n")
	for i := range 20 {
		at, open := fmt.Sprintf("%02d:30", i), []string{"yes", "no"}[i%2]
		if i == 6 {
			at, open = "7", "3"
		}
		fmt.Fprintf(&text, "%s,%s\n", at, open)
	}
	table := analyse(t, text.String())
	if got := kinds(table); got != "at:time open:boolean" {
		t.Fatal(got)
	}
	for i, want := range []string{"7", "3"} {
		if odd := table.Columns[i].Odd; odd.Count != 1 || odd.Line != 8 || odd.Text != want {
			t.Errorf("%+v", odd)
		}
	}
}

// A date that comes again in the next row counts as each of them.
func TestDatesThatComeAgainAreCounted(t *testing.T) {
	var text strings.Builder
	text.WriteString("day,kg\n")
	for i := range 400 {
		day := fmt.Sprintf("2024-01-%02d", 1+i/20)
		if i%20 == 7 {
			day = []string{"lost", "3"}[i/20%2]
		}
		fmt.Fprintf(&text, "%s,%d\n", day, i)
	}
	day := analyse(t, text.String()).Columns[0]
	if day.Kind != Date || day.Present != 400 || day.Odd.Count != 20 || day.Odd.Line != 9 || day.Odd.Text != "lost" || day.Distinct != 22 {
		t.Errorf("%v, %d present, odd %+v, %d different", day.Kind, day.Present, day.Odd, day.Distinct)
	}
	if len(day.Top) == 0 || day.Top[0].Count != 19 {
		t.Errorf("%+v", day.Top)
	}
}
