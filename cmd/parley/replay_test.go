package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley/serpy"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy/pickle"
)

// liveSession is a session of the library with itself: the server's handler, and what
// each client does.
type liveSession struct {
	handler parley.HandlerFunc
	clients []func(ctx context.Context, c *parley.Conn) error
}

// questions returns a client that sends each message and waits for n answers to it.
func questions(n func(parley.Message) int, ms ...parley.Message) func(context.Context, *parley.Conn) error {
	return func(ctx context.Context, c *parley.Conn) error {
		for _, m := range ms {
			if err := c.Send(ctx, m); err != nil {
				return fmt.Errorf("sending %v: %w", m, err)
			}
			for range n(m) {
				if _, err := c.Receive(ctx); err != nil {
					return fmt.Errorf("the answer to %v: %w", m, err)
				}
			}
		}
		return nil
	}
}

func oneAnswer(parley.Message) int { return 1 }

func echoBack(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

// values are what Python's pickles may say: what JSON can carry, and what it
// can't.
var values = []any{
	nil, true, int64(5), 2.5, "text", []byte("bytes"), math.Inf(-1),
	&pickle.List{Items: []any{int64(1), "a", nil}},
	&pickle.Dict{Pairs: []pickle.Pair{{Key: "k", Value: &pickle.List{Items: []any{1.5}}}}},
	&pickle.Dict{Pairs: []pickle.Pair{{Key: int64(1), Value: int64(2)}}},
	&pickle.Tuple{Items: []any{int64(1), &pickle.Set{Items: []any{"x"}}}},
}

// sessions is one session for each wire.
func sessions() map[string]liveSession {
	text, bin := parley.Text, func(n int) parley.Message { return parley.Bytes([]byte(confusing(uint64(n), n))) }
	lines := map[string][]string{"*IDN?": {"ACME,7"}, "LIST?": {"one", " two \t", "", "vier €"}, "*RST": nil, "": {"empty"}, "\tx\r": {"x"}}
	var modes, again []parley.Message
	for mode := range 6 {
		modes = append(modes, serpy.WithMode(text("hello"), mode), serpy.WithMode(parley.Int(-7), mode))
		if mode >= 2 {
			again = append(again, serpy.WithMode(parley.Bytes([]byte{0, 1, 4, 0x1f, 0xff}), mode&3|2))
		}
	}
	for _, v := range values {
		again = append(again, serpy.WithMode(parley.Object(v), 4), serpy.WithMode(parley.Object(v), 5))
	}
	return map[string]liveSession{
		"oneline": {
			handler: func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				for _, line := range lines[m.Text()] {
					if err := c.Send(ctx, text(line)); err != nil {
						return err
					}
				}
				return nil
			},
			clients: []func(context.Context, *parley.Conn) error{
				questions(func(m parley.Message) int {
					if m.Text() == "ping" || m.Text() == "\xff\xfe" { // "" to the server
						return 1
					}
					return len(lines[m.Text()])
				}, text("*IDN?"), text("ping"), text("LIST?"), text("*RST"), text(""), text("\tx\r"), text("\xff\xfe"), text("*IDN?")),
				questions(oneAnswer, text("*IDN?"), text("ping")),
			},
		},
		"tinyproto": {handler: echoBack, clients: []func(context.Context, *parley.Conn) error{
			questions(oneAnswer, bin(0), bin(1), bin(1000), text("text"), bin(100_000), bin(5)),
			questions(oneAnswer, text("again")),
			questions(oneAnswer),
		}},
		"serpy": {handler: echoBack, clients: []func(context.Context, *parley.Conn) error{
			questions(oneAnswer, modes...), questions(oneAnswer, again...), questions(oneAnswer, modes[0], again[0], modes[3]),
		}},
		"serpy2": {handler: echoBack, clients: []func(context.Context, *parley.Conn) error{
			questions(oneAnswer, parley.Int(5), parley.Int(math.MinInt64), parley.Float(1.5), parley.Float(math.NaN()), parley.Float(math.Copysign(0, -1)),
				text("grüß"), text(""), text("5"), bin(0), bin(70_000)),
			questions(oneAnswer, text("again")),
		}},
	}
}

// run has the clients talk to the server at url, one after the other.
func (l liveSession) run(t *testing.T, url string) {
	t.Helper()
	e, err := endpoint.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, client := range l.clients {
		c, err := parley.Dial(ctx, e.Protocol, e.Addr)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if err := client(ctx, c); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("client %d: closing: %v", i, err)
		}
	}
}

// A recording of each wire is played against the live library, as a server and
// as clients; the bytes are those of the recorded session.
func TestReplayAgainstTheLibrary(t *testing.T) {
	for proto, l := range sessions() {
		t.Run(proto, func(t *testing.T) {
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			url := proto + "://127.0.0.1:0"
			e, err := endpoint.Parse(url)
			if err != nil {
				t.Fatal(err)
			}
			srv := parleytest.NewServer(t, &parley.Server{Protocol: e.Protocol, Handler: l.handler})
			count := fmt.Sprint(len(l.clients))

			tap := startInside(t, true, "tap", url, srv, "-n", count, "--record", file("session.jsonl"), "--pcapng", file("original.pcapng"))
			l.run(t, tap.url)
			tap.end(0)

			mock := startInside(t, true, "replay", file("session.jsonl"), "--as-server", url)
			tap = startInside(t, true, "tap", url, mock.addr(), "-n", count, "--pcapng", file("server.pcapng"))
			l.run(t, tap.url)
			tap.end(0)
			mock.end(0)

			tap = startInside(t, true, "tap", url, srv, "-n", count, "--pcapng", file("client.pcapng"))
			startInside(t, false, "replay", file("session.jsonl"), "--as-client", tap.url).end(0)
			tap.end(0)

			want := captured(t, file("original.pcapng"))
			for _, name := range []string{"server.pcapng", "client.pcapng"} {
				got := captured(t, file(name))
				if len(got) != len(l.clients) || len(want) != len(got) {
					t.Fatalf("%s: %d connections, recorded were %d", name, len(got), len(want))
				}
				for i := range got {
					for side := range 2 {
						if got[i][side] != want[i][side] {
							t.Errorf("%s: connection %d, side %d:\n%.300q\nrecorded was\n%.300q", name, i, side, got[i][side], want[i][side])
						}
					}
				}
			}
			if t.Failed() {
				t.Logf("standard error of the mock server: %s", mock.stderr)
			}
		})
	}
}

// The clients of a recording may be played against its server, and need
// nothing else.
func TestReplayAgainstItself(t *testing.T) {
	for proto, l := range sessions() {
		t.Run(proto, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "session.jsonl")
			url := proto + "://127.0.0.1:0"
			e, err := endpoint.Parse(url)
			if err != nil {
				t.Fatal(err)
			}
			srv := parleytest.NewServer(t, &parley.Server{Protocol: e.Protocol, Handler: l.handler})
			tap := startInside(t, true, "tap", url, srv, "-n", fmt.Sprint(len(l.clients)), "--record", name)
			l.run(t, tap.url)
			tap.end(0)
			for _, flag := range []string{"--speed=0", "--any-order", "--together", "--speed=1000"} {
				if flag == "--any-order" && proto == "tinyproto" {
					continue // it ends when all is asked, before the client that asks nothing
				}
				mock := startInside(t, true, "replay", name, "--as-server", url, flag)
				startInside(t, false, "replay", name, "--as-client", mock.url).end(0)
				mock.end(0)
			}
		})
	}
}
