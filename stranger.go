package parley

import (
	"errors"
	"io"

	"github.com/parley-net/parley/wire"
)

// What a peer may be that has not done its part of the handshake: an error of Dial
// says it, so that its reader knows what to do.

// note keeps how the peer's stream begins. What has just been read is not consumed
// yet.
func (c *Conn) note() {
	if in := c.in.Bytes(); c.cfg.role == wire.Dialing && len(c.first) < wire.MaxFirst && c.consumed == 0 {
		c.first = append(c.first[:0], in[:min(len(in), wire.MaxFirst)]...)
	}
}

// hint says what the peer may be, or "".
func (c *Conn) hint() string {
	name := c.cfg.protocol.Name()
	if other := wire.Recognize(c.first); other != "" && other != name {
		return "the peer seems to speak " + other
	}
	if hint := c.machine().Hint(c.first); hint != "" {
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
	switch other := wire.Recognize(c.first); {
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
