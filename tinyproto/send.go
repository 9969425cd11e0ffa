package tinyproto

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/parley-net/parley/wire"
)

// copyLimit is the largest payload in bytes that is copied behind its header.
// Above it, handing the payload to the driver is cheaper.
const copyLimit = 16 << 10

// Send appends the header of msg to dst, and a small payload that may leave at
// once.
func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	t, payload := msg.Type(), msg.Bytes()
	if t != wire.TypeBytes && t != wire.TypeText {
		return dst, wire.Sent{}, fmt.Errorf("%w: tinyproto carries bytes, and text as its bytes, no %s", wire.ErrNotRepresentable, t)
	}
	if n := len(payload); 0 < n && n <= copyLimit && m.mayLeave() && !m.left {
		m.unanswered++
		return append(binary.BigEndian.AppendUint32(dst, uint32(n)), payload...), wire.Sent{Confirm: true}, nil
	}
	return m.SendHead(dst, int64(len(payload)))
}

// mayLeave: a payload need not wait for the peer's OK. Where each should, it need not
// when messages have crossed, nor when no OK can come any more.
func (m *machine) mayLeave() bool { return m.eager != Never || m.state == offered || m.state == over }

// SendHead appends the header of a message of size bytes to dst.
func (m *machine) SendHead(dst []byte, size int64) ([]byte, wire.Sent, error) {
	switch {
	case m.left:
		return dst, wire.Sent{}, wire.ErrLeft
	case size < 0:
		return dst, wire.Sent{}, fmt.Errorf("%w: tinyproto announces every size, this one is unknown", wire.ErrNotRepresentable)
	case size > maxMessage:
		return dst, wire.Sent{}, fmt.Errorf("%w: %d bytes, tinyproto carries %d", wire.ErrTooLarge, size, int64(maxMessage))
	}
	sent := wire.Sent{Confirm: true}
	switch {
	case size == 0:
	case size > EagerLimit && m.state != over:
		m.held, sent.Body = onlyOK, wire.BodyHeld
	case !m.mayLeave():
		m.held, sent.Body = anyHeader, wire.BodyHeld
	default:
		m.open, sent.Body = true, wire.BodyFollows
	}
	m.unanswered++
	return binary.BigEndian.AppendUint32(dst, uint32(size)), sent, nil
}

// BodySent says that the open payload has been queued whole.
func (m *machine) BodySent() {
	m.open = false
	m.owed += m.behind
	m.behind = 0
}

// Output appends the hello, OKs and a refusal. It must be called between
// EventGranted and the payload: the OKs to headers read before the grant leave
// then. While the payload leaves it appends nothing.
func (m *machine) Output(dst []byte) []byte {
	switch {
	case m.owed == 1:
		m.owed = 0
		dst = append(dst, statusOK)
	case m.owed > 1:
		n, more := len(dst), int(m.owed)
		dst = slices.Grow(dst, more)[:n+more]
		for i := range dst[n:] {
			dst[n+i] = statusOK
		}
		m.owed = 0
	}
	if m.refuse && !m.open {
		m.refuse = false
		dst = append(dst, statusError)
	}
	return dst
}

// Awaiting counts the hello and the answers that the peer owes.
func (m *machine) Awaiting() int {
	if m.state == start {
		return 1 + m.unanswered
	}
	return m.unanswered
}

// Close appends nothing: tinyproto has no farewell.
func (m *machine) Close(dst []byte) []byte {
	m.left = true
	return dst
}
