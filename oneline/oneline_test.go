package oneline_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func newServer(t testing.TB, p oneline.Protocol) *wiretest.Driver {
	return wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
}

// newClient returns a client whose handshake is done.
func newClient(t testing.TB, p oneline.Protocol) *wiretest.Driver {
	t.Helper()
	d := wiretest.NewDriver(t, p, wire.Dialing, wire.Limits{})
	d.Feed([]byte("pong" + orLF(p.EOL)))
	if d.Count(wire.EventOpen) != 1 || string(d.Out) != "ping"+orLF(p.EOL) {
		t.Fatalf("handshake: events %v, out %q", d.Events, d.Out)
	}
	d.Out = nil
	return d
}

func orLF(eol string) string {
	if eol == "" {
		return "\n"
	}
	return eol
}

// Verifies: ONELINE-01, ONELINE-02, ONELINE-03, ONELINE-04, ONELINE-08, ONELINE-13
func TestServerReceives(t *testing.T) {
	const none = "(nothing)"
	for _, c := range []struct {
		line    string
		utf8    bool
		text    string // none: the handler sees nothing
		invalid bool
		out     string
	}{
		{line: "cmd01", text: "cmd01"},
		{line: "", text: ""},
		{line: " two  words\t\r", text: " two  words\t\r"},
		{line: "a\x00b\x01\x1f\x7f", text: "a\x00b\x01\x1f\x7f"},
		{line: "ping", text: none, out: "pong\n"},
		{line: "p\xffi\x80ng\xff", text: none, out: "pong\n"},
		{line: "PING", text: "PING"},
		{line: "ping\r", text: "ping\r"},
		{line: "pinga\xff", text: "pinga", invalid: true},
		{line: "pong", text: "pong"},
		{line: "invalid", text: "invalid"},
		{line: "disconnects", text: "disconnects"},
		{line: "\xffdisconnects", text: "disconnects", invalid: true},
		{line: "shutdowm", text: "shutdowm"},
		{line: "héllo", text: "hllo", invalid: true},
		{line: "\xc3", text: "", invalid: true},
		{line: strings.Repeat("é", 99), text: "", invalid: true},

		{line: "cmd01", utf8: true, text: "cmd01"},
		{line: "héllo € 😀", utf8: true, text: "héllo € 😀"},
		{line: "ping", utf8: true, text: none, out: "pong\n"},
		{line: "piéng", utf8: true, text: "piéng"},
		{line: "a\xffb", utf8: true, text: "a\xffb", invalid: true},
		{line: "p\xffing", utf8: true, text: "p\xffing", invalid: true},
		{line: "\xed\xa0\x80", utf8: true, text: "\xed\xa0\x80", invalid: true},
	} {
		d := newServer(t, oneline.Protocol{UTF8: c.utf8})
		d.Feed([]byte(c.line + "\n"))
		got := d.Messages()
		switch {
		case d.Err != nil || string(d.Out) != c.out:
			t.Errorf("%q: error %v, out %q, want %q", c.line, d.Err, d.Out, c.out)
		case c.text == none:
			if len(got) != 0 {
				t.Errorf("%q: %v", c.line, got)
			}
		case len(got) != 1 || got[0].Type() != wire.TypeText || got[0].Text() != c.text || oneline.Invalid(got[0]) != c.invalid:
			t.Errorf("%q (UTF8 %v): %v, want %q, invalid %v", c.line, c.utf8, got, c.text, c.invalid)
		case string(got[0].Bytes()) != c.line:
			t.Errorf("%q: the raw bytes are %q", c.line, got[0].Bytes())
		}
	}
}

// Verifies: ONELINE-05, ONELINE-06
func TestFarewellIsTheLastWord(t *testing.T) {
	for _, c := range []struct {
		in   string
		want wire.EventKind
	}{
		{"disconnect\n", wire.EventLeave},
		{"dis\xffconnect\n", wire.EventLeave},
		{"shutdown\n", wire.EventShutdown},
		{"shut\x80down\n", wire.EventShutdown},
	} {
		m := oneline.Protocol{}.New(wire.Accepting, wire.Limits{})
		wiretest.Receive(m, nil)
		in := []byte(c.in + "ping\ncmd\npartial")
		n, ev, err := wiretest.Receive(m, in)
		if n != len(c.in) || ev.Kind != c.want || err != nil {
			t.Errorf("%q: n %d, event %v, error %v", c.in, n, ev.Kind, err)
		}
		n, ev, err = wiretest.Receive(m, in[n:])
		if n != len(in)-len(c.in) || ev.Kind != wire.EventNone || err != nil {
			t.Errorf("%q: behind it n %d, event %v, error %v", c.in, n, ev.Kind, err)
		}
		if out := m.Output(nil); len(out) != 0 {
			t.Errorf("%q was answered with %q", c.in, out)
		}
		if err := m.ReceiveEOF(nil, new(wire.Event)); err != nil {
			t.Error(err)
		}
	}
}

// Verifies: ONELINE-11, ONELINE-12
func TestServerSpeaksOnlyInAnswer(t *testing.T) {
	d := newServer(t, oneline.Protocol{})
	for _, in := range []string{"", "ping\n", "unfinished"} {
		d.Feed([]byte(in))
		before := len(d.Out)
		if err := d.Send(wire.Text("news")); !errors.Is(err, wire.ErrUnsolicited) || len(d.Out) != before {
			t.Errorf("after %q: error %v, out %q", in, err, d.Out)
		}
	}
	d.Out = nil
	d.Feed([]byte("\n"))
	for _, line := range []string{"one", "", "three"} {
		if err := d.Send(wire.Text(line)); err != nil {
			t.Error(err)
		}
	}
	if string(d.Out) != "one\n\nthree\n" {
		t.Errorf("out %q", d.Out)
	}
}

// Verifies: ONELINE-09
func TestAnswersKeepTheOrderOfCommands(t *testing.T) {
	d := newServer(t, oneline.Protocol{})
	d.Reply = answers{"a": {"1", "2"}, "b": nil, "c": {"3"}}.reply
	d.Feed([]byte("ping\na\nping\nping\nb\nc\nping\n"))
	if string(d.Out) != "pong\n1\n2\npong\npong\n3\npong\n" {
		t.Errorf("out %q", d.Out)
	}
}

// Verifies: ONELINE-16, ONELINE-18
func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		answer string
		ok     bool
	}{
		{"pong\n", true},
		{" \tpong \r\n", true},
		{"\u00a0pong\u3000\x1c\n", true},
		{"\n", false},
		{"nope\n", false},
		{"PONG\n", false},
		{"pong pong\n", false},
		{"po\xffng\n", false},
		{"\x00pong\n", false},
	} {
		d := wiretest.NewDriver(t, oneline.Protocol{}, wire.Dialing, wire.Limits{})
		if string(d.Out) != "ping\n" || d.Machine.Awaiting() != 1 || d.Count(wire.EventOpen) != 0 {
			t.Fatalf("out %q, awaiting %d, events %v", d.Out, d.Machine.Awaiting(), d.Events)
		}
		d.Feed([]byte(c.answer))
		var broken *wire.ProtocolError
		switch {
		case c.ok:
			if d.Err != nil || d.Count(wire.EventOpen) != 1 || len(d.Messages()) != 0 || d.Machine.Awaiting() != 0 {
				t.Errorf("%q: error %v, events %v", c.answer, d.Err, d.Events)
			}
		case !errors.As(d.Err, &broken) || d.Count(wire.EventOpen) != 0:
			t.Errorf("%q: error %v, events %v", c.answer, d.Err, d.Events)
		}
	}
	if n := newServer(t, oneline.Protocol{}).Machine.Awaiting(); n != 0 {
		t.Errorf("a server awaits %d answers", n)
	}
}

// Verifies: ONELINE-16, ONELINE-24
func TestHandshakeCutOff(t *testing.T) {
	for in, want := range map[string]string{"": "without the \"pong\"", "pon": "the 3 bytes"} {
		d := wiretest.NewDriver(t, oneline.Protocol{}, wire.Dialing, wire.Limits{})
		d.Feed([]byte(in))
		wantCut(t, d.EOF(), want)
	}
}

// Verifies: ONELINE-19, ONELINE-20
func TestClientReceives(t *testing.T) {
	d := newClient(t, oneline.Protocol{})
	d.Feed([]byte("  padded \t\r\n\r\nbad \xff byte\n\xc2\xa0h\u00e9llo\u2028\nping\ndisconnect\n\x00nul\x00\n"))
	if got, want := texts(d), []string{"padded", "", "héllo", "ping", "disconnect", "\x00nul\x00"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
	if d.Count(wire.EventLost) != 1 || !strings.Contains(d.Events[3].Err, "at byte 19") {
		t.Errorf("events %v", d.Events)
	}
}

// Verifies: ONELINE-20
func TestLineNotUTF8IsAMessageError(t *testing.T) {
	m := oneline.Protocol{}.New(wire.Dialing, wire.Limits{})
	in := []byte("pong\n\xff\n")
	n, _, _ := wiretest.Receive(m, in)
	n, ev, err := wiretest.Receive(m, in[n:])
	var lost *wire.MessageError
	if n != 2 || err != nil || ev.Kind != wire.EventLost || !errors.As(ev.Err, &lost) || lost.Offset != 5 {
		t.Errorf("n %d, event %+v, error %v", n, ev, err)
	}
}

// Verifies: ONELINE-14, ONELINE-15
func TestSend(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for _, c := range []struct {
		m    wire.Message
		want string
		err  error
	}{
		{wire.Text("cmd01"), "cmd01\n", nil},
		{wire.Text(""), "\n", nil},
		{wire.Bytes([]byte{0, 0xff, '\r'}), "\x00\xff\r\n", nil},
		{wire.Int(-5), "-5\n", nil},
		{wire.BigInt(huge), huge.String() + "\n", nil},
		{wire.Float(0.1), "0.1\n", nil},
		{wire.Float(2), "2.0\n", nil},
		{wire.Float(1e22), "1e+22\n", nil},
		{wire.Float(math.Inf(-1)), "-inf\n", nil},
		{oneline.WithInvalid(wire.TextBytes([]byte("h\xc3\xa9llo")).WithASCII()), "hllo\n", nil}, // the echo an original would give
		{wire.Text("a\nb"), "", wire.ErrNotRepresentable},
		{wire.Text("\n"), "", wire.ErrNotRepresentable},
		{wire.Bytes([]byte("end\n")), "", wire.ErrNotRepresentable},
		{wire.Object([]any{1}), "", wire.ErrNotRepresentable},
		{wire.Text(alphabet(1 << 20)), alphabet(1<<20) + "\n", nil},
		{wire.Text(alphabet(1<<20 + 1)), "", wire.ErrTooLarge},
	} {
		server := newServer(t, oneline.Protocol{})
		server.Feed([]byte("cmd\n"))
		for _, d := range []*wiretest.Driver{newClient(t, oneline.Protocol{}), server} {
			if err := d.Send(c.m); !errors.Is(err, c.err) || string(d.Out) != c.want {
				t.Errorf("%v: error %v, want %v, out %.40q, want %.40q", c.m, err, c.err, d.Out, c.want)
			}
			if err := d.SendStream([]byte("x")); !errors.Is(err, wire.ErrNotRepresentable) {
				t.Errorf("SendStream: error %v", err)
			}
		}
	}
	small := newClient(t, oneline.Protocol{MaxLine: 4})
	if err := small.Send(wire.Int(12345)); !errors.Is(err, wire.ErrTooLarge) || len(small.Out) != 0 {
		t.Errorf("error %v, out %q", err, small.Out)
	}
}

// Verifies: ONELINE-22, ONELINE-23
func TestFarewell(t *testing.T) {
	for _, c := range []struct{ say, want string }{
		{"", "disconnect\n"},
		{"ping", "ping\ndisconnect\n"},
		{"disconnect", "disconnect\n"},
		{"shutdown", "shutdown\n"},
		{"shutdown ", "shutdown \ndisconnect\n"},
	} {
		d := newClient(t, oneline.Protocol{})
		if c.say != "" {
			if err := d.Send(wire.Text(c.say)); err != nil {
				t.Error(err)
			}
		}
		d.Close()
		d.Close()
		if string(d.Out) != c.want {
			t.Errorf("%q: out %q, want %q", c.say, d.Out, c.want)
		}
		if err := d.Send(wire.Text("more")); !errors.Is(err, wire.ErrLeft) {
			t.Errorf("%q: sending after the farewell: error %v", c.say, err)
		}
	}

	d := newServer(t, oneline.Protocol{})
	d.Feed([]byte("cmd\n"))
	for _, word := range []string{"disconnect", "shutdown"} { // nothing special in a response
		if err := d.Send(wire.Text(word)); err != nil {
			t.Error(err)
		}
	}
	d.Close()
	if string(d.Out) != "disconnect\nshutdown\n" {
		t.Errorf("a server said %q", d.Out)
	}
	if err := d.Send(wire.Text("more")); !errors.Is(err, wire.ErrLeft) {
		t.Errorf("sending after the farewell: error %v", err)
	}
}

func TestTraits(t *testing.T) {
	tr := oneline.Protocol{}.Traits()
	if tr.Clients != 1 || !tr.Lockstep || tr.Confirms || tr.Sized || tr.SendsStreams || tr.Opaque || tr.MaxMessage != 1<<20 {
		t.Errorf("%+v", tr)
	}
	if (oneline.Protocol{}).Name() != "oneline" {
		t.Error("name")
	}
}
