package main

import (
	"os"
	"path/filepath"
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
