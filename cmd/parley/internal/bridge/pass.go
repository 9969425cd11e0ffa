package bridge

import (
	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

// Pass says what messages become between clients on one wire and a target on another,
// where each client has no connection of its own with the target.
type Pass struct {
	Clients, Target parley.Protocol
	Forms           *Forms // as Bridge's
}

// Up returns what a client's message becomes for the target. An error wraps
// ErrNotRepresentable.
func (p Pass) Up(m parley.Message) (parley.Message, error) {
	b := &Bridge{Forms: p.Forms}
	return b.convert(m, p.Clients, p.Target, wire.Dialing)
}

// Down returns what the target's message becomes for a client.
func (p Pass) Down(m parley.Message) (parley.Message, error) {
	b := &Bridge{Forms: p.Forms}
	return b.convert(m, p.Target, p.Clients, wire.Accepting)
}
