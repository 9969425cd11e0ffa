package parley

import (
	"errors"
	"io"

	"github.com/parley-net/parley/wire"
)

// What a peer may be that has not done its part of the handshake: an error of Dial
// says it, so that its reader knows what to do.

// hint says what the peer may be, or "".
func (c *Conn) hint() string {
	name := c.cfg.protocol.Name()
	if other := wire.Recognize(c.s.First()); other != "" && other != name {
		return "the peer seems to speak " + other
	}
	if hint := c.s.Machine().Hint(c.s.First()); hint != "" {
		return hint
	}
	if c.stats.BytesIn == 0 {
		return "not a byte has come: is it a " + name + " peer?"
	}
	return "is it a " + name + " peer?"
}

// strangerError adds to why there is no connection what the peer may be.
func (c *Conn) strangerError(err error) error {
	var broken *ProtocolError
	if c.talked.Opened() || !errors.As(err, &broken) || broken != err {
		return err
	}
	hint := ""
	switch other := wire.Recognize(c.s.First()); {
	case other != "" && other != c.cfg.protocol.Name():
		hint = "; the peer seems to speak " + other
	case c.stats.BytesIn == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		hint = "; it closed without a word: it may be full, shutting down, or speak another protocol, or TLS"
	default:
		return err
	}
	told := *broken
	told.Rule += hint
	return &told
}
