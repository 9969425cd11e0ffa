package serpy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// says is a role that sends in its own words; n messages are confirmed to it.
func says(role wire.Role, n int, actions ...recorded.Action) recorded.Play {
	return recorded.Play{
		Protocol: Protocol{},
		Role:     role,
		Do:       map[int][]recorded.Action{0: actions},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			sound(t, conns[0])
			if got := conns[0].Count(wire.EventConfirmed); got != n {
				t.Errorf("%d messages confirmed, want %d", got, n)
			}
		},
	}
}

// hears is a role that receives texts, as bytes, and does no more than that,
// on any number of connections.
func hears(role wire.Role, texts ...string) recorded.Play {
	return recorded.Play{
		Protocol: Protocol{},
		Role:     role,
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			var got []string
			for _, d := range conns {
				sound(t, d)
				for _, m := range d.Messages() {
					got = append(got, m.Text())
				}
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", texts) {
				t.Errorf("%q arrive, want %q", got, texts)
			}
		},
	}
}

// numbered is "m00" and so on.
func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("m%02d", i))
	}
	return all
}

// broadcastServer hands on what connection 0 sends, to 1 and 2.
func broadcastServer() recorded.Play {
	var got []wire.Message
	relay := func(d *wiretest.Driver) error {
		if len(got) != 1 {
			return fmt.Errorf("%d messages came, want 1", len(got))
		}
		return d.Send(got[0])
	}
	return recorded.Play{
		Protocol: Protocol{NoPickle: true, ForceMode: true},
		Role:     wire.Accepting,
		Do:       map[int][]recorded.Action{1: {relay}, 2: {relay}},
		Reply: func(d *wiretest.Driver, m wire.Message) {
			if d.Conn == 0 {
				got = []wire.Message{m}
			}
		},
	}
}

// broadcastClients is the clients of a broadcast: one says what the original
// was given, the others receive what theirs did.
func (t transcripts) broadcastClients(name string) recorded.Play {
	tr := t.find(name)
	input := toMessage(t, tr.Values("client1", "input", "data")[0])
	mode := int(name[len(name)-1] - '0')
	return recorded.Play{
		Protocol: Protocol{Encoding: utf8Encoding(t)},
		Role:     wire.Dialing,
		Do:       map[int][]recorded.Action{0: {recorded.Send(WithMode(input, mode))}},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			for i, side := range []string{"client1", "client2", "client3"} {
				sound(t, conns[i])
				checkMessages(t, conns[i].Messages(), tr.Values(side, "getData", "result"))
			}
			if got, want := conns[0].Count(wire.EventConfirmed), mode&1; got != want {
				t.Errorf("%d confirmations, want %d", got, want)
			}
		},
	}
}

func (t transcripts) broadcast(name string) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{broadcastServer(), t.broadcastClients(name)}}
}

// relaysText is a test of the relay with plain text, which the original's
// garbles.
func (t transcripts) relaysText(name string) recorded.Case {
	return recorded.Case{
		Plays:  []recorded.Play{t.broadcastClients(name)},
		Defect: "the relay sends base85 text instead of the text",
		Test: func(t *testing.T, tr recorded.Transcript) {
			d := wiretest.NewDriver(t, Protocol{NoPickle: true, ForceMode: true}, wire.Accepting, wire.Limits{})
			d.Feed(tr.Stream(0, wire.Dialing))
			in := d.Messages()
			if len(in) != 1 || in[0].Text() != "hello all" {
				t.Fatalf("the relay received %v", in)
			}
			to := wiretest.NewDriver(t, Protocol{NoPickle: true, ForceMode: true}, wire.Accepting, wire.Limits{})
			if err := to.Send(in[0]); err != nil {
				t.Fatal(err)
			}
			if got, want := to.Out, tr.Stream(0, wire.Dialing); !bytes.Equal(got, want) {
				t.Errorf("the relay sends %q, want what it received, %q", got, want)
			}
		},
	}
}
