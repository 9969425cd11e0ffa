package oneline_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: ONELINE-27, ONELINE-28
func TestLineLimit(t *testing.T) {
	for _, c := range []struct {
		protocol oneline.Protocol
		limit    int64 // wire.Limits
		want     int
	}{
		{oneline.Protocol{}, 0, 1 << 20},
		{oneline.Protocol{MaxLine: 100}, 0, 100},
		{oneline.Protocol{MaxLine: 100, EOL: "\r\n"}, 0, 100},
		{oneline.Protocol{MaxLine: 2 << 20}, 0, 2 << 20},
		{oneline.Protocol{MaxLine: 2 << 20}, 50, 50},
		{oneline.Protocol{}, 2 << 20, 1 << 20},
	} {
		for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
			first := map[wire.Role]string{wire.Dialing: "pong", wire.Accepting: "cmd"}[role] + orLF(c.protocol.EOL)
			start := func() *wiretest.Driver {
				d := wiretest.NewDriver(t, c.protocol, role, wire.Limits{MaxMessage: c.limit})
				d.Feed([]byte(first))
				return d
			}
			d := start()
			d.Feed([]byte(alphabet(c.want) + orLF(c.protocol.EOL)))
			if m := d.Messages(); d.Err != nil || len(m) == 0 || m[len(m)-1].Len() != c.want {
				t.Errorf("%+v, %v: a line of the limit: error %v", c, role, d.Err)
			}
			for _, over := range []string{
				alphabet(c.want+1) + orLF(c.protocol.EOL),
				alphabet(c.want + len(orLF(c.protocol.EOL))), // no end in sight
			} {
				d = start()
				d.Feed([]byte(over))
				var broken *wire.ProtocolError
				if !errors.As(d.Err, &broken) || broken.Offset != int64(len(first)+c.want) || !strings.Contains(broken.Rule, "limit") {
					t.Errorf("%+v, %v: a line over the limit: error %v", c, role, d.Err)
				}
			}
		}
	}
}

func TestEndsOfLine(t *testing.T) {
	for _, eol := range []string{"\r", "\r\n", "\n"} {
		p := oneline.Protocol{EOL: eol}
		d := newClient(t, p)
		if err := d.Send(wire.Text("cmd")); err != nil || string(d.Out) != "cmd"+eol {
			t.Errorf("%q: error %v, out %q", eol, err, d.Out)
		}
		if err := d.Send(wire.Text("a" + eol + "b")); !errors.Is(err, wire.ErrNotRepresentable) {
			t.Errorf("%q: error %v", eol, err)
		}
		s := newServer(t, p)
		s.Feed([]byte("ping" + eol + "one" + eol + eol + "disconnect" + eol))
		if got := texts(s); !slices.Equal(got, []string{"one", ""}) || string(s.Out) != "pong"+eol || !s.Left {
			t.Errorf("%q: lines %q, out %q, left %v", eol, got, s.Out, s.Left)
		}
	}

	// A line feed alone does not end a line that ends with CR LF.
	s := newServer(t, oneline.Protocol{EOL: "\r\n"})
	s.FeedBytewise([]byte("\na\nb\rc\r\r\n"))
	if got := texts(s); !slices.Equal(got, []string{"\na\nb\rc\r"}) {
		t.Errorf("lines %q", got)
	}

	// An end that could begin in the message and end in the real one.
	d := newClient(t, oneline.Protocol{EOL: "--"})
	if err := d.Send(wire.Text("a-")); !errors.Is(err, wire.ErrNotRepresentable) || len(d.Out) != 0 {
		t.Errorf("error %v, out %q", err, d.Out)
	}
}

// Verifies: ONELINE-26
func TestStreamEndsInsideALine(t *testing.T) {
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		start := func(p oneline.Protocol) *wiretest.Driver {
			if role == wire.Dialing {
				return newClient(t, p)
			}
			return newServer(t, p)
		}
		if err := start(oneline.Protocol{}).EOF(); err != nil {
			t.Error(err)
		}
		d := start(oneline.Protocol{})
		d.Feed([]byte("whole\npartial"))
		wantCut(t, d.EOF(), "the 7 bytes")
		if got := texts(d); !slices.Equal(got, []string{"whole"}) || strings.Contains(d.Err.Error(), "EOL") {
			t.Errorf("lines %q, error %v", got, d.Err)
		}
		d = start(oneline.Protocol{})
		d.Feed([]byte("*IDN?\r"))
		wantCut(t, d.EOF(), `set EOL to "\r"`)
	}
}

// A long line is looked at once, however it arrives.
func TestLongLineIsNotQuadratic(t *testing.T) {
	const size = 1 << 20
	m := oneline.Protocol{}.New(wire.Accepting, wire.Limits{})
	wiretest.Receive(m, nil)
	line := append([]byte(alphabet(size)), '\n')
	// A scan from the start for each byte would take 2^39 byte comparisons:
	// this test would not end.
	for i := 1; i <= size; i++ {
		if n, ev, err := wiretest.Receive(m, line[:i]); n != 0 || ev.Kind != wire.EventNone || err != nil {
			t.Fatalf("after %d bytes: n %d, event %v, error %v", i, n, ev.Kind, err)
		}
	}
	n, ev, err := wiretest.Receive(m, line)
	if n != len(line) || ev.Kind != wire.EventMessage || ev.Message.Len() != size || err != nil {
		t.Errorf("n %d, event %v, error %v", n, ev.Kind, err)
	}
	if &ev.Message.Bytes()[0] != &line[0] {
		t.Error("the message does not refer to the bytes received")
	}
}
