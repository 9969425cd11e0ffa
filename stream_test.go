package parley_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func newGrown(t *testing.T) *grown {
	runtime.GC()
	return &grown{t: t, before: resident(t)}
}

// streamSize may be as large as tinyproto's largest message: -stream 4043309055
var streamSize = flag.Int64("stream", 1<<30, "size of TestStreamOfOneGiB's message in bytes")

// A stream is never in memory, neither here nor there.
//
// Verifies: RUNTIME-22, TINYPROTO-22
func TestStreamOfOneGiB(t *testing.T) {
	size := *streamSize
	if testing.Short() || raceEnabled {
		size = 128 << 20
	}
	const most = 48 << 20 // what the process may grow by
	for _, direction := range []string{"up", "down"} {
		t.Run(direction, func(t *testing.T) {
			ctx := t.Context()
			memory := newGrown(t)
			srv := &parley.Server{Protocol: tinyproto.Protocol{}}
			if direction == "up" {
				srv.Handler = uploads{echo, func() io.Writer { return memory }, func(ctx context.Context, c *parley.Conn, n int64) error {
					return c.Send(ctx, parley.Text(fmt.Sprint(n)))
				}}
				c := connect(t, false, srv, &parley.Dialer{})
				if err := c.SendStream(ctx, size, &pattern{}); err != nil {
					t.Fatal(err)
				}
				expect(t, c, fmt.Sprint(size))
			} else {
				srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					return c.SendStream(ctx, size, &pattern{})
				})
				c := connect(t, false, srv, &parley.Dialer{})
				if err := c.Send(ctx, parley.Text("go")); err != nil {
					t.Fatal(err)
				}
				s, err := c.ReceiveStream(ctx)
				if err != nil || s.Size() != size || s.Type() != parley.TypeBytes {
					t.Fatalf("got %+v, %v", s, err)
				}
				if n, err := io.Copy(memory, s); n != size || err != nil {
					t.Fatalf("got %d bytes, %v, want %d", n, err, size)
				}
			}
			if memory.most > most {
				t.Errorf("the process grew by %d MiB, at most %d are allowed", memory.most>>20, most>>20)
			} else {
				t.Logf("the process grew by %d KiB", memory.most>>10)
			}
		})
	}
}

// Streams and ordinary messages follow each other, in order and undamaged, and
// the connection goes on behind them.
//
// Verifies: RUNTIME-22, RUNTIME-23
func TestStreamsAmongMessages(t *testing.T) {
	protocols := []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy2.Protocol{}}
	limits := parley.Limits{MaxMessage: 1000}
	sizes := []int64{0, 1, 1000, 1001, 65_536, 65_537, 300_000, 5, 3 << 20, 999}
	each(t, protocols, func(t *testing.T, p parley.Protocol, pipe bool) {
		srv := &parley.Server{Protocol: p, Pull: true, Limits: limits}
		c := connect(t, pipe, srv, &parley.Dialer{Limits: parley.Limits{MaxMessage: 64 << 20}})
		ctx := newContext(t)
		s, err := srv.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() {
			for _, n := range sizes {
				if err := c.SendStream(ctx, n, &pattern{}); err != nil {
					sent <- err
					return
				}
				if err := c.Send(ctx, parley.Text("between")); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for _, n := range sizes {
			in, err := s.ReceiveStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.Copy(&check{}, in); got != n || in.Size() != n || err != nil {
				t.Fatalf("got %d bytes of %d, %v, want %d", got, in.Size(), err, n)
			}
			expect(t, s, "between")
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := s.Send(ctx, parley.Text("done")); err != nil {
			t.Error(err)
		}
		expect(t, c, "done")
	})
}

// What is not read of a stream is skipped.
//
// Verifies: RUNTIME-22
func TestStreamClosedEarly(t *testing.T) {
	each(t, []parley.Protocol{tinyproto.Protocol{}, serpy2.Protocol{}}, func(t *testing.T, p parley.Protocol, pipe bool) {
		srv := &parley.Server{Protocol: p, Pull: true, Limits: parley.Limits{MaxMessage: 1000}}
		c := connect(t, pipe, srv, &parley.Dialer{})
		ctx := newContext(t)
		s, err := srv.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c.SendStream(ctx, 1<<20, &pattern{})
			c.Send(ctx, parley.Text("behind"))
		}()
		in, err := s.ReceiveStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReceiveStream(ctx); err == nil || !strings.Contains(err.Error(), "has not been read to its end") {
			t.Errorf("a second stream: %v", err)
		}
		if _, err := io.ReadFull(in, make([]byte, 70_001)); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if _, err := in.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading behind Close: %v", err)
		}
		expect(t, s, "behind")
	})
}

// A StreamHandler gets what is too large for memory, and has read the stream
// when it answers: it may Send, Confirm, Call and Receive like any handler.
//
// Verifies: RUNTIME-22, RUNTIME-25
func TestStreamHandler(t *testing.T) {
	each(t, []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy2.Protocol{}}, func(t *testing.T, p parley.Protocol, pipe bool) {
		big := strings.Repeat("b", 200_000)
		handler := uploads{echo, func() io.Writer { return &check{} }, func(ctx context.Context, c *parley.Conn, n int64) error {
			if err := c.Send(ctx, parley.Text(big)); err != nil {
				return err
			}
			if p.Traits().Confirms {
				if err := c.Confirm(ctx, parley.Text("confirmed")); err != nil {
					return err
				}
			}
			answer, err := c.Call(ctx, parley.Text("question"))
			if err != nil {
				return err
			}
			return c.Send(ctx, parley.Text(fmt.Sprint(n, " ", answer.Text())))
		}}
		srv := &parley.Server{Protocol: p, Handler: handler, Limits: parley.Limits{MaxMessage: 1000}}
		c := connect(t, pipe, srv, &parley.Dialer{})
		ctx := newContext(t)
		for range 3 {
			if err := c.SendStream(ctx, 500_000, &pattern{}); err != nil {
				t.Fatal(err)
			}
			expect(t, c, big)
			if p.Traits().Confirms {
				expect(t, c, "confirmed")
			}
			expect(t, c, "question")
			if err := c.Send(ctx, parley.Text("answer")); err != nil {
				t.Fatal(err)
			}
			expect(t, c, "500000 answer")
			if m, err := c.Call(ctx, parley.Text("small")); err != nil || m.Text() != "small" {
				t.Fatalf("behind the stream: %v, %v", m, err)
			}
		}
	})
}

// skipper is a StreamHandler that does not read its streams.
type skipper struct {
	parley.HandlerFunc
	err error
}

func (s skipper) ServeStream(context.Context, *parley.Conn, *parley.Stream) error { return s.err }

// Verifies: RUNTIME-22, RUNTIME-26, RUNTIME-42
func TestStreamHandlerEndsEarly(t *testing.T) {
	each(t, []parley.Protocol{tinyproto.Protocol{}, serpy2.Protocol{}}, func(t *testing.T, p parley.Protocol, pipe bool) {
		boom := errors.New("boom")
		for _, fails := range []error{nil, boom} {
			life := newLife()
			srv := &parley.Server{Protocol: p, Handler: skipper{echo, fails}, Limits: parley.Limits{MaxMessage: 1000}, Hooks: life.hooks()}
			c := connect(t, pipe, srv, &parley.Dialer{})
			ctx := newContext(t)
			err := c.SendStream(ctx, 100_000, &pattern{})
			if fails == nil {
				if err != nil {
					t.Fatal(err)
				}
				if m, err := c.Call(ctx, parley.Text("small")); err != nil || m.Text() != "small" {
					t.Errorf("behind a skipped stream: %v, %v", m, err)
				}
				c.CloseNow()
			} else if err := life.reason(t); err != boom {
				t.Errorf("the connection ended with %v, want the handler's error", err)
			}
		}
	})
	t.Run("damaged", func(t *testing.T) { // the skipped rest does not match its checksum
		lost := make(chan error, 1)
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: skipper{echo, nil}, Limits: parley.Limits{MaxMessage: 10},
			Hooks: parley.Hooks{OnMessageError: func(_ *parley.Conn, err error) { lost <- err }}}
		peer := bareDial(t, newServer(t, srv))
		damaged := []byte(serpy2Text(strings.Repeat("x", 1000)))
		damaged[500] = 'y'
		peer.say(string(damaged) + serpy2Text("next"))
		peer.hear(serpy2Text("next"))
		if err := next(t, lost, "OnMessageError was not called"); !errors.As(err, new(*parley.MessageError)) {
			t.Errorf("got %v, want a MessageError", err)
		}
	})
}

// A message above the limit that nobody streams is refused, and both ends say
// so. Where the wire can skip it the connection lives.
//
// Verifies: RUNTIME-09, RUNTIME-23, RUNTIME-42, TINYPROTO-13, TINYPROTO-14
func TestMessageAboveTheLimit(t *testing.T) {
	limits := parley.Limits{MaxMessage: 100_000}
	check := func(t *testing.T, who string, err error) {
		t.Helper()
		if !errors.Is(err, parley.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", who, err)
			return
		}
		for _, words := range []string{"200000", "100000", "MaxMessage"} {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v does not say %s", who, err, words)
			}
		}
	}
	each(t, []parley.Protocol{tinyproto.Protocol{}, serpy2.Protocol{}}, func(t *testing.T, p parley.Protocol, pipe bool) {
		skips := p.Name() == "serpy2"
		t.Run("handler", func(t *testing.T) {
			life := newLife()
			lost := make(chan error, 10)
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Limits: limits, Hooks: life.hooks()}
			srv.Hooks.OnMessageError = func(_ *parley.Conn, err error) { lost <- err }
			c := connect(t, pipe, srv, &parley.Dialer{})
			err := c.Send(newContext(t), parley.Bytes(make([]byte, 200_000)))
			if skips {
				if err != nil {
					t.Fatal(err)
				}
				err := next(t, lost, "OnMessageError was not called")
				check(t, "OnMessageError", err)
				if e := new(*parley.MessageError); !errors.As(err, e) || (*e).Peer == "" {
					t.Errorf("got %T, want a *MessageError with the peer", err)
				}
				if m, err := c.Call(newContext(t), parley.Text("next")); err != nil || m.Text() != "next" {
					t.Errorf("the next message: %v, %v", m, err)
				}
				return
			}
			if e := new(*parley.RefusedError); !errors.As(err, e) || (*e).Code != 0 || (*e).Peer == "" {
				t.Errorf("the sender: %v, want a RefusedError with the code and the peer", err)
			}
			check(t, "OnClose", life.reason(t))
		})
		t.Run("pull", func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Pull: true, Limits: limits}
			c := connect(t, pipe, srv, &parley.Dialer{})
			s, err := srv.Accept(newContext(t))
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() {
				err := c.Send(newContext(t), parley.Bytes(make([]byte, 200_000)))
				c.Send(newContext(t), parley.Text("next"))
				sent <- err
			}()
			_, err = s.Receive(newContext(t))
			check(t, "Receive", err)
			if skips {
				if !errors.As(err, new(*parley.MessageError)) {
					t.Errorf("got %T, want a *MessageError: the connection lives", err)
				}
				expect(t, s, "next")
				<-sent
				return
			}
			if err := <-sent; !errors.As(err, new(*parley.RefusedError)) {
				t.Errorf("the sender: %v, want a RefusedError", err)
			}
			_, err = s.Receive(newContext(t))
			check(t, "Receive at the end", err)
		})
	})
	t.Run("oneline", func(t *testing.T) {
		life := newLife()
		srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), Limits: parley.Limits{MaxMessage: 100}, Hooks: life.hooks()}
		peer := bareDial(t, newServer(t, srv))
		peer.say(strings.Repeat("x", 100) + "\n" + strings.Repeat("x", 101))
		peer.hear(strings.Repeat("x", 100) + "\n")
		if e, err := new(*parley.ProtocolError), life.reason(t); !errors.As(err, e) || (*e).Offset != 201 {
			t.Errorf("got %v, want a ProtocolError at byte 201", err)
		}
	})
}
