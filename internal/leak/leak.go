// Package leak fails a test suite that leaves goroutines behind.
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests and exits; goroutines of this module that are still
// there half a minute after the last test make it fail: a loaded machine may take
// its time to end those that have been told to. after is called behind the tests.
func Main(m *testing.M, after ...func()) {
	code := m.Run()
	for _, f := range after {
		f()
	}
	if code == 0 {
		if left := wait(30 * time.Second); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// wait returns the goroutines that are still there when the patience is over.
func wait(patience time.Duration) []string {
	for pause := time.Millisecond; ; pause *= 2 {
		left := leaked()
		if len(left) == 0 || patience <= 0 {
			return left
		}
		time.Sleep(pause)
		patience -= pause
	}
}

// leaked returns the stacks of the goroutines, other than the caller's, in
// which code of this module runs.
func leaked() []string {
	buf := make([]byte, 4<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	var left []string
	for _, s := range stacks[1:] {
		if strings.Contains(s, "parley-net/parley") && !strings.Contains(s, "testing.(*F).Fuzz") {
			left = append(left, s)
		}
	}
	return left
}
