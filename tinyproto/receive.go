package tinyproto

import (
	"encoding/binary"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// Receive consumes the next bytes of the peer.
func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind = wire.EventNone
	if end, ok := m.whole(p); ok { // most calls
		m.owe()
		ev.SetBytes(p[headerSize:end:end])
		ev.Owes = m.owed > 0
		m.offset += int64(end)
		return end, nil
	}
	if m.granted {
		m.granted = false
		ev.Kind, ev.N, ev.Owes = wire.EventConfirmed, 1, m.owed > 0
		return 0, nil
	}
	switch m.state {
	case start:
		n, err = m.receiveHello(p, ev)
	case boundary:
		n, err = m.receiveNext(p, ev)
	case statuses:
		n, err = m.receiveStatus(p, ev)
	case payload:
		n = m.receivePayload(p, ev)
	case over:
		err = m.err
	}
	if err != nil {
		m.state, m.err = over, err
	}
	ev.Owes = m.owed > 0
	m.offset += int64(n)
	return n, err
}

func (m *machine) receiveHello(p []byte, ev *wire.Event) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if p[0] != statusOK {
		return 0, m.refusedBy(p[0], helloMeaning(p[0]))
	}
	m.state = boundary
	ev.Kind = wire.EventOpen
	return 1, nil
}

// whole returns where the message ends with which p begins, if all of it is there
// and may be delivered at once.
func (m *machine) whole(p []byte) (end int, ok bool) {
	if m.state != boundary || len(p) < headerSize || m.held == anyHeader || m.granted {
		return 0, false
	}
	size := binary.BigEndian.Uint32(p) // of an answer it would be too large
	ok = size <= m.largest && uint64(size) <= uint64(len(p)-headerSize) && (size <= EagerLimit || m.unanswered == 0)
	return headerSize + int(size), ok
}

// receiveNext reads what begins at a message boundary: an answer to one of our
// messages, or a message that is not whole.
func (m *machine) receiveNext(p []byte, ev *wire.Event) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case p[0] == statusOK:
		return m.receiveOKs(p, ev)
	case p[0] >= statusConflict && m.unanswered > 0:
		return 0, m.refusedBy(p[0], meaning(p[0]))
	case len(p) < headerSize:
		return 0, nil // a lone 00 may also be a refusal: ReceiveEOF tells
	}
	size := int64(binary.BigEndian.Uint32(p))
	if size > maxMessage {
		return 0, m.reject("a message of %d bytes, the wire carries %d: the peer is out of step or speaks another protocol", size, int64(maxMessage))
	}
	if m.held == anyHeader {
		// A collision. The peer takes what follows our header for the payload.
		m.grant(ev)
		return 0, nil
	}
	m.state, m.size, m.missing = offered, uint32(size), uint32(size)
	ev.Kind, ev.N, ev.Message = wire.EventOffer, size, wire.Message{}
	return headerSize, nil
}

// receiveStatus reads the answers that come between the header and the payload
// of a large message.
func (m *machine) receiveStatus(p []byte, ev *wire.Event) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch p[0] {
	case statusOK:
		n, err := m.receiveOKs(p[:min(len(p), int(m.answers))], ev)
		if m.answers -= int32(n); m.answers == 0 {
			m.state = payload
		}
		return n, err
	case statusError, statusConflict, statusLimit:
		return 0, m.refusedBy(p[0], meaning(p[0]))
	}
	return 0, m.reject("%02X where the answer to one of our messages was due: when messages cross, a payload above %d bytes comes behind the answers", p[0], EagerLimit)
}

// receivePayload reads a piece of a payload, or its end.
func (m *machine) receivePayload(p []byte, ev *wire.Event) int {
	if m.missing == 0 {
		m.state = boundary
		ev.Kind, ev.Message = wire.EventEnd, wire.Message{}
		return 0
	}
	n := int(min(int64(m.missing), int64(len(p))))
	if n > 0 {
		m.missing -= uint32(n)
		ev.Kind, ev.Data = wire.EventData, p[:n:n]
	}
	return n
}

// receiveOKs reads the run of OKs that p begins with.
func (m *machine) receiveOKs(p []byte, ev *wire.Event) (int, error) {
	if m.unanswered == 0 {
		return 0, m.reject("an OK (FF) that answers nothing: the peer is out of step or speaks another protocol")
	}
	most := m.unanswered
	if m.held != nothing {
		if most == 1 {
			m.unanswered = 0
			m.granted = true
			m.grant(ev)
			return 1, nil
		}
		most-- // the last one is the grant, an event of its own
	}
	n := 1
	for n < min(most, len(p)) && p[n] == statusOK {
		n++
	}
	m.unanswered -= n
	ev.Kind, ev.N = wire.EventConfirmed, int64(n)
	return n, nil
}

// grant opens the payload that is held.
func (m *machine) grant(ev *wire.Event) {
	m.held, m.open = nothing, true
	ev.Kind = wire.EventGranted
}

// owe adds the OK to the header just read.
func (m *machine) owe() {
	if m.open {
		m.behind++
	} else {
		m.owed++
	}
}

// Accept takes the message just offered.
func (m *machine) Accept() {
	m.owe()
	m.state = payload
	if m.size > EagerLimit && m.unanswered > 0 {
		m.state, m.answers = statuses, int32(m.unanswered)
	}
}

// Refuse declines the message just offered and with it the connection: a 00 in
// a stream that goes on could be the first byte of a size. The error wraps
// reason.
func (m *machine) Refuse(reason error) error {
	m.refuse = true
	m.state = over
	m.err = &wire.ProtocolError{Protocol: name, Offset: m.offset - headerSize, Err: reason,
		Rule: fmt.Sprintf("a message of %d bytes is refused, which ends the connection", m.size)}
	return m.err
}

// ReceiveEOF says what the end of the peer's stream means. It may be the end of its
// own direction only: so a payload that waits for its OK leaves, unless it has refused
// that.
func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, m.owed > 0
	if m.state == over {
		return m.err
	}
	refused := false
	switch {
	case m.state == start:
		m.err = m.cutOff("closed before its hello (FF), as tinyproto 3.0 does at its connection limit; try again later")
	case m.missing > 0:
		m.err = m.cutOff("closed inside a message, %d of %d bytes came; the message is lost", m.size-m.missing, m.size)
	case len(rest) == 1 && rest[0] == statusError && m.unanswered > 0:
		refused = true
		m.err = m.refusedBy(statusError, meaning(statusError))
	case len(rest) > 0:
		m.err = m.cutOff("closed inside the size of a message, %d of %d bytes came", len(rest), headerSize)
	case m.unanswered > 0:
		m.err = m.cutOff("closed with %d of our messages unconfirmed; the peer may not have read them", m.unanswered)
	}
	if m.held != nothing && !refused {
		m.grant(ev)
	}
	m.state = over
	return m.err
}
