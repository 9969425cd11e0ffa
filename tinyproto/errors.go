package tinyproto

import (
	"fmt"
	"io"

	"github.com/parley-net/parley/wire"
)

// reject returns the error for a peer that breaks the rules. The peer gets a
// refusal, as from the original, in case it waits for a status.
func (m *machine) reject(format string, args ...any) error {
	m.refuse = true
	return &wire.ProtocolError{Protocol: name, Offset: m.offset, Rule: fmt.Sprintf(format, args...)}
}

// cutOff returns the error for a stream that ends too early.
func (m *machine) cutOff(format string, args ...any) error {
	return &wire.ProtocolError{Protocol: name, Offset: m.offset, Rule: fmt.Sprintf(format, args...), Err: io.ErrUnexpectedEOF}
}

// refusedBy returns the error for a peer that sent the status b in place of OK.
func (m *machine) refusedBy(b byte, rule string) error {
	return &wire.RefusedError{Protocol: name, Offset: m.offset, Code: int(b), Rule: rule}
}

// meaning explains a status that answers a message.
func meaning(b byte) string {
	switch b {
	case statusLimit:
		return "connection limit of the peer reached; try again later"
	case statusConflict:
		return "the peer reports a conflict; try again later"
	}
	return "the peer does not take this message; send a smaller one or ask its owner"
}

// helloMeaning explains a first byte that is no hello.
func helloMeaning(b byte) string {
	switch {
	case b == statusError:
		return "the peer refuses the connection, as tinyproto 2.0.1 does at its connection limit; try again later"
	case b >= statusConflict:
		return meaning(b)
	case b == 0x16:
		return "not a tinyproto peer: it begins with 16, which looks like TLS"
	case ' ' <= b && b <= '~':
		return fmt.Sprintf("not a tinyproto peer: it begins with %02X (%q), which looks like a text protocol; a plain device that ends its lines speaks line://", b, b)
	}
	return fmt.Sprintf("not a tinyproto peer: it begins with %02X instead of FF", b)
}
