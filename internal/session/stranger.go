package session

import (
	"errors"
	"io"

	"github.com/parley-net/parley/wire"
)

// What a peer may be that has not done its part of the handshake: an error of Dial
// says it, so that its reader knows what to do.

// Hint says what the peer may be, or "".
func (s *Session) Hint() string {
	name := s.rules.Name
	if other := wire.Recognize(s.first); other != "" && other != name {
		return "the peer seems to speak " + other
	}
	if hint := s.Machine().Hint(s.first); hint != "" {
		return hint
	}
	if s.stats.BytesIn == 0 {
		return "not a byte has come: is it a " + name + " peer?"
	}
	return "is it a " + name + " peer?"
}

// Stranger adds to why there is no connection what the peer may be.
func (s *Session) Stranger(err error) error {
	var broken *wire.ProtocolError
	if s.talked.Opened() || !errors.As(err, &broken) || broken != err {
		return err
	}
	hint := ""
	switch other := wire.Recognize(s.first); {
	case other != "" && other != s.rules.Name:
		hint = "; the peer seems to speak " + other
	case s.stats.BytesIn == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		hint = "; it closed without a word: it may be full, shutting down, or speak another protocol, or TLS"
	default:
		return err
	}
	told := *broken
	told.Rule += hint
	return &told
}
