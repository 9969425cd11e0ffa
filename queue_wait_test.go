package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/oneline"
)

// queued returns a connection with a server that serves somebody else, and the
// server's end of it.
func queued(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	sim := netsim.New(1, netsim.Faults{})
	l := sim.Listener()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- nc
	}()
	ours, err := sim.Dial()
	if err != nil {
		t.Fatal(err)
	}
	theirs = <-accepted
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// quit is a Dialer that has waited long enough.
func quit(timeouts parley.Timeouts) *parley.Dialer {
	return &parley.Dialer{Protocol: oneline.Protocol{}, Timeouts: timeouts}
}

// A client stays in the queue for as long as nothing comes, on its one connection,
// and is served when it is its turn.
//
// Verifies: ONELINE-17, ONELINE-31
func TestStaysInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, nc := queued(t)
		var log strings.Builder
		got := make(chan error, 1)
		go func() {
			d := &parley.Dialer{Protocol: oneline.Protocol{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			c, err := d.NewConn(t.Context(), ours)
			if err == nil {
				var m parley.Message
				if m, err = c.Call(t.Context(), parley.Text("cmd")); err == nil && m.Text() != "ack" {
					err = errors.New(m.Text())
				}
				err = errors.Join(err, c.Close())
			}
			got <- err
		}()
		time.Sleep(5 * time.Hour)
		peer := newBare(t, nc)
		peer.hear("ping\n")
		peer.say("pong\n")
		peer.hear("cmd\n")
		peer.say("ack\n")
		peer.hear("disconnect\n")
		nc.Close()
		if err := <-got; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s := log.String(); strings.Count(s, "waiting in the queue of the server") != 1 || !strings.Contains(s, "line://") {
			t.Errorf("the log says %s", s)
		}
	})
}

// What bounds the stay: a Timeouts.Handshake that was set, the context, and from the
// first byte on the handshake's default. In each case the farewell is said at once
// and the connection stays until the server has come to it.
//
// Verifies: ONELINE-17, ONELINE-32
func TestLeavesTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		timeouts parley.Timeouts
		deadline time.Duration
		say      string
		words    string
		after    time.Duration // of the dial, within a sixth
	}{
		"handshake":  {timeouts: parley.Timeouts{Handshake: 20 * time.Second}, words: "not a byte has answered", after: 20 * time.Second},
		"short":      {timeouts: parley.Timeouts{Handshake: 400 * time.Millisecond}, words: "serves one client at a time", after: 400 * time.Millisecond},
		"context":    {deadline: time.Minute, words: "the others wait", after: time.Minute},
		"first byte": {say: "po", words: "no newline", after: 3 * time.Second},
		"other EOL":  {say: "pong\r", words: `set EOL to "\r"`, after: 3 * time.Second},
		"device":     {say: "ACME PSU> ", words: "speaks line://", after: 3 * time.Second},
		"tinyproto":  {say: "\xff", words: "seems to speak tinyproto", after: 3 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			ours, nc := queued(t)
			start := time.Now()
			got := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithCancel(t.Context())
				if c.deadline > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.deadline)
				}
				defer cancel()
				_, err := quit(c.timeouts).NewConn(ctx, ours)
				wantTimeout(t, err, c.words, time.Since(start), c.after)
				got <- err
			}()
			io.WriteString(nc, c.say)
			<-got
			time.Sleep(5 * time.Minute)
			peer := newBare(t, nc)
			peer.hear("ping\ndisconnect\n")
			if c.say == "" {
				peer.say("pong\n") // no reset meets it
			}
			peer.hearEnd()
			nc.Close()
			synctest.Wait()
		})
	}
}

// A server that never comes to the farewell is waited for ten minutes, or as long as
// Timeouts.Close says.
//
// Verifies: ONELINE-32
func TestLeavingTheQueueEnds(t *testing.T) {
	for limit, closing := range map[time.Duration]time.Duration{10 * time.Minute: 0, time.Second: time.Second} {
		bubble(t, limit.String(), func(t *testing.T) {
			ours, nc := queued(t)
			if _, err := quit(parley.Timeouts{Handshake: time.Second, Close: closing}).NewConn(t.Context(), ours); err == nil {
				t.Fatal("nobody has answered")
			}
			time.Sleep(limit - time.Millisecond)
			if _, err := io.WriteString(nc, "x"); err != nil {
				t.Error("gone too early:", err)
			}
			time.Sleep(time.Second)
			io.WriteString(nc, "x") // meets the end
			time.Sleep(time.Second)
			if _, err := io.WriteString(nc, "x"); err == nil {
				t.Error("the connection was left open")
			}
		})
	}
}

// Nothing is left open of a dial that has failed when Wait has returned; a Client that
// is closed in the queue waits for five seconds.
//
// Verifies: ONELINE-33
func TestWaitForWhatHasLeftTheQueue(t *testing.T) {
	bubble(t, "wait", func(t *testing.T) {
		ours, nc := queued(t)
		d := quit(parley.Timeouts{Handshake: time.Second})
		if err := d.Wait(t.Context()); err != nil {
			t.Error("nothing was dialled:", err)
		}
		if _, err := d.NewConn(t.Context(), ours); err == nil {
			t.Fatal("nobody has answered")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the server has not come to it yet: %v", err)
		}
		go func() {
			time.Sleep(time.Minute)
			peer := newBare(t, nc)
			peer.hear("ping\ndisconnect\n")
			peer.say("pong\n")
			peer.hearEnd()
			nc.Close()
		}()
		start := time.Now()
		if err := d.Wait(t.Context()); err != nil || time.Since(start) < time.Minute {
			t.Errorf("Wait returned %v after %v", err, time.Since(start))
		}
	})
	for after, want := range map[time.Duration]time.Duration{3 * time.Second: 3 * time.Second, time.Hour: 5 * time.Second} {
		bubble(t, "Client, served after "+after.String(), func(t *testing.T) {
			ours, nc := queued(t)
			c := &parley.Client{Addr: "bench:1", Dialer: parley.Dialer{Protocol: oneline.Protocol{},
				NetDial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}}
			c.Start()
			time.Sleep(time.Minute)
			go func() {
				time.Sleep(after)
				nc.Close()
			}()
			start := time.Now()
			c.Close()
			if got := time.Since(start); got < want || got > want+time.Second {
				t.Errorf("Close returned after %v, want %v", got, want)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

// With TLS the queue is waited in too: the server's part of the handshake comes when
// it is the client's turn, and is bounded from its first byte on.
//
// Verifies: ONELINE-31
func TestStaysInTheQueueWithTLS(t *testing.T) {
	cert, roots := certificate(t)
	now := time.Now() // bubbles live in the year 2000, the certificate does not
	for name, c := range map[string]struct {
		timeout time.Duration
		does    func(nc net.Conn) // after an hour
		after   time.Duration     // of an error
	}{
		"served": {does: func(nc net.Conn) {
			s := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			io.ReadFull(s, make([]byte, len("ping\n")))
			io.WriteString(s, "pong\n")
			io.ReadFull(s, make([]byte, len("disconnect\n")))
			s.Close()
		}},
		"a byte":    {does: func(nc net.Conn) { nc.Write([]byte{22}) }, after: time.Hour + 3*time.Second},
		"a timeout": {timeout: 20 * time.Second, does: func(net.Conn) {}, after: 20 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			ours, nc := queued(t)
			d := quit(parley.Timeouts{Handshake: c.timeout})
			d.NetDial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
			d.TLSConfig = &tls.Config{RootCAs: roots, Time: func() time.Time { return now }}
			time.AfterFunc(time.Hour, func() { c.does(nc) })
			start := time.Now()
			conn, err := d.Dial(t.Context(), "localhost:1")
			if c.after == 0 {
				if err != nil || time.Since(start) < time.Hour {
					t.Fatalf("%v after %v", err, time.Since(start))
				}
				conn.Close()
				return
			}
			wantTimeout(t, err, "TLS with", time.Since(start), c.after)
			nc.Close()
			time.Sleep(2 * time.Hour)
		})
	}
}

// Three Clients of a server that serves one at a time, with both drivers: all are
// answered, on one connection each.
//
// Verifies: ONELINE-10, ONELINE-31
func TestClientsTakeTheirTurns(t *testing.T) {
	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo)}
	addr := newServer(t, srv)
	ended := make(chan error, 3)
	for range 3 {
		go func() {
			c := &parley.Client{Dialer: parley.Dialer{Protocol: oneline.Protocol{}}, Addr: addr}
			m, err := c.Call(newContext(t), parley.Text("cmd"))
			if err == nil && m.Text() != "cmd" {
				err = errors.New(m.Text())
			}
			if s := c.Stats(); err == nil && (s.Connected != 1 || s.Failed != 0) {
				err = errors.New("not on one connection")
			}
			ended <- errors.Join(err, c.Close())
		}()
	}
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A Call of a Client in the queue is bounded by its context; the error says that there
// is no connection yet, and why that may be. The Client stays in the queue.
//
// Verifies: ONELINE-31
func TestCallInTheQueue(t *testing.T) {
	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo)}
	addr := newServer(t, srv)
	first, err := parley.Dial(newContext(t), oneline.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &parley.Client{Dialer: parley.Dialer{Protocol: oneline.Protocol{}}, Addr: addr}
	for range 2 {
		ctx, cancel := context.WithTimeout(newContext(t), 20*time.Millisecond)
		_, err = c.Call(ctx, parley.Text("cmd"))
		cancel()
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, parley.ErrNotSent) || !strings.Contains(err.Error(), "not connected yet: the server may be serving another client first") {
			t.Errorf("in the queue: %v", err)
		}
	}
	first.Close()
	if m, err := c.Call(newContext(t), parley.Text("cmd")); err != nil || m.Text() != "cmd" {
		t.Errorf("behind it: %v, %v", m, err)
	}
	if s := c.Stats(); s.Connected != 1 || s.Failed != 0 {
		t.Errorf("%+v, want one connection", s)
	}
	c.Close()
}

// Timeouts.Close below zero: for ever.
//
// Verifies: ONELINE-32
func TestLeavingTheQueueForEver(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		ours, nc := queued(t)
		if _, err := quit(parley.Timeouts{Handshake: time.Second, Close: -1}).NewConn(t.Context(), ours); err == nil {
			t.Fatal("nobody has answered")
		}
		time.Sleep(24 * time.Hour)
		peer := newBare(t, nc)
		peer.hear("ping\ndisconnect\n")
		peer.say("pong\n")
		peer.hearEnd()
		nc.Close()
		synctest.Wait()
	})
}

// What answers the greeting with something else is no server with a queue: the dial
// fails at once, though it keeps the connection open.
//
// Verifies: ONELINE-18
func TestNoQueueOfAPlainDevice(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		ours, nc := queued(t)
		go io.WriteString(nc, "-113,\"Undefined header\"\n")
		start := time.Now()
		d := quit(parley.Timeouts{})
		_, err := d.NewConn(t.Context(), ours)
		var broken *parley.ProtocolError
		if !errors.As(err, &broken) || time.Since(start) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := d.Wait(t.Context()); err != nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("Wait: %v after %v", err, time.Since(start))
		}
	})
}
