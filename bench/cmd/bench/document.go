package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// document is what a run has to say.
type document struct {
	rows    []row
	missing []string
	took    time.Duration
	rounds  int
	seconds float64
	calm    float64
}

// print writes the one table, and what must be known to read it.
func (d *document) print(w io.Writer) {
	t := full(d.rows, d.calm)
	t.print(w)
	fmt.Fprintln(w)
	d.circumstances(w)
}

func (d *document) circumstances(w io.Writer) {
	fmt.Fprintf(w, "Measured on %s in %d minutes, %d rounds of %gs each, on %s.\n", time.Now().Format("2006-01-02"),
		int(d.took.Minutes()+0.5), d.rounds, d.seconds, machine())
	if n := disturbed(d.rows, d.calm); n > 0 {
		fmt.Fprintf(w, "Other processes, or the host, used more than %g cores during %d of %d measurements.\n", d.calm, n, len(d.rows))
	} else {
		fmt.Fprintf(w, "No measurement was disturbed by more than %g cores of other work.\n", d.calm)
	}
	if server, generator := cores(false); server[0] == generator[0] {
		fmt.Fprintln(w, "There is one core only: server and generator shared it, so that latencies and speeds mean little.")
	}
	for _, m := range d.missing {
		fmt.Fprintf(w, "- Not measured: %s\n", m)
	}
}

// machine describes where this runs.
func machine() string {
	model := "an unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel := "Linux"
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		version, _, _ := strings.Cut(strings.TrimSpace(string(b)), "-")
		kernel += " " + version
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", model, runtime.NumCPU(), kernel, runtime.Version())
}

const (
	beginMark = "<!-- bench: begin. What follows is written by the benchmark. -->"
	endMark   = "<!-- bench: end -->"
)

// write puts the results between the marks of a Markdown document, and the
// plots into a folder beside it that is named as it is.
func (d *document) write(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", name, beginMark, endMark)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, beginMark)
	fmt.Fprintln(&b)
	d.circumstances(&b)
	for _, set := range []string{"line", "len4"} {
		var most, others []cell
		for _, c := range cellsIn(d.rows, set) {
			if slices.Contains(core, c) {
				most = append(most, c)
			} else {
				others = append(others, c)
			}
		}
		for i, cells := range [][]cell{most, others} {
			if len(cells) > 0 {
				fmt.Fprintf(&b, "\n### %s%s\n\n", sectionTitle(set), []string{"", ", the other cells"}[i])
				t := matrix(d.rows, set, cells)
				t.print(&b)
			}
		}
	}
	folder := strings.TrimSuffix(name, filepath.Ext(name))
	plots, err := plotAll(d.rows, folder)
	if err != nil {
		return err
	}
	if len(plots) > 0 {
		fmt.Fprint(&b, "\n### Scaling\n\n")
	}
	for _, p := range plots {
		fmt.Fprintf(&b, "![%s](%s/%s)\n\n", p.title, filepath.Base(folder), p.file)
	}
	fmt.Fprint(&b, "\n### Everything\n\n")
	t := full(d.rows, d.calm)
	t.print(&b)
	fmt.Fprint(&b, "\n"+endMark)
	return os.WriteFile(name, []byte(before+b.String()+after), 0o644)
}

func sectionTitle(name string) string {
	for _, s := range sets {
		if s.name == name {
			return strings.ToUpper(s.title[:1]) + s.title[1:]
		}
	}
	return name
}
