package embed

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// What others bring about can't fill the log: a kind of line comes once in a while, with how
// many were left out, whatever address is in its format, and there are not many kinds.
//
// Verifies: CLUSTER-09
func TestLogIsBounded(t *testing.T) {
	var out bytes.Buffer
	l := &logger{to: slog.New(slog.NewTextHandler(&out, nil))}
	for i := range 10_000 {
		l.Errorf(fmt.Sprintf("127.0.0.1:%d - lid:%d - authentication error", i, i))
		l.Errorf(fmt.Sprintf("kind %c%c of %%d", 'a'+i%26, 'a'+i/26%26), i)
	}
	if n := strings.Count(out.String(), "\n"); n != logMost {
		t.Errorf("%d lines, want %d", n, logMost)
	}
	l.begun = l.begun.Add(-2 * logEvery)
	l.Errorf("again")
	if !strings.Contains(out.String(), `"left out before"=199`) {
		t.Errorf("nobody is told how much was left out: %s", out.String()[max(out.Len()-200, 0):])
	}
}
