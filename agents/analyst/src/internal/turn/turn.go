// Package turn is what the agent does with one request: each table it was given becomes a report, a plot and a memory.
package turn

import (
	"fmt"
	"path"
	"strings"
	"time"

	"aion.dev/agents/analyst/internal/host"
	"aion.dev/agents/analyst/internal/profile"
	"aion.dev/agents/analyst/internal/report"
)

const (
	outputMount = "output"
	collection  = "analyses"
	recalled    = 3
)

// Run answers one request. An error is for the log; what the person must know was said already.
func Run(caller host.Caller, input host.Input) error {
	if len(input.Input.Files) == 0 {
		return withoutFile(caller, input.Input.Text)
	}
	var answer strings.Builder
	var failed error
	for i, file := range input.Input.Files {
		if i > 0 {
			answer.WriteString("\n")
		}
		summary, err := analyse(caller, file, input.Input.Text, folder(input.Input.Files, i))
		if err != nil {
			failed = fmt.Errorf("%s: %w", file.Path, err)
			summary = fmt.Sprintf("%s could not be analysed: %v.\n", path.Base(file.Path), err)
		}
		answer.WriteString(summary)
	}
	if failed != nil {
		if err := host.Failed(caller, answer.String()); err != nil {
			return err
		}
		return failed
	}
	return host.Final(caller, answer.String())
}

// folder is where the results of one of several files go; the only file's lie at the top.
func folder(files []host.FileRef, i int) string {
	if len(files) == 1 {
		return ""
	}
	base := path.Base(files[i].Path)
	return fmt.Sprintf("%d-%s", i+1, strings.TrimSuffix(base, path.Ext(base)))
}

func analyse(caller host.Caller, ref host.FileRef, question, folder string) (string, error) {
	name := path.Base(ref.Path)
	told := progress{caller: caller, name: name, now: time.Now}
	read, err := open(caller, ref, question, told.heard)
	if err != nil {
		return "", err
	}
	file := report.File{Name: name, Size: read.size, Others: read.others}
	focus := mentioned(question)
	table, err := profile.Analyse(read.open, read.head, read.whole,
		profile.Options{Focus: focus, Pass: told.begin, Source: read.source})
	if err != nil {
		return "", err
	}
	say(caller, "writing the report")
	reportPath, plotPath := path.Join(folder, "report.md"), ""
	if plot := report.Plot(file, table, focus); plot != "" {
		plotPath = path.Join(folder, "plot.svg")
		if err := host.Write(caller, host.FileRef{Mount: outputMount, Path: plotPath}, []byte(plot)); err != nil {
			return "", err
		}
	}
	relative := ""
	if plotPath != "" {
		relative = path.Base(plotPath)
	}
	text := report.Markdown(file, table, question, focus, relative)
	if err := host.Write(caller, host.FileRef{Mount: outputMount, Path: reportPath}, []byte(text)); err != nil {
		return "", err
	}
	if left := report.LeftOut(file, table); left != "" {
		if err := host.LeftOut(caller, left); err != nil {
			return "", err
		}
	}
	summary := report.Summary(file, table, focus, reportPath, plotPath)
	// Without memory the analysis stands all the same, and its reader learns why it is not remembered.
	if err := remember(caller, file, table); err != nil {
		summary += fmt.Sprintf("\nIt is not remembered: %v.\n", err)
	}
	return summary, nil
}

func remember(caller host.Caller, file report.File, table *profile.Table) error {
	id := "analysis:" + file.Name
	if len(id) > 200 {
		id = strings.ToValidUTF8(id[:200], "")
	}
	return host.Remember(caller, id, collection, report.Memory(file, table), map[string]string{
		"file":    file.Name,
		"bytes":   fmt.Sprint(file.Size),
		"rows":    fmt.Sprint(table.Rows),
		"columns": fmt.Sprint(len(table.Columns)),
	})
}

// progress tells how far a file was read: at the beginning of each pass, and about once a second.
type progress struct {
	caller host.Caller
	name   string
	what   string
	now    func() time.Time
	last   time.Time
}

func (p *progress) begin(pass profile.Pass) {
	p.what = [...]string{
		"reading " + p.name + ": what the columns hold, and their figures",
		"reading " + p.name + " again: figures, trends, correlations",
		"reading " + p.name + " again: outliers",
	}[pass]
	p.last = p.now()
	say(p.caller, p.what)
}

func (p *progress) heard(offset, size int64) {
	if now := p.now(); now.Sub(p.last) >= time.Second && size > 0 {
		p.last = now
		say(p.caller, fmt.Sprintf("%s (%d %%)", p.what, 100*offset/size))
	}
}

// say tells about progress. Where nobody listens any more the next call with an effect will tell.
func say(caller host.Caller, text string) { _ = host.Progress(caller, text) }

// mentioned are the question's words, lower case, for comparison with the columns' names; with their quoted parts,
// which may be of several words.
func mentioned(question string) []string {
	question = strings.ToLower(question)
	words := strings.FieldsFunc(question, func(r rune) bool { return strings.ContainsRune(" \t\n\r,;:?!\"'()", r) })
	for i, part := range strings.FieldsFunc(question, func(r rune) bool { return r == '"' || r == '\'' }) {
		if i%2 == 1 {
			words = append(words, part)
		}
	}
	return words
}

func withoutFile(caller host.Caller, question string) error {
	texts, err := host.Recall(caller, question, collection, recalled)
	if err == nil && len(texts) == 0 && question != "" {
		texts, err = host.Recall(caller, "", collection, recalled)
	}
	var answer strings.Builder
	switch {
	case err != nil:
		fmt.Fprintf(&answer, "No file came with this request, and the memory of earlier ones does not answer: %v.\n", err)
	case len(texts) == 0:
		answer.WriteString("No file came with this request, and none was analysed before.\n")
	default:
		answer.WriteString("No file came with this request. From earlier ones:\n\n")
		for _, text := range texts {
			lines := strings.Split(strings.TrimSpace(text), "\n")
			fmt.Fprintf(&answer, "- %s\n", lines[0])
			for _, line := range lines[1:] {
				fmt.Fprintf(&answer, "    %s\n", line)
			}
		}
	}
	answer.WriteString("\nTo analyse a table: aionctl run analyst --file FILE.csv\n")
	return host.Final(caller, answer.String())
}
