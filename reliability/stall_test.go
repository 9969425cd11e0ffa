package reliability

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
)

// A peer that stops at any byte, without a word, is found within the limit that
// belongs to that byte: the handshake's, or that of a message's progress.
// Between messages it may be silent for ever.
//
// Verifies: RUNTIME-08, RUNTIME-10, RUNTIME-14, TINYPROTO-03
func TestStallAtEachByte(t *testing.T) {
	const handshake, progress = 10 * time.Second, 20 * time.Second
	eachMemoryDriver(t, func(t *testing.T, d driver) {
		for _, w := range forms {
			t.Run(w.name, func(t *testing.T) {
				talk, whole := talk(w)
				boundary := map[int]bool{0: w.opens == 0, len(w.hello): true}
				for _, end := range whole {
					boundary[end] = true
				}
				if w.name == "serpy-acknowledged" { // between a change of mode and its message, too
					const setMode = len("\x01SETMODE1\x1f")
					boundary[setMode], boundary[whole[0]+setMode] = true, true
				}
				worst := 0.0
				for n := range len(talk) + 1 {
					synctest.Test(t, func(t *testing.T) {
						limit := progress
						switch {
						case n < w.opens:
							limit = handshake
						case boundary[n]:
							limit = 0
						}
						took := stall(t, d, w, talk[:n], parley.Timeouts{Handshake: handshake, Progress: progress})
						switch {
						case limit == 0 && took != 0:
							t.Errorf("silent after %d bytes, between messages: cut after %v", n, took)
						case limit > 0 && (took < limit || took > limit+limit/10):
							t.Errorf("silent after %d bytes: cut after %v, the limit is %v", n, took, limit)
						case limit > 0:
							worst = max(worst, float64(took)/float64(limit)-1)
						}
					})
				}
				figure(t, "silent after each of %d bytes: found at most %.1f %% after the limit", len(talk), 100*worst)
			})
		}
	})
}

// stall says something to a server, then nothing more, and returns when the
// server has cut the connection: 0 if it has not within an hour.
func stall(t *testing.T, d driver, w form, words string, timeouts parley.Timeouts) time.Duration {
	n := netsim.New(1, netsim.Faults{})
	var reason error
	srv := &parley.Server{Protocol: w.protocol, Timeouts: timeouts, Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil }),
		Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { reason = err }}}
	d.use(srv)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(n.Listener()) }()
	nc, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	io.WriteString(nc, words)
	nc.SetReadDeadline(start.Add(time.Hour))
	_, err = io.Copy(io.Discard, onlyReader{nc})
	took := time.Since(start)
	cut := !errors.Is(err, os.ErrDeadlineExceeded)
	nc.Close()
	srv.Close()
	<-ended
	if !cut {
		return 0
	}
	if reason != nil && !errors.Is(reason, os.ErrDeadlineExceeded) {
		t.Errorf("the connection ended with %v, want a timeout", reason)
	}
	return took
}

type onlyReader struct{ io.Reader }
