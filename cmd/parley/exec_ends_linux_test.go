package main

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// What a program has printed leaves after it has ended, for a client that reads later
// than a connection that is closed waits.
//
// Verifies: EXEC-08
func TestProgramEndsBeforeItsClientReads(t *testing.T) {
	t.Parallel()
	const lines, each = 1_500_000, 10 // more than systems take ahead, and than --max-output
	s := startExecServerAt(t, "line://127.0.0.1:0", 300*time.Millisecond, fmt.Sprintf("seq 100000000 %d", 100_000_000+lines-1))
	nc := rawClient(t, s.addr, "")
	nc.SetReadBuffer(20_000)
	const first = 6_000_000 // then the program can end
	if _, err := io.ReadFull(nc, make([]byte, first)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(8 * time.Second) // longer than Timeouts.Close: it can't be done in virtual time
	if got := first + len(readToEnd(t, nc)); got != lines*each {
		t.Errorf("heard %d bytes, want %d", got, lines*each)
	}
	s.waitGone()
}
