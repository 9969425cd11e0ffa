package bridge

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
)

// A flow holds one message beside the one that is being sent, and more only
// while the other direction waits.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(&Bridge{clients: tiny, Log: slog.New(slog.DiscardHandler)}, &parley.Conn{})
		f := &flow{p: p, urgent: &p.toTarget}
		gate := make(chan error)
		var sent []string
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			f.run(func(m parley.Message) error {
				sent = append(sent, m.Text())
				return <-gate
			})
		}()
		put := 0
		texts := []string{"a", "b", "c", "d", "e", "f"}
		ended := make(chan error, 1)
		go func() {
			for _, text := range texts {
				if err := f.put(parley.Text(text)); err != nil {
					ended <- err
					return
				}
				put++
			}
			ended <- nil
		}()
		step := func(want int) {
			t.Helper()
			if synctest.Wait(); put != want {
				t.Fatalf("%d messages taken, want %d", put, want)
			}
		}
		step(2) // a is being sent, b waits
		gate <- nil
		step(3)
		stop := make(chan struct{})
		waited := make(chan error)
		go func() { waited <- p.waiting(&p.toClient, func() error { <-stop; return nil }) }()
		step(3) // that is not the connection that this flow reads
		close(stop)
		<-waited
		stop = make(chan struct{})
		go func() { waited <- p.waiting(&p.toTarget, func() error { <-stop; return nil }) }()
		step(6)
		close(stop)
		<-waited
		if err := <-ended; err != nil {
			t.Error(err)
		}
		drained := make(chan error, 1)
		go func() { drained <- f.drain() }()
		for range 5 {
			if len(drained) > 0 {
				t.Error("drained too early")
			}
			gate <- nil
			synctest.Wait()
		}
		if err := <-drained; err != nil || !slices.Equal(sent, texts) {
			t.Errorf("%v, sent %v", err, sent)
		}
		// What is too much even then waits all the same.
		big := parley.Bytes(make([]byte, maxAhead))
		go p.waiting(&p.toTarget, func() error { <-ran; return nil })
		synctest.Wait()
		put = 0
		go func() {
			for f.put(big) == nil {
				put++
			}
		}()
		step(2)
		broken := errors.New("broken")
		gate <- broken
		<-ran
		synctest.Wait()
		if err := f.put(big); err != broken {
			t.Errorf("%v, want the error", err)
		}
		if err := f.drain(); err != broken {
			t.Errorf("%v, want the error", err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // what waits at the end is sent
		p := newPair(&Bridge{clients: tiny, Log: slog.New(slog.DiscardHandler)}, &parley.Conn{})
		f := &flow{p: p, urgent: &p.toTarget}
		if err := f.put(parley.Text("a")); err != nil {
			t.Error(err)
		}
		f.end()
		n := 0
		f.run(func(parley.Message) error { n++; return nil })
		if n != 1 {
			t.Errorf("%d sent, want 1", n)
		}
	})
}
