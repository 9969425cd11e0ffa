package serpy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// transcripts builds the cases. What the originals' API was given and what it
// returned stands in the transcripts: our side sends the one and must receive
// the other.
type transcripts struct{ *testing.T }

func (t transcripts) find(name string) recorded.Transcript {
	return recorded.Find(t, "serpy", name)
}

// play is one role of a transcript: it sends what the side of that role was
// given and expects what its getData returned.
func (t transcripts) play(name string, role wire.Role, p Protocol) recorded.Play {
	tr := t.find(name)
	side := "client"
	if role == wire.Accepting {
		side = "server"
	}
	return recorded.Play{
		Protocol: p,
		Role:     role,
		Do:       map[int][]recorded.Action{0: t.sends(tr, side)},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			var got []wire.Message
			for _, d := range conns {
				sound(t, d)
				got = append(got, d.Messages()...)
			}
			checkMessages(t, got, tr.Values(side, "getData", "result"))
		},
	}
}

// both plays both roles.
func (t transcripts) both(name string, p Protocol) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{t.play(name, wire.Dialing, p), t.play(name, wire.Accepting, p)}}
}

// sends is what side was given to send.
func (t transcripts) sends(tr recorded.Transcript, side string) []recorded.Action {
	var all []recorded.Action
	var input recorded.Value
	for _, e := range tr.API {
		switch {
		case e.Side != side:
		case e.Event == "input to the next call":
			input = e.Values["data"]
		case strings.HasPrefix(e.Call, "sendData("):
			m := toMessage(t, input)
			var mode int
			if _, err := fmt.Sscanf(e.Call, "sendData(mode=%d", &mode); err != nil {
				t.Fatalf("%s: %v", e.Call, err)
			}
			m = WithMode(m, mode)
			if _, fails := e.Values["raises"]; fails {
				all = append(all, refused(m))
			} else {
				all = append(all, recorded.Send(m))
			}
		}
	}
	return all
}

// refused is the action of trying to send what can't be sent.
func refused(m wire.Message) recorded.Action {
	return func(d *wiretest.Driver) error {
		if err := d.Send(m); !errors.Is(err, wire.ErrNotRepresentable) {
			return fmt.Errorf("sending %v gives the error %v, want ErrNotRepresentable", m, err)
		}
		return nil
	}
}

// sound fails if a conversation has ended or lost anything.
func sound(t *testing.T, d *wiretest.Driver) {
	t.Helper()
	if d.Err != nil || d.Count(wire.EventLost) > 0 {
		t.Errorf("connection %d: error %v, events %v", d.Conn, d.Err, d.Events)
	}
}

// described is a message with its mode: "bytes/1[2] 6162".
func described(m wire.Message) string {
	s := m.WithTag(0).String()
	if mode, ok := Mode(m); ok {
		s = strings.Replace(s, m.Type().String(), fmt.Sprintf("%v/%d", m.Type(), mode), 1)
	}
	return s
}

// events describes all events but the first, which is EventOpen.
func events(d *wiretest.Driver) string {
	var all []string
	for _, e := range d.Events[1:] {
		switch e.Kind {
		case wire.EventMessage:
			all = append(all, described(e.Message))
		case wire.EventLost:
			all = append(all, "lost")
		default:
			all = append(all, e.String())
		}
	}
	return strings.Join(all, ", ")
}

// survives is a test of what our machine makes of bytes that stopped an
// original: the events and our answers are those given, and a message in mode 0
// behind them still arrives.
func survives(role wire.Role, p Protocol, want, answers string) func(*testing.T, recorded.Transcript) {
	return func(t *testing.T, tr recorded.Transcript) {
		for name, feed := range map[string]func(*wiretest.Driver, []byte){
			"whole": (*wiretest.Driver).Feed, "bytewise": (*wiretest.Driver).FeedBytewise,
		} {
			d := wiretest.NewDriver(t, p, role, wire.Limits{})
			feed(d, tr.Stream(0, role.Peer()))
			if got := events(d); got != want {
				t.Errorf("%s: events\n %s, want\n %s", name, got, want)
			}
			if got := string(d.Out); got != answers {
				t.Errorf("%s: we answer %q, want %q", name, got, answers)
			}
			feed(d, []byte("\x01SETMODE0\x1fstill here\x1f"))
			if got := events(d); d.Err != nil || !strings.HasSuffix(got, "bytes/0[10] "+hex("still here")) {
				t.Errorf("%s: the connection is dead: error %v, events %s", name, d.Err, got)
			}
		}
	}
}

func hex(s string) string { return fmt.Sprintf("%x", s) }

// arrives is a test that what the client of a transcript said reaches our peer
// whole.
func arrives(t *testing.T, tr recorded.Transcript) {
	var want []string
	for _, v := range tr.Values("client", "input", "data") {
		want = append(want, toMessage(t, v).Text())
	}
	pair := wiretest.NewPair(t, Protocol{Encoding: utf8Encoding(t)}, Protocol{}, wire.Limits{}, 1)
	for _, do := range (transcripts{t}).sends(tr, "client") {
		if err := do(pair.Dialing); err != nil {
			t.Fatal(err)
		}
	}
	pair.Run()
	sound(t, pair.Accepting)
	var got []string
	for _, m := range pair.Accepting.Messages() {
		got = append(got, m.Text())
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || len(want) == 0 {
		t.Errorf("%q arrive, want %q", got, want)
	}
	if n := pair.Dialing.Machine.Awaiting(); n != 0 {
		t.Errorf("%d answers are still awaited", n)
	}
}

func encoding(t testing.TB, name string) Encoding {
	e, err := LookupEncoding(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func utf8Encoding(t testing.TB) Encoding { return encoding(t, "utf-8") }

const (
	modeAnswer    = "\x01ACKMODCG\x1f"
	messageAnswer = "\x01ACKEOT!!\x1f"
)

// inMode is the action of sending a text in a mode.
func inMode(mode int, text string) recorded.Action {
	return recorded.Send(WithMode(wire.Text(text), mode))
}
