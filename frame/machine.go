package frame

import (
	"fmt"
	"io"

	"github.com/parley-net/parley/wire"
)

type state uint8

const (
	opening   state = iota // Receive has not been called yet
	between                // the next byte begins a frame
	searching              // looking for the next magic
	offered                // in a message that is delivered in pieces
	skipping               // in a frame that is not delivered
	over                   // nothing more is read
)

// machine implements wire.Machine. It stores no bytes: an unfinished head, and
// an unfinished frame between marks, stay with the driver.
type machine struct {
	// The options, as Protocol has them.
	magic  string
	adjust int64
	fixed  int64
	max    int64 // largest payload

	limit  int64 // largest message delivered whole
	read   int64 // bytes consumed since the start of the peer's stream
	start  int64 // where the current frame, or what is skipped, began
	rest   int64 // of the message in pieces, or of the frame that is skipped: yet to come
	length int64 // of the frame that comes in pieces; -1: not known
	reason error // why the frame is not wanted, why a search began, or why all is over

	looked int // of the bytes presented last, how many hold no mark

	sum    uint32 // of what came of the message in pieces
	offset uint16 // of the size
	strip  int16
	bare   uint16 // bytes of the message in pieces that the check does not count

	size  Size
	marks Marks
	check Check
	over  Over
	state state
	told  bool // the loss of the frame that is skipped
	left  bool // the farewell has been said
}

var _ wire.Repeater = (*machine)(nil)

func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind, ev.Owes = wire.EventNone, false
	switch m.state {
	case opening:
		m.state = between
		ev.Kind = wire.EventOpen
	case between:
		if m.marks != NoMarks {
			n = m.marked(p, ev)
		} else {
			n, err = m.begin(p, ev)
		}
	case searching:
		n = m.search(p, ev)
	case offered:
		n = m.piece(p, ev)
	case skipping:
		if m.marks != NoMarks {
			n = m.skipToMark(p, ev)
			break
		}
		n = m.skip(p, ev)
		if m.state == between && ev.Kind == wire.EventNone { // what there was to tell was told before
			m.read += int64(n)
			k, err := m.begin(p[n:], ev)
			m.read += int64(k)
			return n + k, err
		}
	case over:
		err = m.broken(m.reason.Error(), nil)
	}
	m.read += int64(n)
	return n, err
}

// ReceiveEOF accepts the end of the stream between two frames.
func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, false
	came := m.read - m.start + int64(len(rest))
	rule := ""
	switch {
	case m.state == searching:
		rule = fmt.Sprintf("the stream ended in %d bytes that belong to no frame", came)
	case m.state == offered || m.state == skipping && m.marks == NoMarks:
		rule = fmt.Sprintf("the stream ended inside a frame, %d of its %d bytes are missing; that message is lost", m.length-came, m.length)
	case m.state == skipping || len(rest) > 0 && m.marks != NoMarks:
		rule = fmt.Sprintf("the stream ended inside a frame, after %d bytes of it, without the %02X that ends it; that message is lost", came, m.marks.end())
	case len(rest) > 0:
		m.start = m.read
		rule = fmt.Sprintf("the stream ended inside a frame, after %d bytes of it; that message is lost", len(rest))
	default:
		return nil
	}
	return m.broken(rule, io.ErrUnexpectedEOF)
}

// Accept has nothing to do: the payload comes unless it is refused.
func (m *machine) Accept() {}

// Refuse lets the rest of the frame be skipped.
func (m *machine) Refuse(reason error) error {
	m.state, m.reason, m.told = skipping, reason, false
	m.rest += int64(m.check.bytes())
	return nil
}

func (m *machine) BodySent() {}

func (m *machine) Output(dst []byte) []byte { return dst }

func (m *machine) Awaiting() int { return 0 }

// Close appends nothing: there is no farewell.
func (m *machine) Close(dst []byte) []byte {
	m.left = true
	return dst
}

// lost tells that a frame, or what was skipped, is lost.
func (m *machine) lost(ev *wire.Event, rule string) {
	ev.Kind, ev.Err = wire.EventLost, &wire.MessageError{Protocol: name, Offset: m.start, Rule: rule}
}

func (m *machine) broken(rule string, cause error) error {
	return &wire.ProtocolError{Protocol: name, Offset: m.start, Rule: rule, Err: cause}
}
