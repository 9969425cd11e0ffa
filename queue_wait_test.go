package parley_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
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
