package parley_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
)

// Verifies: RUNTIME-37, SERPY-25
func TestClientReconnects(t *testing.T) {
	for _, p := range all {
		t.Run(label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}
			addr := newServer(t, srv)
			states := newStates()
			c := &parley.Client{Dialer: parley.Dialer{Protocol: p}, Addr: addr, OnState: states.note}
			if s, err := c.State(); s != parley.StateIdle || err != nil {
				t.Errorf("before the start: %v, %v", s, err)
			}
			ctx := newContext(t)
			var before *parley.Conn
			for i := range 5 {
				want := fmt.Sprint("call ", i)
				m := parley.Text(want)
				if i%2 == 1 && p.Name() == "serpy" {
					m = serpy.WithMode(m, 3) // a new machine begins in mode 0
				}
				if m, err := c.Call(ctx, m); err != nil || m.Text() != want {
					t.Fatalf("%s: %v, %v", want, m, err)
				}
				conn, err := c.Conn(ctx)
				if err != nil || conn == before {
					t.Fatalf("the connection is %v, %v, before it was %v", conn, err, before)
				}
				before = conn
				states.wait(t, parley.StateConnected)
				if s, err := c.State(); s != parley.StateConnected || err != nil {
					t.Errorf("connected: %v, %v", s, err)
				}
				switch i % 2 {
				case 0: // the server cuts
					for _, s := range srv.Conns() {
						s.CloseNow()
					}
				case 1: // the program cuts
					conn.CloseNow()
				}
				states.wait(t, parley.StateWaiting)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if err := c.Send(ctx, parley.Text("x")); !errors.Is(err, parley.ErrClientClosed) {
				t.Errorf("Send after Close: %v, want ErrClientClosed", err)
			}
			if _, err := c.Receive(ctx); !errors.Is(err, parley.ErrClientClosed) {
				t.Errorf("Receive after Close: %v, want ErrClientClosed", err)
			}
			if s, err := c.State(); s != parley.StateClosed || err != parley.ErrClientClosed {
				t.Errorf("after Close: %v, %v", s, err)
			}
			states.mu.Lock()
			defer states.mu.Unlock()
			allowed := map[parley.State][]parley.State{
				parley.StateIdle:       {parley.StateConnecting},
				parley.StateConnecting: {parley.StateConnected, parley.StateWaiting, parley.StateClosed},
				parley.StateConnected:  {parley.StateWaiting, parley.StateClosed},
				parley.StateWaiting:    {parley.StateConnecting, parley.StateClosed},
			}
			last := parley.StateIdle
			for _, s := range states.all {
				if !strings.Contains(fmt.Sprint(allowed[last]), s.String()) {
					t.Errorf("%v follows %v in %v", s, last, states.all)
				}
				last = s
			}
		})
	}
}

// The pauses are random between zero and a bound that doubles with each
// failure; after the given number of failures the client gives up.
//
// Verifies: RUNTIME-37
func TestClientBackoff(t *testing.T) {
	// A socket that is not there: dialling it fails at once, in virtual time too.
	addr := "unix:" + filepath.Join(socketdir.New(t), "nobody")
	kinds := []struct {
		least, most time.Duration // as set
		first, last time.Duration // the bounds of the first pause and of the last
	}{
		{0, 0, 100 * time.Millisecond, 30 * time.Second},
		{time.Second, time.Minute, 2 * time.Second, time.Minute},
		{time.Hour, time.Minute, time.Minute, time.Minute},
	}
	for i, k := range kinds {
		bubble(t, fmt.Sprint(i), func(t *testing.T) {
			const clients, attempts = 100, 15
			var spread []time.Duration // of the last pauses
			for range clients {
				var pauses []time.Duration
				var failed time.Time
				ended := make(chan error, 1)
				c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: addr,
					MinBackoff: k.least, MaxBackoff: k.most, MaxAttempts: attempts}
				c.OnState = func(s parley.State, err error) {
					switch s {
					case parley.StateWaiting:
						failed = time.Now()
						if !errors.Is(err, syscall.ENOENT) {
							t.Errorf("waiting because of %v", err)
						}
					case parley.StateConnecting:
						if !failed.IsZero() {
							pauses = append(pauses, time.Since(failed))
						}
					case parley.StateClosed:
						ended <- err
					}
				}
				c.Start()
				err := <-ended
				if !errors.Is(err, parley.ErrClientClosed) || !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "15 failed attempts") {
					t.Fatalf("it gave up with %v", err)
				}
				if _, got := c.Conn(t.Context()); got != err {
					t.Errorf("Conn: %v, want the same reason", got)
				}
				c.Close()
				if len(pauses) != attempts-1 {
					t.Fatalf("%d pauses, want %d", len(pauses), attempts-1)
				}
				bound := k.first
				for i, p := range pauses {
					if p < 0 || p > bound {
						t.Errorf("pause %d is %v, its bound is %v", i, p, bound)
					}
					bound = min(2*bound, k.last)
				}
				spread = append(spread, pauses[len(pauses)-1])
			}
			low, high := 0, 0
			for _, p := range spread { // of 100 random ones
				if p < k.last/4 {
					low++
				}
				if p > k.last*3/4 {
					high++
				}
			}
			if low == 0 || high == 0 {
				t.Errorf("no jitter: %d of %d pauses are short and %d long", low, clients, high)
			}
		})
	}
}
