package turn

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"aion.dev/agents/analyst/internal/host"
	"aion.dev/agents/analyst/internal/profile"
	"aion.dev/agents/analyst/internal/report"
)

// outcome is what is right for one table of the corpus; tests/corpus/tables/make.py and sheets.py say what the fields are.
type outcome struct {
	Rows    int64
	Names   []string
	Kinds   map[string]string
	Figures map[string]map[string]float64
	Says    []string
	Refused []string
	Quiet   bool
	LeftOut bool
	// Question names a sheet.
	Question string
}

// Each file of the corpus is a case of its own: go test -v -run Corpus gives a line for each.
func TestCorpus(t *testing.T) {
	const folder = "../../../../../tests/corpus/tables"
	var cases []string
	for _, kind := range []string{"csv", "tsv", "xlsx", "ods"} {
		found, err := filepath.Glob(folder + "/*." + kind)
		if err != nil || len(found) == 0 {
			t.Fatalf("no *.%s in %s: %v", kind, folder, err)
		}
		cases = append(cases, found...)
	}
	if len(cases) < 70 {
		t.Fatalf("%d cases in %s", len(cases), folder)
	}
	for _, path := range cases {
		name := strings.TrimSuffix(path, filepath.Ext(path))
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want outcome
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&want); err != nil {
				t.Fatal(err)
			}
			check(t, filepath.Base(path), raw, want)
		})
	}
}

func check(t *testing.T, name string, raw []byte, want outcome) {
	var table *profile.Table
	file := report.File{Name: name, Size: int64(len(raw))}
	read, err := open(newNode(map[string]string{"input/" + name: string(raw)}), host.FileRef{Mount: "input", Path: name}, want.Question, nil)
	if err == nil {
		file.Others = read.others
		table, err = profile.Analyse(read.open, read.head, read.whole, profile.Options{Source: read.source})
	}
	if want.Refused != nil {
		for _, part := range want.Refused {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("the reason %v does not say %q", err, part)
			}
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if table.Rows != want.Rows {
		t.Errorf("%d rows, want %d", table.Rows, want.Rows)
	}
	var names []string
	columns := map[string]*profile.Column{}
	for _, column := range table.Columns {
		names = append(names, column.Name)
		columns[column.Name] = column
	}
	if want.Names != nil && !reflect.DeepEqual(names, want.Names) {
		t.Errorf("columns %q, want %q", names, want.Names)
	}
	for name, kind := range want.Kinds {
		if c := columns[name]; c == nil || c.Kind.String() != kind {
			t.Errorf("%s is %+v, want %s", name, c, kind)
		}
	}
	for name, figures := range want.Figures {
		c := columns[name]
		if c == nil || c.Kind != profile.Number {
			t.Errorf("%s is no column of numbers among %q", name, names)
			continue
		}
		got := map[string]float64{"mean": c.Moments.Mean(), "stdev": c.Moments.Stdev(), "min": c.Moments.Min, "max": c.Moments.Max,
			"q25": c.Sample.Percentile(25), "median": c.Sample.Percentile(50), "q75": c.Sample.Percentile(75)}
		for figure, value := range figures {
			if got[figure] != value {
				t.Errorf("%s: %s %v, want %v", name, figure, got[figure], value)
			}
		}
	}
	if left := report.LeftOut(file, table); (left != "") != want.LeftOut {
		t.Errorf("left out: %q", left)
	}
	answer := report.Summary(file, table, nil, "report.md", "plot.svg")
	for _, part := range want.Says {
		if !strings.Contains(answer, part) {
			t.Errorf("the answer does not say %q:\n%s", part, answer)
		}
	}
	if cautions := report.Cautions(file, table); want.Quiet && len(cautions) > 0 {
		t.Errorf("cautions where all was read: %+v", cautions)
	}
	if drawn := report.Plot(file, table, nil); strings.Contains(drawn, "NaN") || strings.Contains(drawn, "Inf") {
		t.Error("a coordinate of the plot is no number")
	}
}
