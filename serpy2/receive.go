package serpy2

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/parley-net/parley/wire"
)

// The longest numbers taken, in bytes. They bound what a driver has to keep
// while a number is incomplete; everything larger is delivered in pieces.
const (
	maxInt   = 1024
	maxFloat = 64
)

func (m *machine) Receive(p []byte) (n int, ev wire.Event, err error) {
	switch m.state {
	case opening:
		m.state = between
		return 0, wire.Event{Kind: wire.EventOpen}, nil
	case between:
		n, ev = m.begin(p)
	case garbage:
		n, ev = m.scan(p)
	case offered:
		n, ev = m.piece(p)
	case skipping:
		n, ev = m.skip(p)
	}
	m.read += int64(n)
	return n, ev, nil
}

// begin is called where a block should begin.
func (m *machine) begin(p []byte) (int, wire.Event) {
	m.start = m.read
	if i := min(len(p), len(identifier)); string(p[:i]) != identifier[:i] {
		m.state = garbage
		return m.scan(p)
	}
	if len(p) < headerSize {
		return 0, wire.Event{}
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
		n, ev := m.skip(p[headerSize:])
		return headerSize + n, ev
	case whole && (block.isNumber() || int64(block.length) <= m.limit):
		return headerSize + len(payload), m.message(block, payload)
	case block.isNumber():
		return 0, wire.Event{}
	}
	m.enter(offered, block)
	return headerSize, wire.Event{Kind: wire.EventOffer, Message: block.empty(), N: int64(block.length)}
}

func (m *machine) enter(s state, block header) {
	m.state = s
	m.block, m.rest = block, block.length
	m.sum, m.text, m.refused = 0, textCheck{}, nil
}

// scan looks for the next identifier. What may be the beginning of one at the
// end of p is not consumed.
func (m *machine) scan(p []byte) (int, wire.Event) {
	i := bytes.Index(p, []byte(identifier))
	if i < 0 {
		return len(p) - partialIdentifier(p), wire.Event{}
	}
	m.state = between
	return i, m.lost(fmt.Sprintf("%d bytes that belong to no block were skipped; either something else writes to this connection, or a block before them had a wrong length", m.read-m.start+int64(i)), nil)
}

// partialIdentifier returns how many bytes at the end of p may be the
// beginning of an identifier.
func partialIdentifier(p []byte) int {
	tail := p[max(0, len(p)-len(identifier)+1):]
	for len(tail) > 0 && !strings.HasPrefix(identifier, string(tail)) {
		tail = tail[1:]
	}
	return len(tail)
}

// message decodes a block that is wholly at hand.
func (m *machine) message(block header, payload []byte) wire.Event {
	if s := sum(payload); s != block.checksum {
		return m.damaged(block, s)
	}
	msg := block.empty()
	switch block.kind {
	case kindInt:
		msg = decodeInt(payload)
	case kindFloat:
		f, err := parseFloat(payload)
		if err != nil {
			return m.lost("the text of a float is not as Python's float.hex() writes it", err)
		}
		msg = wire.Float(f)
	case kindStr:
		if !utf8.Valid(payload) {
			return m.notUTF8()
		}
		msg = wire.TextBytes(payload)
	case kindBytes:
		msg = wire.Bytes(payload)
	}
	return wire.Event{Kind: wire.EventMessage, Message: msg}
}

// piece delivers the next piece of an offered block.
func (m *machine) piece(p []byte) (int, wire.Event) {
	if m.rest == 0 {
		m.state = between
		return 0, m.end()
	}
	p = m.take(p)
	if len(p) == 0 {
		return 0, wire.Event{}
	}
	if m.block.kind == kindStr {
		m.text.write(p)
	}
	return len(p), wire.Event{Kind: wire.EventData, Data: p}
}

// end closes an offered block.
func (m *machine) end() wire.Event {
	switch {
	case m.sum != m.block.checksum:
		return m.damaged(m.block, m.sum)
	case m.block.kind == kindStr && !m.text.valid():
		return m.notUTF8()
	}
	return wire.Event{Kind: wire.EventEnd, Message: m.block.empty()}
}

// skip passes over a block that is not delivered.
func (m *machine) skip(p []byte) (int, wire.Event) {
	n := len(m.take(p))
	if m.rest > 0 {
		return n, wire.Event{}
	}
	m.state = between
	switch b := m.block; {
	case m.refused != nil:
		return n, wire.Event{Kind: wire.EventLost, Err: m.refused}
	case m.sum != b.checksum:
		return n, m.damaged(b, m.sum)
	case b.kind == kindInt:
		return n, m.lost(fmt.Sprintf("an int of %d bytes, at most %d are taken", b.length, maxInt), nil)
	case b.kind == kindFloat:
		return n, m.lost(fmt.Sprintf("the text of a float is %d bytes long, at most %d are taken", b.length, maxFloat), nil)
	default:
		return n, m.lost(fmt.Sprintf("unknown type %02X; does the peer speak a newer serpy2?", b.kind), nil)
	}
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

func (m *machine) damaged(block header, sum uint32) wire.Event {
	return m.lost(fmt.Sprintf("a block of %d bytes has the checksum %08X, its header says %08X: damaged, or its length is wrong", block.length, sum, block.checksum), nil)
}

func (m *machine) notUTF8() wire.Event {
	return m.lost("a str is not UTF-8; other bytes have to travel as bytes", nil)
}

func (m *machine) lost(rule string, cause error) wire.Event {
	return wire.Event{Kind: wire.EventLost, Err: &wire.MessageError{Protocol: name, Offset: m.start, Rule: rule, Err: cause}}
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
