package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestHistoryIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley", "history")
	h := open(t, path)
	for _, line := range []string{"one", "", "two", "two", " secret", "a\x1bb", "one"} {
		h.Add(line)
	}
	other := open(t, path) // of another session
	other.Add("three")
	h.Add("four")
	if err := h.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "two", "one", "three", "four"}
	if got := open(t, path).lines; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if h := open(t, path); h.Len() != 5 || h.At(0) != "four" || h.At(4) != "one" {
		t.Errorf("Len %d, At(0) %q, At(4) %q", h.Len(), h.At(0), h.At(4))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var file strings.Builder
	for i := range 3 * maxHistory {
		fmt.Fprintf(&file, "line %d\n", i)
	}
	file.WriteString("\x1b[2Jhostile\n")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, path)
	if newest, oldest := h.At(0), h.At(h.Len()-1); h.Len() != maxHistory || newest != "line 2999" || oldest != "line 2000" {
		t.Errorf("%d lines from %q to %q", h.Len(), oldest, newest)
	}
	b, err := os.ReadFile(path)
	if n := strings.Count(string(b), "\n"); err != nil || n != maxHistory {
		t.Errorf("the file has %d lines, %v", n, err)
	}
	h.Add("more")
	if h.Len() != maxHistory || h.At(0) != "more" {
		t.Errorf("after Add: %d lines, the newest %q", h.Len(), h.At(0))
	}
}

func TestHistoryThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	if h, err := OpenHistory(dir); err == nil {
		t.Errorf("a folder was opened as %v", h)
	}
	h := open(t, filepath.Join(dir, "sub", "history"))
	if err := os.Remove(filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	h.Add("line")
	if h.Err() == nil {
		t.Error("writing into a folder that is gone was no error")
	}
	if h.At(0) != "line" {
		t.Error("the line is not remembered in memory")
	}
}

func TestStateDir(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	if got, err := StateDir(); got != dir || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got, err := StateDir(); !filepath.IsAbs(got) || err != nil {
		t.Errorf("without a usable XDG_STATE_HOME: got %q, %v", got, err)
	}
}

func open(t *testing.T, path string) *History {
	t.Helper()
	h, err := OpenHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
