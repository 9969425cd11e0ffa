package tap

import (
	"bytes"
	"cmp"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

const (
	ping = "ping"
	pong = "pong"
)

// onelineRules adds what oneline's machines keep to themselves: the pings of a
// client, which a server answers without a word to its program, and the white
// space around a server's lines.
type onelineRules struct {
	protocol oneline.Protocol
	eol      string
	greeted  bool // the client's first line is known
}

func newOnelineRules(p oneline.Protocol) *onelineRules {
	return &onelineRules{protocol: p, eol: cmp.Or(p.EOL, "\n")}
}

// look sees what a machine has just consumed, and changes what it has made of
// it.
func (r *onelineRules) look(d *Decoder, h *half, taken []byte, ev *wire.Event) {
	if h.from == wire.Dialing {
		r.client(d, ev.Kind)
		return
	}
	// Here each event is one line.
	line := bytes.TrimSuffix(taken, []byte(r.eol))
	switch ev.Kind {
	case wire.EventMessage:
		ev.Message = wire.TextBytes(line)
	case wire.EventLost:
		ev.Kind, ev.Message = wire.EventMessage, oneline.WithInvalid(wire.TextBytes(line))
	}
}

// client emits the pings that the server owes an answer for. The first one is
// the greeting, if it is the client's first line. Clients that are no parley
// and no original may do without; then the machine that waits for its answer
// gets one from us.
func (r *onelineRules) client(d *Decoder, found wire.EventKind) {
	pings := bytes.Count(d.scratch, []byte(pong))
	said := found != wire.EventNone && found != wire.EventOpen
	if !r.greeted && (pings > 0 || said) {
		r.greeted = true
		if pings > 0 {
			pings--
		} else {
			r.greet(&d.halves[wire.Accepting])
		}
	}
	for range pings {
		d.item(Item{From: wire.Dialing, Kind: Message, Message: wire.Text(ping)})
	}
}

// greet gives the server's direction a machine that has heard the greeting.
func (r *onelineRules) greet(server *half) {
	if server.opened {
		return
	}
	server.m = r.protocol.New(wire.Dialing, wire.Limits{})
	var ev wire.Event
	server.m.Receive(nil, &ev)
	server.m.Receive([]byte(pong+r.eol), &ev)
	server.opened, server.dry = ev.Kind == wire.EventOpen, false
	server.extra = int64(len(pong + r.eol))
}
