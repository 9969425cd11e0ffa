package serpy2

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/parley-net/parley/wire"
)

// The types of a block.
const (
	kindInt   = 0x01
	kindFloat = 0x11
	kindStr   = 0x21
	kindBytes = 0x81
)

const (
	identifier = "\xDE\xCA\xFE\xCA\xFE"
	headerSize = len(identifier) + 9
)

// header is what stands between the identifier and the payload of a block.
type header struct {
	kind     byte
	checksum uint32
	length   uint32
}

func (h header) append(dst []byte) []byte {
	dst = append(dst, identifier...)
	dst = append(dst, h.kind)
	dst = binary.LittleEndian.AppendUint32(dst, h.checksum)
	return binary.LittleEndian.AppendUint32(dst, h.length)
}

// parseHeader takes a whole header, identifier included.
func parseHeader(p []byte) header {
	p = p[len(identifier):headerSize]
	return header{p[0], binary.LittleEndian.Uint32(p[1:]), binary.LittleEndian.Uint32(p[5:])}
}

type state uint8

const (
	opening  state = iota // Receive has not been called yet
	between               // the next byte begins a block, or garbage
	garbage               // looking for the next identifier
	offered               // in the payload of a block that is delivered in pieces
	skipping              // in the payload of a block that is not delivered
)

type machine struct {
	read  int64  // bytes consumed since the start of the peer's stream
	start int64  // where the current block, or run of garbage, began
	limit uint32 // largest payload delivered whole

	// The block whose payload comes in pieces.
	block   header
	refused error     // why it is not wanted, or nil
	rest    uint32    // bytes of it yet to come
	sum     uint32    // of those that came
	text    textCheck // of those that came

	state state
	left  bool // the farewell has been said
}

func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, false
	n := int64(len(rest))
	rule := ""
	switch {
	case m.state == garbage:
		rule = fmt.Sprintf("the stream ended in garbage, %d bytes that belong to no block", m.read-m.start+n)
		if m.start == 0 {
			rule += ": the peer does not speak serpy2; a plain device that ends its lines speaks line://"
		}
	case m.state == offered || m.state == skipping:
		rule = fmt.Sprintf("the stream ended inside a block, %d of its %d bytes are missing; that message is lost", m.rest, m.block.length)
	case n > 0:
		rule = fmt.Sprintf("the stream ended inside a block, after %d bytes of it; that message is lost", n)
	default:
		return nil
	}
	return &wire.ProtocolError{Protocol: name, Offset: m.start, Rule: rule, Err: io.ErrUnexpectedEOF}
}

// Accept has nothing to do: the payload comes unless it is refused.
func (m *machine) Accept() {}

func (m *machine) Refuse(reason error) error {
	m.refused = reason
	m.state = skipping
	return nil
}

func (m *machine) BodySent() {}

func (m *machine) Output(dst []byte) []byte { return dst }

func (m *machine) Awaiting() int { return 0 }

// Close appends nothing: serpy2 has no farewell.
func (m *machine) Close(dst []byte) []byte {
	m.left = true
	return dst
}
