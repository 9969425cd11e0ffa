package parley_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/tinyproto"
)

// A client that leaves with responses unread says goodbye, and its close is no
// reset, which would kill an original server.
//
// Verifies: ONELINE-22
func TestFarewellWithUnreadResponses(t *testing.T) {
	c, peer := barePeer(t, &parley.Dialer{Protocol: oneline.Protocol{}}, "pong\n")
	peer.hear("ping\n")
	if err := c.Send(newContext(t), parley.Text("talk")); err != nil {
		t.Fatal(err)
	}
	peer.hear("talk\n")
	peer.say(strings.Repeat("nobody reads this\n", 1000))
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	peer.hear("disconnect\n")
	peer.say(strings.Repeat("nor this\n", 1000)) // what was under way
	peer.hearEnd()                               // a reset would be an error
	peer.Close()
	if err := next(t, closed, "Close did not return"); err != nil {
		t.Error(err)
	}
}

// A client whose peer does not greet as it must fails at once and closes its
// socket: what comes late is no answer.
//
// Verifies: ONELINE-18, ONELINE-24, TINYPROTO-02
func TestWrongGreetingClosesTheSocket(t *testing.T) {
	for _, k := range []struct {
		name, says, hears string
		ends              bool
		protocol          parley.Protocol
	}{
		{"not pong", "SSH-2.0-OpenSSH\n", "ping\n", false, oneline.Protocol{}},
		{"the end", "", "ping\n", true, oneline.Protocol{}},
		{"refused", "\xfe", tinyHello, false, tinyproto.Protocol{}},
		{"254 zero bytes, as tinyproto 2.0.1", strings.Repeat("\x00", 254), tinyHello, true, tinyproto.Protocol{}},
	} {
		t.Run(k.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			heard := make(chan string, 1)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				io.WriteString(nc, k.says)
				if k.ends {
					nc.(*net.TCPConn).CloseWrite()
				}
				all, err := io.ReadAll(nc) // until the client closes
				if err != nil && len(all) == 0 {
					all = []byte(err.Error())
				}
				heard <- string(all)
			}()
			d := parley.Dialer{Protocol: k.protocol, Timeouts: parley.Timeouts{Handshake: -1}}
			_, err = d.Dial(newContext(t), l.Addr().String())
			if !errors.As(err, new(*parley.ProtocolError)) && !errors.As(err, new(*parley.RefusedError)) {
				t.Errorf("Dial: %v", err)
			}
			if got := next(t, heard, "the socket was not closed"); !strings.HasPrefix(got, k.hears) {
				t.Errorf("the peer heard %q, want %q and the end", got, k.hears)
			}
		})
	}
}

// Close waits for a silent peer to close too, also on a connection that an
// event loop has: that one has no transport of its own.
//
// Verifies: RUNTIME-33, RUNTIME-53
func TestCloseLingersOnALoop(t *testing.T) {
	life := newLife()
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(discard), Hooks: life.hooks(), Timeouts: parley.Timeouts{Linger: time.Millisecond}}
	addr := newServer(t, srv)
	for range 50 { // most of them are attached by then
		peer := bareDial(t, addr)
		peer.say(tinyHello + tiny("x"))
		peer.hear(tinyHello + tinyOK)
		if err := life.conn(t).Close(); err != nil {
			t.Error(err)
		}
		peer.hearEnd()
		peer.Close()
	}
}
