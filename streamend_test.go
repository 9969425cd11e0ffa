package parley_test

// Streams that end otherwise than by their last byte.

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// A stream that ends with its connection says why; its input is not touched
// any more when somebody else may use the memory.
//
// Verifies: RUNTIME-22, RUNTIME-34
func TestStreamOfALostConnection(t *testing.T) {
	for _, pipe := range []bool{false, true} {
		t.Run(fmt.Sprintf("pipe=%v", pipe), func(t *testing.T) {
			for range 20 {
				srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Limits: parley.Limits{MaxMessage: 1000}}
				c := connect(t, pipe, srv, &parley.Dialer{})
				ctx := newContext(t)
				s, err := srv.Accept(ctx)
				if err != nil {
					t.Fatal(err)
				}
				half, rest := io.Pipe()
				go rest.Write(make([]byte, 50_000)) // and no more
				sent := make(chan error, 1)
				go func() { sent <- c.SendStream(ctx, 100_000, half) }()
				in, err := s.ReceiveStream(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := in.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				reading := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, in)
					reading <- err
				}()
				s.CloseNow()
				if err := <-reading; !errors.Is(err, parley.ErrClosed) {
					t.Errorf("the stream ended with %v, want ErrClosed", err)
				}
				<-s.Done()
				if n, err := in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, parley.ErrClosed) {
					t.Errorf("a Read after the end: %d bytes, %v, want ErrClosed", n, err)
				}
				half.CloseWithError(io.ErrUnexpectedEOF)
				if err := <-sent; err == nil {
					t.Error("the sender has seen no error")
				}
			}
		})
	}
	t.Run("unread piece", func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Limits: parley.Limits{MaxMessage: 1000}}
		peer := bareDial(t, newServer(t, srv))
		peer.say(tinyHello + tinyHead(100_000) + strings.Repeat("x", 5000))
		s, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.ReceiveStream(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		s.CloseNow()
		<-s.Done()
		if n, err := in.Read(make([]byte, 10)); n != 0 || !errors.Is(err, parley.ErrClosed) {
			t.Errorf("Read: %d bytes, %v, want ErrClosed", n, err)
		}
	})
	t.Run("cut by the peer", func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Limits: parley.Limits{MaxMessage: 1000}}
		peer := bareDial(t, newServer(t, srv))
		peer.say(tinyHello + tinyHead(100_000) + strings.Repeat("x", 5000))
		peer.closeWrite()
		s, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.ReceiveStream(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, in)
		if e := new(*parley.ProtocolError); n != 5000 || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, e) || (*e).Offset != 5005 {
			t.Errorf("got %d bytes, %v, want 5000 and an unexpected end at byte 5005", n, err)
		}
		if _, err := s.Receive(newContext(t)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Receive: %v, want the unexpected end", err)
		}
	})
}

// Verifies: RUNTIME-22, RUNTIME-21
func TestSendStreamFails(t *testing.T) {
	each(t, []parley.Protocol{tinyproto.Protocol{}, serpy2.Protocol{}}, func(t *testing.T, p parley.Protocol, pipe bool) {
		boom := errors.New("boom")
		readers := map[string]struct {
			r    io.Reader
			want error
		}{
			"ends early": {io.LimitReader(&pattern{}, 99_999), io.ErrUnexpectedEOF},
			"is empty":   {strings.NewReader(""), io.ErrUnexpectedEOF},
			"fails":      {io.MultiReader(io.LimitReader(&pattern{}, 1000), failing{boom}), boom},
		}
		for name, r := range readers {
			t.Run(name, func(t *testing.T) {
				c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(discard)}, &parley.Dialer{})
				err := c.SendStream(newContext(t), 100_000, r.r)
				if !errors.Is(err, r.want) {
					t.Errorf("got %v, want %v", err, r.want)
				}
				if streams := p.Traits().SendsStreams; streams != (c.Err() != nil) {
					t.Errorf("the connection's error is %v", c.Err())
				}
			})
		}
		t.Run("negative", func(t *testing.T) {
			c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
			if err := c.SendStream(newContext(t), -1, &pattern{}); !errors.Is(err, parley.ErrNotRepresentable) {
				t.Errorf("got %v, want ErrNotRepresentable", err)
			}
			if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
				t.Errorf("afterwards: %v, %v", m, err)
			}
		})
		t.Run("too large", func(t *testing.T) {
			c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{Limits: parley.Limits{MaxMessage: 1000}})
			if err := c.SendStream(newContext(t), 1<<40, &pattern{}); !errors.Is(err, parley.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
				t.Errorf("afterwards: %v, %v", m, err)
			}
		})
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Close waits for a message that is on its way, also for one whose reader is
// slow.
//
// Verifies: RUNTIME-33, RUNTIME-22
func TestCloseBehindAStream(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
	c := connect(t, false, srv, &parley.Dialer{})
	ctx := newContext(t)
	s, err := srv.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() { sent <- c.SendStream(ctx, 100_000, r) }()
	io.CopyN(w, &pattern{}, 30_000) // the stream has begun
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	for c.Send(ctx, parley.Text("x")) == nil { // until Close has begun
	}
	io.CopyN(w, &pattern{at: 30_000}, 70_000)
	if err := next(t, sent, "SendStream did not return"); err != nil {
		t.Error(err)
	}
	m, err := s.Receive(ctx)
	if err != nil || m.Len() != 100_000 {
		t.Fatalf("got %v, %v", m, err)
	}
	if _, err := (&check{}).Write(m.Bytes()); err != nil {
		t.Error(err)
	}
	if err := next(t, closed, "Close did not return"); err != nil {
		t.Error(err)
	}
}
