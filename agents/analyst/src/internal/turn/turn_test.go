package turn

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"aion.dev/agents/analyst/internal/host"
)

// node is a small stand-in for the node: files and memory in maps, everything that was said in a list.
type node struct {
	files    map[string][]byte
	said     []string
	left     []string
	final    string
	failed   string
	memories map[string]string
	refuse   map[string]string
	reads    int
}

func newNode(files map[string]string) *node {
	n := &node{files: map[string][]byte{}, memories: map[string]string{}, refuse: map[string]string{}}
	for name, text := range files {
		n.files[name] = []byte(text)
	}
	return n
}

func (n *node) Call(name string, body []byte) (int, []byte, error) {
	if detail, refused := n.refuse[name]; refused {
		return 403, fmt.Appendf(nil, `{"code":"denied","detail":%q,"remedy":"ask for it"}`, detail), nil
	}
	var request struct {
		Mount, Path, Mode, Kind, Text, Query string
		Data                                 []byte
		Offset                               int64
		Length                               int
		Items                                []struct{ ID, Text string }
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return 400, nil, err
	}
	path := request.Mount + "/" + request.Path
	switch name {
	case "fs.read":
		n.reads++
		content, found := n.files[path]
		if !found {
			return 404, []byte(`{"code":"not-found","detail":"no such file","remedy":"list what there is"}`), nil
		}
		from := min(request.Offset, int64(len(content)))
		to := min(from+int64(request.Length), int64(len(content)))
		answer, err := json.Marshal(map[string]any{"data": content[from:to], "size": len(content), "modifiedMs": 7})
		return 200, answer, err
	case "fs.write":
		if request.Mode == "replace" {
			n.files[path] = nil
		}
		n.files[path] = append(n.files[path], request.Data...)
		return 200, []byte(`{"size":1}`), nil
	case "agent.message":
		switch request.Kind {
		case "final":
			n.final = request.Text
		case "failed":
			n.failed = request.Text
		case "leftOut":
			n.left = append(n.left, request.Text)
		default:
			n.said = append(n.said, request.Text)
		}
		return 200, []byte("{}"), nil
	case "memory.remember":
		for _, item := range request.Items {
			n.memories[item.ID] = item.Text
		}
		return 200, []byte(`{"ids":[]}`), nil
	case "memory.recall":
		var hits []map[string]string
		for _, text := range n.memories {
			hits = append(hits, map[string]string{"text": text})
		}
		answer, err := json.Marshal(map[string]any{"hits": hits})
		return 200, answer, err
	}
	return 404, nil, nil
}

func run(t *testing.T, n *node, question string, files ...string) error {
	t.Helper()
	var input host.Input
	input.Input.Text = question
	for _, file := range files {
		input.Input.Files = append(input.Input.Files, host.FileRef{Mount: "input", Path: file})
	}
	return Run(n, input)
}

// orders is two years of days: a rise, a season, noise from a fixed generator, two spikes, some gaps.
func orders() string {
	var out strings.Builder
	out.WriteString("date,region,orders,revenue,returned\n")
	state := uint64(1)
	noise := func() float64 {
		state = state*6364136223846793005 + 1442695040888963407
		return float64(state>>40)/float64(1<<24) - 0.5
	}
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range 731 {
		count := 120 + 0.16*float64(day) + 9*math.Sin(float64(day)/58) + 14*noise()
		if day == 200 || day == 512 {
			count *= 3
		}
		returned := fmt.Sprintf("%.0f", count*0.04+2*noise())
		if day%13 == 0 {
			returned = ""
		}
		fmt.Fprintf(&out, "%s,%s,%.0f,%.2f,%s\n", start.AddDate(0, 0, day).Format("2006-01-02"),
			[]string{"north", "south", "west"}[day%3], count, count*23.5+90*noise(), returned)
	}
	return out.String()
}

func TestATableBecomesAReportAPlotAMemoryAndAnAnswer(t *testing.T) {
	n := newNode(map[string]string{"input/orders.csv": orders()})
	if err := run(t, n, "What about revenue?", "orders.csv"); err != nil {
		t.Fatal(err)
	}
	report, plot := string(n.files["output/report.md"]), string(n.files["output/plot.svg"])
	for _, want := range []string{"# orders.csv", "731 rows and 5 columns", "**revenue** rises clearly over date", "## Outliers", "(plot.svg)"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not say %q:\n%s", want, report)
		}
	}
	if !strings.HasPrefix(plot, "<svg") || strings.Index(plot, ">revenue<") > strings.Index(plot, ">orders<") {
		t.Error("the plot does not begin with the column that was asked for")
	}
	if !strings.Contains(n.memories["analysis:orders.csv"], "731 rows") {
		t.Errorf("remembered %q", n.memories)
	}
	if !strings.Contains(n.final, "2 outliers") || !strings.Contains(n.final, "report.md") {
		t.Errorf("answered %q", n.final)
	}
	if len(n.said) == 0 {
		t.Error("said nothing on the way")
	}
	if folder := os.Getenv("ANALYST_KEEP"); folder != "" {
		for name, content := range n.files {
			if err := os.WriteFile(folder+"/"+strings.ReplaceAll(name, "/", "-"), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestALargeFileIsReadInChunksWithoutChangingAFigure(t *testing.T) {
	var text strings.Builder
	text.WriteString("n,half,name\n")
	rows := 600_000
	for i := 1; i <= rows; i++ {
		fmt.Fprintf(&text, "%d,%d.5,\"row, %d\"\n", i%1000, i%7, i)
	}
	if text.Len() < 10<<20 {
		t.Fatalf("only %d bytes", text.Len())
	}
	n := newNode(map[string]string{"input/big.csv": text.String()})
	if err := run(t, n, "", "big.csv"); err != nil {
		t.Fatal(err)
	}
	if want := text.Len()/(384<<10) + 1; n.reads < want {
		t.Errorf("%d reads, of at least %d", n.reads, want)
	}
	report := string(n.files["output/report.md"])
	// n is 0 to 999, each 600 times: mean 499.5, sample deviation sqrt((1000²-1)/12 · N/(N-1)) = 288.67….
	for _, want := range []string{"600,000 rows", "| n | 499.5 | 288.68 | 0 |", "| name | text | 600,000 | 0 | over 100,000 |"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not say %q:\n%s", want, report)
		}
	}
}

func TestSeveralFilesDoNotOverwriteEachOthersReports(t *testing.T) {
	n := newNode(map[string]string{"input/a.csv": "x,y\n1,2\n2,3\n", "input/b.csv": "x,y\n1,2\n2,3\n"})
	if err := run(t, n, "", "a.csv", "b.csv"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"output/1-a/report.md", "output/2-b/report.md"} {
		if len(n.files[name]) == 0 {
			t.Errorf("no %s", name)
		}
	}
}

func TestAFileThatIsNoTableFailsTheTurnAndSaysWhyAndWhatToDo(t *testing.T) {
	n := newNode(map[string]string{"input/a.xlsx": "PK\x03\x04\x00\x00", "input/empty.csv": ""})
	for file, told := range map[string][]string{
		"a.xlsx":    {"ZIP archive that breaks off", "save it as CSV"},
		"empty.csv": {"the file is empty", "give one with a row of names"},
	} {
		if err := run(t, n, "", file); err == nil {
			t.Errorf("%s: no error", file)
		}
		for _, words := range told {
			if !strings.Contains(n.failed, words) || n.final != "" {
				t.Errorf("%s: said %q, answered %q", file, n.failed, n.final)
			}
		}
	}
	if err := run(t, n, "", "missing.csv"); err == nil || !strings.Contains(n.failed, "no such file") {
		t.Errorf("%v, said %q", err, n.failed)
	}
}

func TestWithoutMemoryTheAnalysisStands(t *testing.T) {
	n := newNode(map[string]string{"input/a.csv": "x,y\n1,2\n2,3\n"})
	n.refuse["memory.remember"] = "no grant covers memory.remember"
	if err := run(t, n, "", "a.csv"); err != nil {
		t.Fatal(err)
	}
	if len(n.files["output/report.md"]) == 0 || !strings.Contains(n.final, "It is not remembered: memory.remember: no grant") {
		t.Errorf("answered %q", n.final)
	}
}

func TestWithoutAFileItTellsWhatItRemembers(t *testing.T) {
	n := newNode(nil)
	if err := run(t, n, "what about orders?"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.final, "aionctl run analyst --file") {
		t.Errorf("answered %q", n.final)
	}
	n.memories["analysis:orders.csv"] = "orders.csv has 731 rows.\nrevenue rises."
	if err := run(t, n, "what about orders?"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.final, "- orders.csv has 731 rows.\n    revenue rises.") {
		t.Errorf("answered %q", n.final)
	}
}
