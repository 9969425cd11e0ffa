package serpy

import (
	"fmt"

	"github.com/parley-net/parley/wire"
)

// A message's tag on serpy: its mode, behind a mark that tells it from another
// protocol's tag.
const (
	modeMark = 0x5350_5900
	modeMask = 0xFF
)

// Mode returns the mode of a message, 0 to 5: a received one has that in which it
// came; ok is false for one to be sent that leaves it to Protocol.Mode.
func Mode(m wire.Message) (mode int, ok bool) {
	tag := m.Tag()
	if tag&^modeMask != modeMark {
		return 0, false
	}
	return int(tag & modeMask), true
}

// WithMode returns m to be sent in the given mode, 0 to 5; Send returns
// ErrNotRepresentable for any other.
func WithMode(m wire.Message, mode int) wire.Message {
	return m.WithTag(modeMark | uint32(uint8(mode)))
}

// DescribeTag returns "mode 3" for the tag of a message in mode 3.
func (Protocol) DescribeTag(tag uint32) string {
	mode, ok := Mode(wire.Message{}.WithTag(tag))
	if !ok {
		return ""
	}
	return fmt.Sprintf("mode %d", mode)
}

var _ wire.Describer = Protocol{}
