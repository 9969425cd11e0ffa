package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-net/parley/bench/internal/result"
)

func measured(set string, round int, server string, cpu, other float64) row {
	return row{Set: set, Cell: cell{64, 1, 16}, Round: round, Server: server,
		Report: result.Report{Msgs: 1, CPUNsMsg: cpu, MsgsPerSec: 1000, OtherUtil: other}}
}

// A machine that is twice as slow in one round changes no ratio.
func TestRatioIsWithinARound(t *testing.T) {
	rows := []row{
		measured("line", 0, floor, 100, 0), measured("line", 0, "x", 150, 0),
		measured("line", 1, floor, 200, 0), measured("line", 1, "x", 300, 0),
		measured("line", 2, floor, 400, 0), measured("line", 2, "x", 600, 0),
	}
	c := cell{64, 1, 16}
	if got := ratio(of(rows, "line", c, "x"), of(rows, "line", c, floor), cpu); got != 1.5 {
		t.Errorf("ratio %v, want 1.5", got)
	}
}

func TestDocument(t *testing.T) {
	name := filepath.Join(t.TempDir(), "p.md")
	d := document{calm: 0.1, missing: []string{"tokio (no cargo)"}, rows: []row{
		measured("line", 0, floor, 100, 0), measured("line", 0, "x", 150, 0.5),
		{Set: "line", Cell: cell{64, 1, 16}, Server: "bad", Error: "the answer differs"},
	}}
	if err := os.WriteFile(name, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.write(name); err == nil {
		t.Error("a document without marks is no error")
	}
	if err := os.WriteFile(name, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.write(name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "\nafter\n", "1.50", "disturbed in 1 of 1", "failed: the answer differs", "Not measured: tokio (no cargo)"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Error("what the last run wrote is still there")
	}
}

// The document of this repository has the marks between which the next run writes, and
// the plots that it shows.
func TestResultsCanBeWritten(t *testing.T) {
	const folder = "../../"
	text, err := os.ReadFile(folder + "RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(text), beginMark)
	if _, _, ended := strings.Cut(rest, endMark); !begun || !ended {
		t.Error("the marks are missing")
	}
	plots := regexp.MustCompile(`!\[[^]]*\]\(([^)]+)\)`).FindAllStringSubmatch(rest, -1)
	if len(plots) == 0 {
		t.Error("it shows no plots")
	}
	for _, p := range plots {
		if _, err := os.Stat(folder + p[1]); err != nil {
			t.Error(err)
		}
	}
}
