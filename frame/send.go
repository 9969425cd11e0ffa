package frame

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// copyLimit is the payload in bytes from which a payload is not copied behind
// its head but written from where it is.
const copyLimit = 16 << 10

func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	var sent wire.Sent
	t, data := msg.Type(), msg.Bytes()
	switch {
	case m.left:
		return dst, sent, wire.ErrLeft
	case t != wire.TypeBytes && t != wire.TypeText:
		return dst, sent, fmt.Errorf("%w: a frame carries bytes, and text as its bytes, no %s", wire.ErrNotRepresentable, t)
	case m.state == over:
		return dst, sent, fmt.Errorf("%w: %w", wire.ErrNotRepresentable, m.reason)
	case m.marks != NoMarks:
		out, err := m.sendMarked(dst, data)
		return out, sent, err
	case m.strip == Head:
		return m.sendPayload(dst, data)
	case m.strip == 0:
		return m.sendWhole(dst, data)
	}
	return dst, sent, m.receiveOnly()
}

func (m *machine) receiveOnly() error {
	return fmt.Errorf("%w: strip=%d is for receiving only, as it leaves out what a message sent would need: write strip=head to send payloads, strip=0 to send whole frames", wire.ErrNotRepresentable, m.strip)
}

// SendHead appends the head of a frame whose payload is streamed.
func (m *machine) SendHead(dst []byte, size int64) ([]byte, wire.Sent, error) {
	reason := ""
	switch {
	case m.left:
		return dst, wire.Sent{}, wire.ErrLeft
	case m.state == over:
		return dst, wire.Sent{}, fmt.Errorf("%w: %w", wire.ErrNotRepresentable, m.reason)
	case m.marks != NoMarks:
		reason = m.marks.String() + " frames are stuffed"
	case m.check != NoCheck:
		reason = "a check stands behind the payload"
	case m.strip != Head:
		reason = "the message is more than the payload, as strip is not head"
	case size < 0:
		reason = "every size is announced, this one is unknown"
	default:
		return m.sendHead(dst, size, wire.BodyFollows)
	}
	return dst, wire.Sent{}, fmt.Errorf("%w: such frames are not streamed: %s; send the message whole", wire.ErrNotRepresentable, reason)
}

// Repeat implements wire.Repeater: a frame is the same on every connection.
func (m *machine) Repeat(dst, form []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	out, same, sent, err := m.Share(dst, form, msg)
	return append(out, same...), sent, err
}

// Share implements wire.Sharer.
func (m *machine) Share(dst, form []byte, msg wire.Message) (out, same []byte, sent wire.Sent, err error) {
	if m.left {
		return dst, nil, wire.Sent{}, wire.ErrLeft
	}
	if m.bodyFollows(msg.Len()) && (m.strip == Head || len(form) == 0) {
		sent.Body = wire.BodyFollows
	}
	return dst, form, sent, nil
}

// bodyFollows reports whether a payload of n bytes may be left to the driver.
func (m *machine) bodyFollows(n int) bool {
	return n >= copyLimit && m.check == NoCheck && m.marks == NoMarks
}

// sendPayload sends a message that is the payload of a frame.
func (m *machine) sendPayload(dst, payload []byte) ([]byte, wire.Sent, error) {
	begin := len(dst)
	body := wire.BodyNone
	if m.bodyFollows(len(payload)) {
		body = wire.BodyFollows
	}
	dst, sent, err := m.sendHead(dst, int64(len(payload)), body)
	if err != nil || body == wire.BodyFollows {
		return dst, sent, err
	}
	head := len(dst)
	dst = append(dst, payload...)
	return m.appendCheck(dst, begin, head), sent, nil
}

// sendHead appends the head of a frame with a payload of size bytes.
func (m *machine) sendHead(dst []byte, size int64, body wire.Body) ([]byte, wire.Sent, error) {
	value, err := m.announce(size)
	if err != nil {
		return dst, wire.Sent{}, err
	}
	if size == 0 {
		body = wire.BodyNone
	}
	dst = append(dst, m.magic...)
	for range int(m.offset) - len(m.magic) {
		dst = append(dst, 0)
	}
	return m.size.append(dst, value), wire.Sent{Body: body}, nil
}

// sendWhole sends a message that is a whole frame, but for its check.
func (m *machine) sendWhole(dst, data []byte) ([]byte, wire.Sent, error) {
	var sent wire.Sent
	if len(data) < len(m.magic) || string(data[:len(m.magic)]) != m.magic {
		return dst, sent, fmt.Errorf("%w: with strip=0 a message is a whole frame, and this one does not begin with the magic % X: write strip=head to send payloads", wire.ErrNotRepresentable, m.magic)
	}
	head := len(m.magic)
	if m.size != NoSize {
		at := int(m.offset)
		n, f := 0, more
		if len(data) > at {
			_, n, f = m.size.read(data[at:])
		}
		if f != none && (f != beyond || m.size == Varint) {
			return dst, sent, fmt.Errorf("%w: with strip=0 a message is a whole frame with room for its size, which is filled in, and these %d bytes have none at offset %d: write strip=head to send payloads", wire.ErrNotRepresentable, len(data), at)
		}
		head = at + n
	}
	value, err := m.announce(int64(len(data) - head))
	if err != nil {
		return dst, sent, err
	}
	var digits [maxVarint]byte
	size := m.size.append(digits[:0], value)
	if m.bodyFollows(len(data)) && bytes.Equal(size, data[m.offset:head]) {
		return dst, wire.Sent{Body: wire.BodyFollows}, nil
	}
	begin := len(dst)
	dst = append(dst, data[:m.offset]...)
	dst = append(dst, size...)
	covered := len(dst)
	dst = append(dst, data[head:]...)
	return m.appendCheck(dst, begin, covered), sent, nil
}

// announce returns what the size of a frame with such a payload is.
func (m *machine) announce(payload int64) (value int64, err error) {
	trailer := int64(m.check.bytes())
	if m.fixed > 0 {
		if want := m.fixed - int64(len(m.magic)) - trailer; payload > want {
			return 0, fmt.Errorf("%w: fixed=%d has room for a payload of exactly %d bytes, this one has %d", wire.ErrTooLarge, m.fixed, want, payload)
		} else if payload < want {
			return 0, fmt.Errorf("%w: fixed=%d asks for a payload of exactly %d bytes, this one has %d", wire.ErrNotRepresentable, m.fixed, want, payload)
		}
		return 0, nil
	}
	if payload > m.max {
		return 0, fmt.Errorf("%w: a payload of %d bytes, at most %d are possible: raise max, or take a larger size", wire.ErrTooLarge, payload, m.max)
	}
	if value = payload + trailer - m.adjust; value < 0 {
		return 0, fmt.Errorf("%w: with adjust=%d the payload has at least %d bytes, this one has %d", wire.ErrNotRepresentable, m.adjust, m.adjust-trailer, payload)
	}
	return value, nil
}

// appendCheck appends the check of the frame that begins in dst at the given
// place and whose payload begins at covered.
func (m *machine) appendCheck(dst []byte, begin, covered int) []byte {
	if m.check == NoCheck {
		return dst
	}
	if m.over == OverAll {
		covered = begin
	}
	return m.check.append(dst, m.check.add(m.check.start(), dst[covered:]))
}

// sendMarked appends a message between marks.
func (m *machine) sendMarked(dst, data []byte) ([]byte, error) {
	if int64(len(data)) > m.max {
		return dst, fmt.Errorf("%w: a message of %d bytes, at most %d are possible: raise max", wire.ErrTooLarge, len(data), m.max)
	}
	var sum [4]byte
	trailer := sum[:0]
	if m.check != NoCheck {
		trailer = m.check.append(trailer, m.check.add(m.check.start(), data))
	}
	switch m.marks {
	case SLIP:
		if len(data)+len(trailer) == 0 {
			return dst, fmt.Errorf("%w: slip has no empty message, peers ignore empty frames; with a check there is one", wire.ErrNotRepresentable)
		}
		dst = append(dst, slipEnd)
		dst = appendSLIP(appendSLIP(dst, data), trailer)
		return append(dst, slipEnd), nil
	case COBS:
		code := len(dst)
		dst, code = appendCOBS(append(dst, 0), code, data)
		dst, code = appendCOBS(dst, code, trailer)
		dst[code] = byte(len(dst) - code)
		return append(dst, 0), nil
	}
	dst = append(dst, stx)
	dst = appendSTX(appendSTX(dst, data), trailer)
	return append(dst, etx), nil
}

func appendSLIP(dst, p []byte) []byte {
	from := 0
	for i, c := range p {
		switch c {
		case slipEnd:
			dst = append(append(dst, p[from:i]...), slipEsc, slipEscEnd)
		case slipEsc:
			dst = append(append(dst, p[from:i]...), slipEsc, slipEscEsc)
		default:
			continue
		}
		from = i + 1
	}
	return append(dst, p[from:]...)
}

// appendCOBS appends p to the block whose code stands in dst at the given
// place, and to blocks behind it. It returns where the code of the last one
// stands, which is yet to be written.
func appendCOBS(dst []byte, code int, p []byte) ([]byte, int) {
	for len(p) > 0 {
		room := 0xFF - (len(dst) - code)
		if room == 0 {
			dst[code] = 0xFF
			code = len(dst)
			dst = append(dst, 0)
			continue
		}
		n := min(len(p), room)
		zero := bytes.IndexByte(p[:n], 0)
		if zero < 0 {
			dst = append(dst, p[:n]...)
			p = p[n:]
			continue
		}
		dst = append(dst, p[:zero]...)
		dst[code] = byte(len(dst) - code)
		code = len(dst)
		dst = append(dst, 0)
		p = p[zero+1:]
	}
	return dst, code
}

func appendSTX(dst, p []byte) []byte {
	from := 0
	for i, c := range p {
		if c == stx || c == etx || c == dle {
			dst = append(append(dst, p[from:i]...), dle)
			from = i
		}
	}
	return append(dst, p[from:]...)
}
