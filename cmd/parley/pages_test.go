package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// taskPages are the pages of docs whose commands TestTaskPages runs.
var taskPages = []string{"ask-an-instrument.md", "serve-a-device.md", "mock-an-instrument.md", "move-files.md", "watch-a-session.md", "find-it-again.md", "talk-to-python.md",
	"for-instruments.md", "for-python.md", "for-go.md", "for-operators.md"}

// No page has commands that are not run: blocks of them stand on the pages above; what
// is shown elsewhere, indented, is a command line that parses (TestExamplesParse), or
// runs tests that exist.
//
// Verifies: FIRST-05
func TestNoPageHasCommandsThatAreNotRun(t *testing.T) {
	indented := 0
	for name, text := range otherPages(t) {
		if filepath.Base(name) == "write-your-own-wire.md" {
			continue // the tests of examples/ run it
		}
		if block := regexp.MustCompile("(?m)^```(console|sh|bash|shell)\\b.*$").FindString(text); block != "" {
			t.Errorf("%s: a block %s is run by nothing", name, block)
		}
		for _, m := range regexp.MustCompile(`(?m)^    (?:\S+=\S+ )*go (?:test|run) .*$`).FindAllString(text, -1) {
			for _, dir := range regexp.MustCompile(`(?:^| )(\./[\w./]+)`).FindAllStringSubmatch(m, -1) {
				indented++
				if _, err := os.Stat(filepath.Join("../..", strings.TrimSuffix(dir[1], "..."))); err != nil {
					t.Errorf("%s: %s: %v", name, m, err)
				}
			}
		}
	}
	if indented < 3 {
		t.Errorf("only %d such command lines", indented)
	}
}

// otherPages returns the documents that TestTaskPages does not run.
func otherPages(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	for _, folder := range []string{"../../docs", "../../docs/protocol"} {
		files, err := filepath.Glob(folder + "/*.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(taskPages, filepath.Base(f)) {
				pages[f] = string(b)
			}
		}
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages", len(pages))
	}
	return pages
}
