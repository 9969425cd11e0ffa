package frame

import (
	"fmt"

	"github.com/parley-net/parley/internal/search"
	"github.com/parley-net/parley/wire"
)

// layout is where the parts of a frame stand, counted from its first byte.
type layout struct {
	size    uint64 // as it was read
	head    int    // length of the head
	strip   int    // where the message begins
	covered int    // where the check begins to count
	trailer int64  // where the message ends and the check stands
	end     int64  // 0: unknown
}

// fault is why a frame can't begin, or can't be delivered.
type fault uint8

const (
	none     fault = iota
	more           // the head is not all there
	beyond         // the size is beyond what lengths can be
	endless        // a varint is beyond 64 bits
	negative       // the size and adjust make a negative length
	short          // the check does not fit
	stripped       // what is to be stripped is longer than the frame
	large          // the payload is above max
)

// parse reads the head that p begins with, whose magic has been looked at.
func (m *machine) parse(p []byte) (l layout, f fault) {
	l.head, l.end = len(m.magic), m.fixed
	varied := 0 // what a varint is longer than one byte
	if m.size != NoSize {
		at := int(m.offset)
		if len(p) < at {
			return l, more
		}
		n := 0
		if l.size, n, f = m.size.read(p[at:]); f != none {
			return l, f
		}
		rest := int64(l.size) + m.adjust
		if rest < 0 {
			return l, negative
		}
		varied = n - m.size.bytes()
		l.head = at + n
		l.end = int64(l.head) + rest
	}
	l.trailer = l.end - int64(m.check.bytes())
	switch {
	case m.strip == Head:
		l.strip = l.head
	case m.strip > int16(m.offset):
		l.strip = int(m.strip) + varied
	default:
		l.strip = int(m.strip)
	}
	if m.over == OverPayload {
		l.covered = l.head
	}
	switch {
	case l.trailer < int64(l.head):
		return l, short
	case l.trailer < int64(l.strip):
		return l, stripped
	case l.trailer-int64(l.head) > m.max:
		return l, large
	}
	return l, none
}

// explain says what a fault is.
func (m *machine) explain(l layout, f fault) error {
	switch f {
	case beyond:
		return fmt.Errorf("its size is %d", l.size)
	case endless:
		return fmt.Errorf("its size is a varint beyond 64 bits, or of more than %d bytes", maxVarint)
	case negative:
		return fmt.Errorf("its size is %d, which adjust=%d makes negative", l.size, m.adjust)
	case short:
		return fmt.Errorf("a frame of %d bytes has no room for its check of %d bytes", l.end, m.check.bytes())
	case stripped:
		return fmt.Errorf("a frame of %d bytes is too short for strip=%d", l.end, m.strip)
	}
	return fmt.Errorf("%w: a payload of %d bytes is announced, max is %d", wire.ErrTooLarge, l.trailer-int64(l.head), m.max)
}

// begin is called where a frame should begin.
func (m *machine) begin(p []byte, ev *wire.Event) (int, error) {
	m.start = m.read
	if k := min(len(p), len(m.magic)); string(p[:k]) != m.magic[:k] {
		m.state, m.reason = searching, nil
		return m.search(p, ev), nil
	} else if k < len(m.magic) || len(p) == 0 {
		return 0, nil
	}
	l, f := m.parse(p)
	switch {
	case f == none:
		return m.deliver(p, l, ev), nil
	case f == more:
		return 0, nil
	case m.magic != "":
		m.state, m.reason = searching, m.explain(l, f)
		return m.search(p, ev), nil
	case l.end == 0:
		m.state = over
		m.reason = fmt.Errorf("no frame can begin here: %w; the peer is out of step or has other options", m.explain(l, f))
		return 0, m.broken(m.reason.Error(), nil)
	}
	// Its end is known, so what follows can be found.
	m.state, m.length, m.rest, m.told = skipping, l.end, l.end, true
	ev.Kind, ev.Err = wire.EventLost, &wire.MessageError{Protocol: name, Offset: m.start, Rule: "this frame is skipped", Err: m.explain(l, f)}
	return 0, nil
}

// deliver tells of the frame that p begins with, of which at least the head is
// there.
func (m *machine) deliver(p []byte, l layout, ev *wire.Event) int {
	size := l.trailer - int64(l.strip)
	if int64(len(p)) >= l.end && size <= m.limit {
		trailer := int(l.trailer)
		if m.check != NoCheck {
			sum := m.check.add(m.check.start(), p[l.covered:trailer])
			if got := m.check.read(p[trailer:l.end]); got != sum {
				m.damaged(ev, l.end, sum, got)
				return int(l.end)
			}
		}
		ev.SetBytes(p[l.strip:trailer:trailer])
		return int(l.end)
	}
	if len(p) < l.strip {
		return 0
	}
	m.state, m.length, m.rest = offered, l.end, size
	m.bare = uint16(max(0, l.covered-l.strip))
	m.sum = m.check.start()
	if l.covered < l.strip {
		m.sum = m.check.add(m.sum, p[l.covered:l.strip])
	}
	ev.Kind, ev.Message, ev.N = wire.EventOffer, wire.Message{}, size
	return l.strip
}

// piece delivers the next piece of an offered message, or its end.
func (m *machine) piece(p []byte, ev *wire.Event) int {
	if m.rest == 0 {
		n := m.check.bytes()
		if len(p) < n {
			return 0
		}
		m.state = between
		if got := m.check.read(p[:n]); got != m.sum && n > 0 {
			m.damaged(ev, m.length, m.sum, got)
		} else {
			ev.Kind, ev.Message = wire.EventEnd, wire.Message{}
		}
		return n
	}
	if int64(len(p)) > m.rest {
		p = p[:m.rest]
	}
	if len(p) == 0 {
		return 0
	}
	m.rest -= int64(len(p))
	if m.check != NoCheck {
		bare := min(int(m.bare), len(p))
		m.bare -= uint16(bare)
		m.sum = m.check.add(m.sum, p[bare:])
	}
	ev.Kind, ev.Data = wire.EventData, p[:len(p):len(p)]
	return len(p)
}

// skip passes over a frame that is not delivered.
func (m *machine) skip(p []byte, ev *wire.Event) int {
	n := int(min(int64(len(p)), m.rest))
	if m.rest -= int64(n); m.rest > 0 {
		return n
	}
	m.state = between
	if !m.told {
		ev.Kind, ev.Err = wire.EventLost, m.reason
	}
	return n
}

// search looks for the next magic with which a frame can begin. What may be the
// beginning of one at the end of p is not consumed.
func (m *machine) search(p []byte, ev *wire.Event) int {
	n := 0
	if m.read == m.start {
		if len(p) == 0 {
			return 0
		}
		n = 1 // no frame begins here
	}
	for {
		i, found := search.Mark(p[n:], m.magic)
		n += i
		if !found {
			return n
		}
		if m.marks == NoMarks {
			switch _, f := m.parse(p[n:]); f {
			case none:
			case more:
				return n
			default:
				n++
				continue
			}
		}
		m.state = between
		skipped := m.read - m.start + int64(n)
		if m.reason != nil {
			m.lost(ev, fmt.Sprintf("%v; %d bytes were skipped, up to the next magic", m.reason, skipped))
		} else {
			m.lost(ev, fmt.Sprintf("%d bytes that belong to no frame were skipped; either something else writes to this connection, or a frame before them had a wrong size", skipped))
		}
		return n
	}
}

func (m *machine) damaged(ev *wire.Event, length int64, sum, got uint32) {
	digits := 2 * m.check.bytes()
	m.lost(ev, fmt.Sprintf("a frame of %d bytes has the %v %0*X, its check says %0*X: damaged, or made with other options", length, m.check, digits, sum, digits, got))
}
