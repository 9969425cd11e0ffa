package parley_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// What TrySend takes arrives, in order with what Send sends, and its bytes are
// the caller's again at once.
//
// Verifies: RUNTIME-70
func TestTrySend(t *testing.T) {
	for _, p := range all {
		if p.Name() == "oneline" {
			continue // it takes turns: see TestTrySendRefused
		}
		bubble(t, label(p), func(t *testing.T) {
			l := newMemory()
			got := make(chan string, 100)
			serve(t, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
				got <- m.Text()
				return nil
			})}, l)
			nc := l.dial(t)
			c, err := (&parley.Dialer{Protocol: p}).NewConn(t.Context(), nc)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				b := []byte(fmt.Sprint("message ", i, strings.Repeat("x", i*i*i*20)))
				if i%5 == 0 {
					err = c.Send(t.Context(), parley.Text("").WithBytes(b))
				} else {
					err = c.TrySend(parley.Text("").WithBytes(b))
				}
				if err != nil {
					t.Fatal(i, err)
				}
				clear(b)
			}
			for i := range 20 {
				if m, _, _ := strings.Cut(<-got, "x"); m != fmt.Sprint("message ", i) {
					t.Errorf("message %d is %q", i, m)
				}
			}
			c.Close()
			if err := c.TrySend(parley.Text("late")); !errors.Is(err, parley.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// A peer that does not read costs its sender no time: TrySend says so, and what
// it has taken before arrives once the peer reads.
//
// Verifies: RUNTIME-70
func TestTrySendSlow(t *testing.T) {
	bubble(t, "virtual time", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Limits: parley.Limits{MaxOutput: 10_000}, Timeouts: parley.Timeouts{Write: -1}}, "")
		m := strings.Repeat("x", 1000)
		taken := 0
		began := time.Now()
		var err error
		for taken < 1000 {
			if err = c.TrySend(parley.Text(m)); err != nil {
				break
			}
			taken++
			synctest.Wait()
		}
		if !errors.Is(err, parley.ErrSlowConsumer) || taken < 5 || taken > 15 || time.Since(began) != 0 {
			t.Errorf("%d taken, then %v after %v", taken, err, time.Since(began))
		}
		peer.hear(strings.Repeat(serpy2Text(m), taken))
		synctest.Wait()
		if err := c.TrySend(parley.Text(m)); err != nil {
			t.Errorf("when the peer has read: %v", err)
		}
		peer.hear(serpy2Text(m))
	})
}

// What Send refuses TrySend refuses too, and the connection lives.
//
// Verifies: RUNTIME-70
func TestTrySendRefused(t *testing.T) {
	bubble(t, "tinyproto", func(t *testing.T) {
		c, _ := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, tinyHello)
		if err := c.TrySend(parley.Int(3)); !errors.Is(err, parley.ErrNotRepresentable) || c.Err() != nil {
			t.Errorf("got %v, %v", err, c.Err())
		}
	})
	bubble(t, "oneline", func(t *testing.T) {
		l := newMemory()
		serve(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.TrySend(m)
		})}, l)
		peer := l.dial(t)
		go io.WriteString(peer, "ping\nhello\n")
		peer.hear("pong\nhello\n")
	})
}

// BroadcastTo reaches those that are named and nobody else, also connections of
// another server with another form of the wire, and leaves out those that have
// ended.
//
// Verifies: RUNTIME-71
func TestBroadcastTo(t *testing.T) {
	ctx := newContext(t)
	life := newLife()
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
	other := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
	addr, addr2 := newServer(t, srv), newServer(t, other)
	var clients, conns []*parley.Conn
	for i := range 6 {
		p, a := parley.Protocol(serpy2.Protocol{}), addr
		if i == 5 {
			p, a = tinyproto.Protocol{}, addr2
		}
		c, err := parley.Dial(ctx, p, a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients, conns = append(clients, c), append(conns, life.conn(t))
	}
	conns[4].CloseNow()
	<-conns[4].Done()
	n, err := srv.BroadcastTo(parley.Text("to the room"), []*parley.Conn{conns[1], conns[3], conns[4], conns[5]})
	if n != 3 || err != nil {
		t.Errorf("%d took it, %v, want 3", n, err)
	}
	for i, c := range clients {
		if i == 4 {
			continue
		}
		want := "to all"
		if i%2 == 1 {
			want = "to the room"
		}
		conns[i].TrySend(parley.Text("to all"))
		if m, err := c.Receive(ctx); err != nil || m.Text() != want {
			t.Errorf("client %d got %q, %v, want %q first", i, m.Text(), err, want)
		}
	}
	if n, err := srv.BroadcastTo(parley.Text("to nobody"), nil); n != 0 || err != nil {
		t.Errorf("to nobody: %d, %v", n, err)
	}
}

// CloseWith does not wait, what was sent still leaves, and its reason is what
// everybody is told.
//
// Verifies: RUNTIME-72
func TestCloseWith(t *testing.T) {
	kicked := errors.New("kicked: it was rude")
	for _, p := range all {
		bubble(t, label(p), func(t *testing.T) {
			l := newMemory()
			life := newLife()
			cause := make(chan error, 1)
			var log bytes.Buffer
			srv := &parley.Server{Protocol: p, Hooks: life.hooks(), Logger: slog.New(slog.NewTextHandler(&log, nil)), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				c.Send(ctx, parley.Text("goodbye"))
				began := time.Now()
				c.CloseWith(kicked)
				c.CloseWith(errors.New("too late"))
				if time.Since(began) != 0 {
					t.Errorf("CloseWith took %v", time.Since(began))
				}
				derived, cancel := context.WithTimeout(ctx, time.Hour)
				go func() {
					defer cancel()
					<-derived.Done()
					if !errors.Is(ctx.Err(), context.Canceled) || context.Cause(ctx) != kicked {
						t.Errorf("the context's cause is %v, its error %v", context.Cause(ctx), ctx.Err())
					}
					cause <- context.Cause(derived)
				}()
				return nil
			})}
			serve(t, srv, l)
			c, err := (&parley.Dialer{Protocol: p}).NewConn(t.Context(), l.dial(t))
			if err != nil {
				t.Fatal(err)
			}
			if m, err := c.Call(t.Context(), parley.Text("rude")); err != nil || m.Text() != "goodbye" {
				t.Errorf("got %v, %v", m, err)
			}
			if err := life.reason(t); err != kicked {
				t.Errorf("OnClose was told %v", err)
			}
			if err := <-cause; err != kicked {
				t.Errorf("the cause of a derived context is %v", err)
			}
			if _, err := c.Receive(t.Context()); err == nil {
				t.Error("the peer is still connected")
			}
			c.CloseNow()
			synctest.Wait()
			if !strings.Contains(log.String(), "kicked: it was rude") {
				t.Errorf("logged\n%s", log.String())
			}
		})
	}
}

// A kick of another connection in a handler holds up no loop, and of one that has
// ended changes nothing.
//
// Verifies: RUNTIME-72
func TestKickAnother(t *testing.T) {
	life := newLife()
	kicked := errors.New("kicked")
	var srv *parley.Server
	srv = &parley.Server{Protocol: serpy2.Protocol{}, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		for _, other := range srv.Conns() {
			if other != c {
				other.CloseWith(kicked)
			}
		}
		return c.TrySend(m)
	})}
	addr := newServer(t, srv)
	ctx := newContext(t)
	for range 10 {
		if _, err := parley.Dial(ctx, serpy2.Protocol{}, addr); err != nil { // reads nothing, closes nothing
			t.Fatal(err)
		}
	}
	for range 10 {
		life.conn(t)
	}
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := c.Call(ctx, parley.Text("kick")); err != nil || m.Text() != "kick" {
		t.Errorf("got %v, %v", m, err)
	}
	for range 10 {
		if err := life.reason(t); err != kicked {
			t.Errorf("ended with %v", err)
		}
	}
	if st := srv.Stats(); st.Stalls != 0 {
		t.Errorf("%d stalls", st.Stalls)
	}
	conn := life.conn(t)
	conn.CloseNow()
	<-conn.Done()
	conn.CloseWith(kicked)
	if err := conn.Err(); !errors.Is(err, parley.ErrClosed) {
		t.Errorf("kicked when it had ended: %v", err)
	}
}
