package serpy

import (
	"bytes"
	"fmt"
	"io"
	"math/big"

	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// Receive implements wire.Machine.
func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind, ev.Owes = wire.EventNone, false
	if !m.opened {
		m.opened = true
		ev.Kind = wire.EventOpen
		return 0, nil
	}
	for more := true; more; {
		var used int
		used, more = m.receiveBlock(p[n:], ev)
		n += used
	}
	ev.Owes = len(m.owed) > 0
	return n, nil
}

// receiveBlock looks at the current block, or what there is of it. more says
// that there is no event and the next block may be looked at.
//
// Nothing here may depend on how the stream is cut: every decision is made on a
// whole block, on its first byte, or on a size that more input only increases.
func (m *machine) receiveBlock(p []byte, ev *wire.Event) (n int, more bool) {
	end, complete := len(p), false
	if i := bytes.IndexByte(p[m.seen:], separator); i >= 0 {
		end, complete = m.seen+i, true
	}
	m.seen = end
	block := p[m.start:end]

	if m.start > 0 || !m.inside { // the block begins here
		switch {
		case len(block) == 0 && !complete:
			return 0, false
		case len(block) == 0:
			return m.pass(end + 1), true
		case block[0] == soh && int64(len(block)) <= m.room():
			if !complete {
				return 0, false
			}
			if isCommand(block) {
				return m.receiveCommand(block, end+1, ev)
			}
		}
		if m.unfinished() && !acknowledged(m.in) {
			return m.abandon(ev)
		}
	}
	switch {
	case m.lost != nil || int64(end) > m.room():
		return m.throwAway(block, complete, ev)
	case !complete:
		return 0, false
	case !acknowledged(m.in):
		m.deliver(ev, strip(block, m.in), block[0] == soh)
		return m.consume(end + 1), false
	}
	i := bytes.IndexByte(block, eot)
	if i < 0 {
		m.start, m.seen = end+1, end+1
		return 0, true
	}
	i += m.start
	m.deliver(ev, m.join(p[:i]), false)
	if i+1 == end {
		return m.consume(end + 1), false
	}
	n = m.consume(i + 1)
	m.inside = true
	return n, false
}

// consume says that the first n bytes of p are done with, and returns n.
func (m *machine) consume(n int) int {
	m.offset += int64(n)
	m.start, m.seen = 0, max(0, m.seen-n)
	m.inside = false
	return n
}

// unfinished reports whether the block that now begins may continue a message.
func (m *machine) unfinished() bool { return m.start > 0 || m.lost != nil && !m.inside }

// pass is consume for a block that is not part of a message. Inside an
// unfinished message it has to stay where it is.
func (m *machine) pass(end int) int {
	if m.start > 0 && int64(end) > m.room() {
		m.lose(m.tooLarge()) // of commands, perhaps, but they can't wait for ever
	}
	if m.start == 0 || m.lost != nil {
		return m.consume(end)
	}
	m.start, m.seen = end, end
	return 0
}

// lose says that the current message can't be delivered. Its bytes are thrown
// away from here on.
func (m *machine) lose(why *wire.MessageError) { m.lost, m.lostEnds = why, false }

// throwAway consumes all there is of a lost message: the blocks before the
// current one, and what has arrived of this one. The loss is reported at the
// end of the block in which the message ends; what follows its EOT in this
// block is lost too.
func (m *machine) throwAway(block []byte, complete bool, ev *wire.Event) (n int, more bool) {
	if m.lost == nil {
		m.lose(m.tooLarge())
	}
	m.lostEnds = m.lostEnds || bytes.IndexByte(block, eot) >= 0
	n = m.start + len(block)
	if !complete {
		m.consume(n)
		m.inside = true
		return n, false
	}
	m.consume(n + 1)
	if acknowledged(m.in) && !m.lostEnds {
		return n + 1, true
	}
	*ev = wire.Event{Kind: wire.EventLost, Err: m.lost}
	m.lost = nil
	return n + 1, false
}

// abandon reports the loss of an unfinished message.
func (m *machine) abandon(ev *wire.Event) (n int, more bool) {
	if m.lost == nil {
		m.lose(m.failure("data in an unacknowledged mode came before the end of the message; the peer must end it with 04", nil))
	}
	*ev = wire.Event{Kind: wire.EventLost, Err: m.lost}
	m.lost = nil
	return m.consume(m.start), false
}

// isCommand reports whether a block is a command. Everything else that begins
// with SOH is data.
func isCommand(block []byte) bool {
	if len(block) == 0 || block[0] != soh {
		return false
	}
	c := block[1:]
	return string(c) == ackMode || string(c) == ackMessage || bytes.HasPrefix(c, []byte(setMode))
}

// receiveCommand handles the command in block, which ends before p[end].
func (m *machine) receiveCommand(block []byte, end int, ev *wire.Event) (n int, more bool) {
	switch string(block[1:]) {
	case ackMode:
		m.modesSet = max(0, m.modesSet-1) // one that nobody waits for is ignored, as in the original
		m.modesAhead = max(0, m.modesAhead-1)
		return m.pass(end), true
	case ackMessage:
		if m.unconfirmed == 0 {
			return m.pass(end), true
		}
		if m.unconfirmed--; m.unconfirmed == 0 {
			m.allAhead()
		}
		*ev = wire.Event{Kind: wire.EventConfirmed, N: 1}
		return m.pass(end), false
	}
	digit := block[len(block)-1] - '0'
	if digit <= 9 {
		m.in = digit
		m.owed = append(m.owed, 'M')
		return m.pass(end), true
	}
	// Which mode the peer means is unknown; it keeps the one it has.
	const rule = "the command SETMODE has no digit at its end; the peer must name a mode from 0 to 5"
	switch {
	case m.lost != nil: // reported at its end
	case m.start > 0:
		m.lose(m.failure(rule, nil))
	default:
		*ev = wire.Event{Kind: wire.EventLost, Err: m.failure(rule, nil)}
	}
	return m.pass(end), ev.Kind == wire.EventNone
}

// strip returns a block without the SOH that does not belong to its data. In
// mode 1 it does: it is what the sender said.
func strip(block []byte, mode uint8) []byte {
	if mode != 1 && len(block) > 0 && block[0] == soh {
		return block[1:]
	}
	return block
}

// join moves the blocks of a message together, in place. p begins with the
// message and ends before its EOT.
func (m *machine) join(p []byte) []byte {
	n := 0
	inside := m.inside // the first piece may be no whole block
	for rest := p[:m.start]; len(rest) > 0; {
		var block []byte
		block, rest, _ = bytes.Cut(rest, []byte{separator})
		switch {
		case inside:
			inside = false
		case isCommand(block):
			continue
		default:
			block = strip(block, m.in)
		}
		n += copy(p[n:], block)
	}
	last := p[m.start:]
	if !inside {
		last = strip(last, m.in)
	}
	if n == 0 {
		return last
	}
	return p[:n+copy(p[n:], last)]
}

// message makes ev the message whose form on the wire is data, or returns why
// it is lost; marked says that its block began with an SOH. It decodes in place.
func (m *machine) message(ev *wire.Event, data []byte, marked bool) (lost *wire.MessageError) {
	size := len(data)
	if m.in >= 2 {
		size = b85.DecodedLen(size)
	}
	if int64(size) > m.limit {
		return m.tooLarge()
	}
	var err error
	switch m.in {
	case 0:
		if !marked {
			break
		}
		if data, err = m.encoding.Decode(nil, data); err != nil {
			return m.failure("a block that begins with 01 has to be text in the connection's encoding", err)
		}
		ev.SetText(data)
		return nil
	case 1:
	case 2, 3, 4, 5:
		if data, err = b85.Decode(data[:0], data); err != nil {
			return m.failure("a block in mode 2 to 5 has to be base85", err)
		}
		if m.in <= 3 || m.noPickle {
			break
		}
		var limits pickle.Limits
		if m.pickleLimits != nil {
			limits = *m.pickleLimits
		}
		value, err := pickle.Decode(data, limits)
		if err != nil {
			return m.failure("a message in mode 4 or 5 has to be a pickle of plain data", err)
		}
		ev.Kind, ev.Message = wire.EventMessage, fromValue(value)
		return nil
	default:
		return m.failure(fmt.Sprintf("the peer has set mode %d, which does not exist; it must set a mode from 0 to 5", m.in), nil)
	}
	ev.SetBytes(data)
	return nil
}

// fromValue returns the message for a pickled value.
func fromValue(value any) wire.Message {
	switch v := value.(type) {
	case []byte:
		return wire.Bytes(v)
	case string:
		return wire.Text(v)
	case int64:
		return wire.Int(v)
	case *big.Int:
		return wire.BigInt(v)
	case float64:
		return wire.Float(v)
	}
	return wire.Object(value)
}

// deliver sets the event for a message that has ended, and owes its
// acknowledgement. data is its form on the wire, decoded in place; marked says
// that its block began with an SOH.
func (m *machine) deliver(ev *wire.Event, data []byte, marked bool) {
	if lost := m.message(ev, data, marked); lost != nil {
		*ev = wire.Event{Kind: wire.EventLost, Err: lost}
		return
	}
	if acknowledged(m.in) {
		m.owed = append(m.owed, 'E')
	}
	ev.SetTag(modeMark | uint32(m.in))
}

// failure returns the error for the current message.
func (m *machine) failure(rule string, err error) *wire.MessageError {
	return &wire.MessageError{Protocol: name, Offset: m.offset, Rule: rule, Err: err}
}

func (m *machine) tooLarge() *wire.MessageError {
	return m.failure(fmt.Sprintf("more than %d bytes; the peer must send less, or this side raise its limit", m.limit), wire.ErrTooLarge)
}

// ReceiveEOF implements wire.Machine.
func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, len(m.owed) > 0
	if len(rest) == 0 && m.lost == nil {
		return nil
	}
	rule := "the stream ended inside a message; the peer must end its blocks with 1F, and messages in modes 1, 3 and 5 with 04 as well"
	if m.offset == 0 && bytes.ContainsAny(rest, "\r\n") {
		rule += "; if it ends its lines it is a plain device, which speaks line://"
	}
	return &wire.ProtocolError{
		Protocol: name,
		Offset:   m.offset + int64(len(rest)),
		Rule:     rule,
		Err:      io.ErrUnexpectedEOF,
	}
}
