package parley_test

// Errors: what their texts say, and that a lost message is told in its place.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// An error of the peer names the peer, the byte and the rule.
//
// Verifies: RUNTIME-41, RUNTIME-42
func TestErrorTexts(t *testing.T) {
	kinds := []struct {
		name     string
		protocol parley.Protocol
		hello    string
		say      string
		offset   int64 // of a ProtocolError, MessageError or RefusedError
		kind     string
		words    string
	}{
		{"no hello", tinyproto.Protocol{}, "", "GET / HTTP/1.0\r\n", 0, "refused", "not a tinyproto peer"},
		{"refused", tinyproto.Protocol{}, "", "\xfe", 0, "refused", "connection limit"},
		{"an OK too many", tinyproto.Protocol{}, tinyHello, tiny("x") + tinyOK, 6, "protocol", "answers nothing"},
		{"too large for the wire", tinyproto.Protocol{}, tinyHello, "\xf1\x00\x00\x00", 1, "protocol", "4043309056"},
		{"cut in a message", tinyproto.Protocol{}, tinyHello, tiny("x") + tiny("abc")[:5], 11, "protocol", "1 of 3 bytes"},
		{"not oneline", oneline.Protocol{}, "", "SSH-2.0-OpenSSH\n", 0, "protocol", "does not speak oneline"},
		{"not UTF-8", oneline.Protocol{}, "pong\n", "\xff\n", 5, "message", "not UTF-8"},
		{"cut in a line", oneline.Protocol{}, "pong\n", "one\ntw", 11, "protocol", "inside a line"},
		{"bad base85", serpy.Protocol{}, "", "\x01SETMODE2\x1f\"\x1f", 10, "message", "base85"},
		{"bad checksum", serpy2.Protocol{}, "", serpy2Text("x") + strings.Replace(serpy2Text("abc"), "abc", "abd", 1), 15, "message", "checksum"},
		{"garbage", serpy2.Protocol{}, "", "garbage" + serpy2Text("x"), 0, "message", "belong to no block"},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			addr := l.Addr().String()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(nc, k.hello+k.say)
				nc.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, nc)
				nc.Close()
			}()
			c, err := parley.Dial(newContext(t), k.protocol, addr)
			for err == nil {
				defer c.CloseNow()
				_, err = c.Receive(newContext(t))
			}
			var offset int64
			kind := ""
			if e := new(*parley.ProtocolError); errors.As(err, e) {
				kind, offset = "protocol", (*e).Offset
			} else if e := new(*parley.MessageError); errors.As(err, e) {
				kind, offset = "message", (*e).Offset
			} else if e := new(*parley.RefusedError); errors.As(err, e) {
				kind, offset = "refused", (*e).Offset
			}
			if kind != k.kind || offset != k.offset {
				t.Errorf("got a %s error at byte %d, want a %s error at byte %d", kind, offset, k.kind, k.offset)
			}
			for _, words := range []string{k.protocol.Name(), addr, fmt.Sprintf("at byte %d", k.offset), k.words} {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
		})
	}
	t.Run("reset", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
		peer.say(serpy2Text("x"))
		expect(t, c, "x")
		peer.reset()
		_, err := c.Receive(newContext(t))
		if e := new(*parley.ConnError); !errors.As(err, e) || (*e).Offset != 15 || !strings.Contains(err.Error(), c.RemoteAddr().String()) {
			t.Errorf("got %v, want a ConnError at byte 15 with the peer's address", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		if _, err := parley.Dial(newContext(t), serpy2.Protocol{}, addr); err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v, want one that names the address", err)
		}
	})
}

// A lost message has its place among the others, for a program that receives
// and for a handler.
//
// Verifies: RUNTIME-42, RUNTIME-24
func TestLostMessageInItsPlace(t *testing.T) {
	all := serpy2Text("one") + strings.Replace(serpy2Text("two"), "two", "TWO", 1) + serpy2Text("three")
	want := "one, lost, three"
	t.Run("pull", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
		peer.say(all)
		peer.closeWrite()
		var got []string
		for m, err := range c.Messages(newContext(t)) {
			if errors.As(err, new(*parley.MessageError)) {
				got = append(got, "lost")
			} else {
				got = append(got, m.Text())
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
		if s := c.Stats(); s.Lost != 1 || s.MessagesIn != 2 {
			t.Errorf("Stats: %+v", s)
		}
	})
	for _, busy := range []bool{false, true} { // also behind a handler that has another goroutine read
		t.Run(fmt.Sprintf("handler, busy=%v", busy), func(t *testing.T) {
			var got []string
			life := newLife()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Hooks: life.hooks()}
			srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				got = append(got, m.Text())
				if busy && m.Text() == "zero" {
					m, err := c.Receive(ctx)
					got = append(got, m.Text())
					return err
				}
				return nil
			})
			srv.Hooks.OnMessageError = func(_ *parley.Conn, err error) {
				if !errors.As(err, new(*parley.MessageError)) {
					t.Errorf("got %v", err)
				}
				got = append(got, "lost")
			}
			peer := bareDial(t, newServer(t, srv))
			if busy {
				peer.say(serpy2Text("zero"))
				want = "zero, " + want
			}
			peer.say(all)
			peer.closeWrite()
			life.reason(t)
			if s := strings.Join(got, ", "); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		})
	}
}
