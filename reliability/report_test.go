package reliability

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// report collects the figures that the tests have measured.
var report struct {
	sync.Mutex
	rows []row
}

type row struct{ test, figure string }

// figure notes what a test has measured.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	f := fmt.Sprintf(format, args...)
	t.Log(f)
	report.Lock()
	defer report.Unlock()
	report.rows = append(report.rows, row{t.Name(), f})
}

// printReport prints all figures as a table, in the order of the tests' names.
func printReport(w io.Writer) {
	report.Lock()
	defer report.Unlock()
	slices.SortStableFunc(report.rows, func(a, b row) int { return strings.Compare(a.test, b.test) })
	width := 0
	for _, r := range report.rows {
		width = max(width, len(r.test))
	}
	for _, r := range report.rows {
		fmt.Fprintf(w, "%-*s  %s\n", width, r.test, r.figure)
	}
}
