package serpy2

import (
	"encoding/binary"
	"fmt"

	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/internal/search"
	"github.com/parley-net/parley/wire"
)

// The longest numbers taken, in bytes. They bound what a driver has to keep
// while a number is incomplete; everything larger is delivered in pieces.
const (
	maxInt   = 1024
	maxFloat = 64
)

func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind, ev.Owes = wire.EventNone, false
	switch m.state {
	case opening:
		m.state = between
		ev.Kind = wire.EventOpen
	case between:
		n = m.begin(p, ev)
	case garbage:
		n = m.scan(p, ev)
	case offered:
		n = m.piece(p, ev)
	case skipping:
		n = m.skip(p, ev)
	}
	m.read += int64(n)
	return n, nil
}

// begin is called where a block should begin.
func (m *machine) begin(p []byte, ev *wire.Event) int {
	m.start = m.read
	if len(p) < headerSize || string(p[:len(identifier)]) != identifier {
		if n := min(len(p), len(identifier)); string(p[:n]) != identifier[:n] {
			m.state = garbage
			return m.scan(p, ev)
		}
		return 0
	}
	block := parseHeader(p)
	payload := p[headerSize:]
	whole := uint64(len(payload)) >= uint64(block.length)
	if whole {
		payload = payload[:block.length]
	}
	switch {
	case !block.sound():
		m.enter(skipping, block)
		return headerSize + m.skip(p[headerSize:], ev)
	case whole && (block.isNumber() || block.length <= m.limit):
		m.message(block, payload, ev)
		return headerSize + len(payload)
	case block.isNumber():
		return 0
	}
	m.enter(offered, block)
	ev.Kind, ev.Message, ev.N = wire.EventOffer, block.empty(), int64(block.length)
	return headerSize
}

func (m *machine) enter(s state, block header) {
	m.state = s
	m.block, m.rest = block, block.length
	m.sum, m.text, m.refused = 0, textCheck{}, nil
}

// scan looks for the next identifier. What may be the beginning of one at the
// end of p is not consumed.
func (m *machine) scan(p []byte, ev *wire.Event) int {
	i, found := search.Mark(p, identifier)
	if !found {
		return i
	}
	m.state = between
	m.lost(ev, fmt.Sprintf("%d bytes that belong to no block were skipped; either something else writes to this connection, or a block before them had a wrong length", m.read-m.start+int64(i)), nil)
	return i
}

// message decodes a block that is wholly at hand.
func (m *machine) message(block header, payload []byte, ev *wire.Event) {
	if s := sum(payload); s != block.checksum {
		m.damaged(ev, block, s)
		return
	}
	switch block.kind {
	case kindBytes:
		ev.SetBytes(payload)
	case kindInt:
		if len(payload) == 8 { // what all peers send
			ev.SetInt(int64(binary.LittleEndian.Uint64(payload)))
			return
		}
		ev.Kind, ev.Message = wire.EventMessage, decodeInt(payload)
	case kindFloat:
		f, err := parseFloat(payload)
		if err != nil {
			m.lost(ev, "the text of a float is not as Python's float.hex() writes it", err)
			return
		}
		ev.SetFloat(f)
	case kindStr:
		if !ascii.UTF8(payload) {
			m.notUTF8(ev)
			return
		}
		ev.SetText(payload)
	}
}

// piece delivers the next piece of an offered block.
func (m *machine) piece(p []byte, ev *wire.Event) int {
	if m.rest == 0 {
		m.state = between
		m.end(ev)
		return 0
	}
	p = m.take(p)
	if len(p) == 0 {
		return 0
	}
	if m.block.kind == kindStr {
		m.text.write(p)
	}
	ev.Kind, ev.Data = wire.EventData, p
	return len(p)
}

// end closes an offered block.
func (m *machine) end(ev *wire.Event) {
	switch {
	case m.sum != m.block.checksum:
		m.damaged(ev, m.block, m.sum)
	case m.block.kind == kindStr && !m.text.valid():
		m.notUTF8(ev)
	default:
		ev.Kind, ev.Message = wire.EventEnd, m.block.empty()
	}
}

// skip passes over a block that is not delivered.
func (m *machine) skip(p []byte, ev *wire.Event) int {
	n := len(m.take(p))
	if m.rest > 0 {
		return n
	}
	m.state = between
	switch b := m.block; {
	case m.refused != nil:
		ev.Kind, ev.Err = wire.EventLost, m.refused
	case m.sum != b.checksum:
		m.damaged(ev, b, m.sum)
	case b.kind == kindInt:
		m.lost(ev, fmt.Sprintf("an int of %d bytes, at most %d are taken", b.length, maxInt), nil)
	case b.kind == kindFloat:
		m.lost(ev, fmt.Sprintf("the text of a float is %d bytes long, at most %d are taken", b.length, maxFloat), nil)
	default:
		m.lost(ev, fmt.Sprintf("unknown type %02X; does the peer speak a newer serpy2?", b.kind), nil)
	}
	return n
}

// take returns what of p belongs to the current block.
func (m *machine) take(p []byte) []byte {
	if uint64(len(p)) > uint64(m.rest) {
		p = p[:m.rest]
	}
	m.rest -= uint32(len(p))
	m.sum += sum(p)
	return p
}

func (m *machine) damaged(ev *wire.Event, block header, sum uint32) {
	m.lost(ev, fmt.Sprintf("a block of %d bytes has the checksum %08X, its header says %08X: damaged, or its length is wrong", block.length, sum, block.checksum), nil)
}

func (m *machine) notUTF8(ev *wire.Event) {
	m.lost(ev, "a str is not UTF-8; other bytes have to travel as bytes", nil)
}

func (m *machine) lost(ev *wire.Event, rule string, cause error) {
	ev.Kind, ev.Err = wire.EventLost, &wire.MessageError{Protocol: name, Offset: m.start, Rule: rule, Err: cause}
}

// sound reports whether a block with this header can be a message.
func (h header) sound() bool {
	switch h.kind {
	case kindInt:
		return h.length <= maxInt
	case kindFloat:
		return h.length <= maxFloat
	}
	return h.kind == kindStr || h.kind == kindBytes
}

func (h header) isNumber() bool { return h.kind == kindInt || h.kind == kindFloat }

// empty returns the message without its payload.
func (h header) empty() wire.Message {
	if h.kind == kindStr {
		return wire.TextBytes(nil)
	}
	return wire.Bytes(nil)
}
