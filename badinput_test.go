package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// badServer is a server to which bad input is sent, with what it makes of it.
type badServer struct {
	addr     string
	messages chan parley.Message
	lost     chan error // messages, with connections that live
	ended    chan error // connections
}

func newBadServer(t *testing.T, p parley.Protocol, limits parley.Limits) *badServer {
	s := &badServer{messages: make(chan parley.Message, 100), lost: make(chan error, 100), ended: make(chan error, 100)}
	s.addr = newServer(t, &parley.Server{
		Protocol: p, Limits: limits,
		Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
			s.messages <- m.Clone()
			return nil
		}),
		Hooks: parley.Hooks{
			OnMessageError: func(_ *parley.Conn, err error) { s.lost <- err },
			OnClose:        func(_ *parley.Conn, err error) { s.ended <- err },
		},
	})
	return s
}

// base85 is a serpy message in mode 4.
func base85(pickle string) string {
	return "\x01SETMODE4\x1f" + string(b85.Encode(nil, []byte(pickle))) + "\x1f\x01SETMODE0\x1f"
}

// withXor8 is a frame with its size in front and its check behind.
func withXor8(s string) string {
	b := []byte(tiny(s + "?"))
	b = b[:len(b)-1]
	sum := byte(0)
	for _, c := range b {
		sum ^= c
	}
	return string(append(b, sum))
}

// Bad input gets a clear error, which names the peer's address, the byte and
// the rule, and only that message or that connection suffers: what was said
// before it has arrived, what comes behind it arrives where the connection
// lives, and another connection of the same server does not notice.
//
// Verifies: RUNTIME-41, RUNTIME-42, ONELINE-27, LINE-09, TINYPROTO-15, SERPY-26, SERPY-29, SERPY2-10, SERPY2-11, SERPY2-13
func TestBadInput(t *testing.T) {
	lf := func(s string) string { return s + "\n" }
	block := func(s string) string { return s + "\x1f" }
	damaged := strings.Replace(serpy2Text("abc"), "abc", "abd", 1)
	strict := serpy.Protocol{PickleLimits: pickle.Limits{MaxMemory: 1000}}
	kinds := []struct {
		name     string
		protocol parley.Protocol
		text     func(string) string // the wire's form of a text
		hello    string
		bad      string
		ends     bool  // the connection, not only the message
		offset   int64 // from the beginning of bad
		words    string
	}{
		{"garbage before a header", serpy2.Protocol{}, one(serpy2Text), "", "garbage", false, 0, "belong to no block"},
		{"wrong checksum", serpy2.Protocol{}, one(serpy2Text), "", damaged, false, 0, "checksum"},
		{"UTF-8, serpy2", serpy2.Protocol{}, one(serpy2Text), "", serpy2Text("a\xff"), false, 0, "UTF-8"},
		{"too large, serpy2", serpy2.Protocol{}, one(serpy2Text), "", serpy2Text(strings.Repeat("x", 101)), false, 0, "Limits.MaxMessage"},
		{"bad base85", serpy.Protocol{}, block, "", "\x01SETMODE2\x1fab\"cd\x1f\x01SETMODE0\x1f", false, 10, "base85"},
		{"base85 above 32 bits", serpy.Protocol{}, block, "", "\x01SETMODE2\x1f~~~~~\x1f\x01SETMODE0\x1f", false, 10, "base85"},
		{"wrong check", frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Check: frame.Xor8}, withXor8, "", "\x00\x00\x00\x04abc\x00", false, 0, "xor8"},
		{"above max", frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Max: 50}, one(tiny), "", tiny(strings.Repeat("x", 51)), false, 0, "max is 50"},
		{"garbage before a magic", frame.Protocol{Magic: "Z", Size: frame.U32BE, Strip: frame.Head}, func(s string) string { return "Z" + tiny(s) }, "", "garbage", false, 0, "belong to no frame"},
		{"a size that can't be", frame.Protocol{Size: frame.U64BE, Strip: frame.Head}, func(s string) string { return "\x00\x00\x00\x00" + tiny(s) }, "", "\xff\xff\xff\xff\xff\xff\xff\xff", true, 0, "18446744073709551615"},
		{"a wrong escape", frame.Protocol{Marks: frame.SLIP}, func(s string) string { return s + "\xC0" }, "", "ab\xDBc\xC0", false, 0, "DC or DD"},
		{"no pickle", serpy.Protocol{}, block, "", base85("rubbish."), false, 10, "pickle"},
		{"a pickle that grows", strict, block, "", base85("(" + strings.Repeat("}", 90) + "l."), false, 10, "Limits.MaxMemory"},
		{"too large, serpy", serpy.Protocol{}, block, "", block(strings.Repeat("x", 101)), false, 0, "more than 100 bytes"},
		{"too large for the wire", tinyproto.Protocol{}, one(tiny), tinyHello, "\xf1\x00\x00\x00", true, 0, "4043309056"},
		{"too large, tinyproto", tinyproto.Protocol{}, one(tiny), tinyHello, tinyHead(101), true, 0, "Limits.MaxMessage"},
		{"too large, line", line.Protocol{}, lf, "", strings.Repeat("x", 101) + "\n", false, 0, "limit of 100 bytes"},
		{"far too large, line", line.Protocol{}, lf, "", strings.Repeat("x", 1<<20) + "\n", false, 0, "limit of 100 bytes"},
		{"too large, scpi", line.SCPI(), lf, "", strings.Repeat("x", 101) + " '\"' #15a\nb\nc\n", false, 0, "limit of 100 bytes"},
		{"a block that is too large", line.SCPI(), lf, "", "A #3200" + strings.Repeat("\n", 200) + ",#13\n\n\n\n", false, 0, "at least 207 bytes"},
		{"a line over the limit", oneline.Protocol{}, lf, "ping\n", strings.Repeat("x", 101) + "\n", true, 100, "longer than the limit of 100 bytes"},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := newBadServer(t, k.protocol, parley.Limits{MaxMessage: 100})
			peer := bareDial(t, s.addr)
			peer.say(k.hello + k.text("before") + k.bad)
			next := func() string { return next(t, s.messages, "no message has arrived").Text() }
			if got := next(); got != "before" {
				t.Errorf("got %q, want what was said before", got)
			}
			where := s.lost
			if k.ends {
				where = s.ended
			} else {
				peer.say(k.text("behind"))
				if got := next(); got != "behind" {
					t.Errorf("got %q, want what was said behind it", got)
				}
			}
			err := nextError(t, where)
			var offset int64 = -1
			if e := new(*parley.MessageError); errors.As(err, e) && !k.ends {
				offset = (*e).Offset
			} else if e := new(*parley.ProtocolError); errors.As(err, e) && k.ends {
				offset = (*e).Offset
			}
			if want := int64(len(k.hello)+len(k.text("before"))) + k.offset; offset != want {
				t.Errorf("%T %v is at byte %d, want %d", err, err, offset, want)
			}
			for _, words := range []string{k.protocol.Name(), peer.LocalAddr().String(), fmt.Sprint("at byte ", offset), k.words} {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if !k.ends {
				peer.closeWrite()
				if err := nextError(t, s.ended); !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("the connection ended with %v", err)
				}
			}
			other := bareDial(t, s.addr)
			other.say(k.hello + k.text("another"))
			if got := next(); got != "another" {
				t.Errorf("another connection: got %q", got)
			}
			if len(s.lost) > 0 {
				t.Errorf("one thing too much was lost: %v", <-s.lost)
			}
		})
	}
}

func nextError(t *testing.T, ch <-chan error) error {
	t.Helper()
	return next(t, ch, "there is no error")
}

// one is f for one message.
func one(f func(...string) string) func(string) string { return func(s string) string { return f(s) } }

// The stream may end behind every byte of a message: it is an error that tells
// where, what is whole has arrived, and nothing of what is cut.
//
// Verifies: ONELINE-26, TINYPROTO-17, SERPY-28, SERPY2-14, RUNTIME-35, RUNTIME-41
func TestEndOfStreamAtEveryByte(t *testing.T) {
	for _, k := range []struct {
		protocol     parley.Protocol
		hello, whole string
		cut          string
		clean        []int // behind how many bytes of cut the conversation is at a boundary
	}{
		{oneline.Protocol{}, "", "whole\n", "another\n", nil},
		{tinyproto.Protocol{}, tinyHello, tiny("whole"), tiny("another"), nil},
		{serpy.Protocol{}, "", "whole\x1f", "another\x1f", nil},
		{serpy.Protocol{}, "", "whole\x1f", "\x01SETMODE3\x1f" + string(b85.Encode(nil, []byte("another"))) + "\x04\x1f", []int{10}},
		{serpy2.Protocol{}, "", serpy2Text("whole"), serpy2Text("another"), nil},
	} {
		t.Run(label(k.protocol), func(t *testing.T) {
			s := newBadServer(t, k.protocol, parley.Limits{})
			for n := 0; n <= len(k.cut); n++ {
				peer := bareDial(t, s.addr)
				peer.say(k.hello + k.whole + k.cut[:n])
				peer.closeWrite()
				want := []string{"whole"}
				if n == len(k.cut) {
					want = append(want, "another")
				}
				for _, want := range want {
					if got := next(t, s.messages, "no message has arrived").Text(); got != want {
						t.Errorf("behind %d bytes: got %q, want %q", n, got, want)
					}
				}
				err := nextError(t, s.ended)
				clean := n == 0 || n == len(k.cut) || len(k.clean) > 0 && n == k.clean[0]
				e := new(*parley.ProtocolError)
				switch {
				case clean && errors.Is(err, parley.ErrPeerClosed):
				case clean:
					t.Errorf("behind %d bytes, where nothing is cut: %v", n, err)
				case !errors.As(err, e) || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), peer.LocalAddr().String()):
					t.Errorf("behind %d bytes: got %v, want a ProtocolError that names the peer and wraps io.ErrUnexpectedEOF", n, err)
				case (*e).Offset < int64(len(k.hello+k.whole)) || (*e).Offset > int64(len(k.hello+k.whole)+n):
					t.Errorf("behind %d bytes: the error is at byte %d", n, (*e).Offset)
				}
				if len(s.messages) > 0 {
					t.Errorf("behind %d bytes: %v has arrived", n, <-s.messages)
				}
				io.Copy(io.Discard, peer)
				peer.Close()
			}
		})
	}
}

// A connection that ends because its peer has sent too much is passed over by
// Broadcast, like any other that ends.
//
// Verifies: RUNTIME-29
func TestBroadcastWhileAnotherIsRefused(t *testing.T) {
	life := newLife()
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(discard), Hooks: life.hooks(),
		Limits: parley.Limits{MaxMessage: 100}, Timeouts: parley.Timeouts{Close: time.Minute, Linger: time.Minute},
	}
	addr := newServer(t, srv)
	bad := bareDial(t, addr)
	bad.say(tinyHello + tinyHead(101))
	bad.hear(tinyHello + "\x00") // refused, and it does not close
	life.conn(t)
	c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	life.conn(t)
	if n, err := srv.Broadcast(parley.Text("to all")); n != 1 || err != nil {
		t.Errorf("Broadcast: %d took it, %v; want one", n, err)
	}
	if m, err := c.Receive(newContext(t)); err != nil || m.Text() != "to all" {
		t.Errorf("got %v, %v", m, err)
	}
}
