//go:build !race

package zstd_test

import (
	"strings"
	"testing"
)

// Where there is room in dst, nothing is allocated. (With the race detector a
// sync.Pool forgets at random.)
func TestAllocations(t *testing.T) {
	a, b := connect(1 << 20)
	message, out, back := []byte(strings.Repeat("All work and no play. ", 100)), make([]byte, 0, 8000), make([]byte, 0, 8000)
	if n := testing.AllocsPerRun(100, func() {
		p, _ := a.Send(out, message)
		if _, err := b.Receive(back, p); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 { // the pools may be emptied once in a while
		t.Errorf("%v allocations for a message", n)
	}
}
