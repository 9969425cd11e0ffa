package parley_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

var echoForms = []form{
	{oneline.Protocol{}, "ping\n", func(ms ...string) string { return strings.Join(ms, "\n") + "\n" }},
	{tinyproto.Protocol{}, tinyHello, tiny},
	{serpy.Protocol{ForceMode: true}, "", func(ms ...string) string { return strings.Join(ms, "\x1f") + "\x1f" }},
	{serpy2.Protocol{}, "", serpy2Text},
	{frame.Protocol{Size: frame.U32BE, Strip: frame.Head}, "", tiny},
	{frame.Protocol{Marks: frame.SLIP}, "", slip},
	{line.Protocol{}, "", func(ms ...string) string { return strings.Join(ms, "\n") + "\n" }},
	{line.SCPI(), "", func(ms ...string) string { return strings.Join(ms, "\n") + "\n" }},
}

// startEcho starts a server that answers by means of h.
func startEcho(tb testing.TB, p parley.Protocol, h parley.HandlerFunc) (addr string) {
	srv := &parley.Server{Protocol: p, Handler: h, EventLoops: *eventLoops}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	tb.Cleanup(func() {
		srv.Close()
		<-served
	})
	return srv.Addrs()[0].String()
}

// tryEcho is echo by means of TrySend.
func tryEcho(_ context.Context, c *parley.Conn, m parley.Message) error { return c.TrySend(m) }

// echoTurns connects a bare socket, which allocates nothing, to a server that answers by
// means of h, and returns a function that sends n messages at once and reads the answers.
func echoTurns(tb testing.TB, f form, h parley.HandlerFunc, n, size int) (turn func()) {
	nc, err := net.Dial("tcp", startEcho(tb, f.protocol, h))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	messages := strings.Repeat(f.text(strings.Repeat("x", size)), n)
	request, answer := []byte(f.hello+messages), make([]byte, len(messages))
	hello := 0
	switch f.protocol.Name() {
	case "oneline":
		hello = len("pong\n")
	case "tinyproto": // our messages are confirmed, and so are theirs, next time
		hello = len(tinyHello)
		answer = append(answer, strings.Repeat(tinyOK, n)...)
		messages = strings.Repeat(tinyOK, n) + messages
	}
	turn = func() {
		if _, err := nc.Write(request); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(nc, answer); err != nil {
			tb.Fatal(err)
		}
	}
	turn()
	if _, err := io.ReadFull(nc, make([]byte, hello)); err != nil { // the greeting has moved all by its length
		tb.Fatal(err)
	}
	request = []byte(messages)
	return turn
}

// In steady state a server allocates nothing for a message, neither for one at
// a time nor for many at once.
//
// Verifies: RUNTIME-49
func TestEchoAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, f := range echoForms {
		for _, k := range []struct{ batch, size int }{{1, 16}, {32, 16}, {32, 1000}} {
			name := fmt.Sprintf("%s/%dx%d", label(f.protocol), k.batch, k.size)
			t.Run(name, func(t *testing.T) { allocatesNothing(t, k.batch, echoTurns(t, f, echo, k.batch, k.size)) })
			t.Run(name+" TrySend", func(t *testing.T) { allocatesNothing(t, k.batch, echoTurns(t, f, tryEcho, k.batch, k.size)) })
		}
	}
}

// allocatesNothing checks that turn, which is batch messages, makes nothing.
func allocatesNothing(t *testing.T, batch int, turn func()) {
	for range 100 {
		turn()
	}
	const messages = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range messages / batch {
		turn()
	}
	runtime.ReadMemStats(&after)
	// A timer now and then, and what Go's runtime does by itself, are not per message.
	if n := after.Mallocs - before.Mallocs; n > messages/50 {
		t.Errorf("%d allocations for %d messages", n, messages)
	} else {
		t.Logf("%d allocations for %d messages", n, messages)
	}
}

// BenchmarkEcho measures an echo server with a bare socket as its client.
func BenchmarkEcho(b *testing.B) {
	for _, f := range echoForms {
		for _, k := range []struct{ batch, size int }{{1, 16}, {32, 16}, {1000, 16}, {32, 1000}, {1, 60_000}} {
			b.Run(fmt.Sprintf("%s/%dx%d", label(f.protocol), k.batch, k.size), func(b *testing.B) {
				turn := echoTurns(b, f, echo, k.batch, k.size)
				b.SetBytes(int64(k.size))
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += k.batch {
					turn()
				}
			})
		}
	}
}

// BenchmarkCall measures a round trip between our own client and server.
func BenchmarkCall(b *testing.B) {
	for _, f := range echoForms {
		b.Run(label(f.protocol), func(b *testing.B) {
			c, err := parley.Dial(b.Context(), f.protocol, startEcho(b, f.protocol, echo))
			if err != nil {
				b.Fatal(err)
			}
			defer c.CloseNow()
			m := parley.Text("sixteen letters.")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Call(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
