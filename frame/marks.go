package frame

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/wire"
)

const (
	slipEnd, slipEsc       = 0xC0, 0xDB
	slipEscEnd, slipEscEsc = 0xDC, 0xDD
	stx, etx, dle          = 0x02, 0x03, 0x10
)

// end returns the byte that ends a frame.
func (f Marks) end() byte { return [...]byte{0, slipEnd, 0, etx}[f] }

// longest returns how many stuffed bytes a message and check of n bytes can
// have.
func (f Marks) longest(n int64) int64 {
	if f == COBS {
		return n + n/254 + 1
	}
	return 2 * n
}

// scan returns where in p the next mark stands, or -1 and how many bytes need
// not be looked at again. The first from ones need not.
func (f Marks) scan(p []byte, from int) (at, looked int) {
	if f != STX {
		if i := bytes.IndexByte(p[from:], f.end()); i >= 0 {
			return from + i, 0
		}
		return -1, len(p)
	}
	for i := from; i < len(p); i++ {
		switch p[i] {
		case stx, etx:
			return i, 0
		case dle:
			if i++; i == len(p) {
				return -1, i - 1
			}
		}
	}
	return -1, len(p)
}

// unstuff returns what stands between marks as it was before stuffing, in the
// same memory. wrong says what is wrong with it, or is empty.
func (f Marks) unstuff(p []byte) (data []byte, wrong string) {
	switch f {
	case SLIP:
		return unslip(p)
	case COBS:
		return uncobs(p)
	}
	return unstx(p)
}

func unslip(p []byte) ([]byte, string) {
	w := bytes.IndexByte(p, slipEsc)
	if w < 0 {
		return p, ""
	}
	for r := w; r < len(p); {
		if p[r] == slipEsc {
			if r++; r == len(p) {
				return nil, "an escape (DB) is the last byte of a frame"
			}
			switch p[r] {
			case slipEscEnd:
				p[w] = slipEnd
			case slipEscEsc:
				p[w] = slipEsc
			default:
				return nil, fmt.Sprintf("an escape (DB) is followed by %02X, not by DC or DD", p[r])
			}
			w++
			r++
			continue
		}
		n := bytes.IndexByte(p[r:], slipEsc)
		if n < 0 {
			n = len(p) - r
		}
		w += copy(p[w:], p[r:r+n])
		r += n
	}
	return p[:w], ""
}

func uncobs(p []byte) ([]byte, string) {
	// A zero takes the place of the code that stood for it, so most blocks stay
	// where they are: only those behind a full one move.
	w, code := 1, int(p[0])
	for r := 0; ; {
		if code > len(p)-r {
			return nil, fmt.Sprintf("a block of %d bytes has only %d before the frame's end", code, len(p)-r)
		}
		if w == r+1 {
			w += code - 1
		} else {
			w += copy(p[w:], p[r+1:r+code])
		}
		full := code == 0xFF
		if r += code; r == len(p) {
			return p[1:w], ""
		}
		code = int(p[r])
		if !full {
			p[w] = 0
			w++
		}
	}
}

func unstx(p []byte) ([]byte, string) {
	w := bytes.IndexByte(p, dle)
	if w < 0 {
		return p, ""
	}
	for r := w; r < len(p); r++ {
		if p[r] == dle {
			r++ // scan has seen that there is one
		}
		p[w] = p[r]
		w++
	}
	return p[:w], ""
}

// marked looks for the next frame.
func (m *machine) marked(p []byte, ev *wire.Event) int {
	begin := 0 // of the frame
	switch {
	case m.marks == STX:
		if len(p) > 0 && p[0] != stx {
			m.start, m.state, m.reason = m.read, searching, nil
			return m.search(p, ev)
		}
	default:
		if m.looked == 0 {
			for begin < len(p) && p[begin] == m.marks.end() {
				begin++
			}
		}
	}
	m.start = m.read + int64(begin)
	frame := p[begin:]
	if len(frame) == 0 {
		return begin
	}
	at, looked := m.marks.scan(frame, max(m.looked, m.opener()))
	if at >= 0 {
		m.looked = 0
		return begin + m.whole(frame, at, ev)
	}
	if m.tooLong(looked - m.opener()) {
		m.state, m.looked = skipping, 0
		return begin + looked
	}
	m.looked = looked
	return begin
}

// opener returns how many bytes stand before what is stuffed.
func (m *machine) opener() int {
	if m.marks == STX {
		return 1
	}
	return 0
}

// whole delivers the frame that p begins with and whose next mark stands at
// the given place. It returns how many bytes are dealt with.
func (m *machine) whole(p []byte, at int, ev *wire.Event) int {
	stuffed := p[m.opener():at]
	if m.marks == STX && p[at] == stx {
		m.lost(ev, m.cut(int64(at)))
		return at
	}
	data, wrong := stuffed, ""
	if m.tooLong(len(stuffed)) {
		wrong = m.long()
	} else {
		data, wrong = m.marks.unstuff(stuffed)
	}
	end := len(data) - m.check.bytes()
	switch {
	case wrong != "":
		m.lost(ev, wrong+"; this frame is lost")
	case end < 0:
		m.lost(ev, fmt.Sprintf("a frame of %d bytes has no room for its check of %d bytes", len(data), m.check.bytes()))
	case int64(end) > m.limit:
		m.lost(ev, m.long()+"; this frame is lost")
	default:
		if m.check != NoCheck {
			sum := m.check.add(m.check.start(), data[:end])
			if got := m.check.read(data[end:]); got != sum {
				m.damaged(ev, int64(len(data)), sum, got)
				break
			}
		}
		ev.SetBytes(data[:end:end])
	}
	return at + 1
}

// skipToMark passes over a frame that is too long.
func (m *machine) skipToMark(p []byte, ev *wire.Event) int {
	at, looked := m.marks.scan(p, 0)
	if at < 0 {
		return looked
	}
	m.state = between
	if m.marks == STX && p[at] == stx {
		m.lost(ev, m.cut(m.read-m.start+int64(at)))
		return at
	}
	m.lost(ev, m.long()+"; this frame is lost")
	return at + 1
}

// tooLong reports whether so many stuffed bytes are too many for any message
// that may be delivered.
func (m *machine) tooLong(stuffed int) bool {
	return int64(stuffed) > m.marks.longest(m.limit+int64(m.check.bytes()))
}

func (m *machine) long() string {
	return fmt.Sprintf("a frame is longer than the limit of %d bytes: raise max and the message limit, or check that the peer uses %v", m.limit, m.marks)
}

// cut says that a frame begins inside another one, at bytes behind its first.
func (m *machine) cut(at int64) string {
	return fmt.Sprintf("a frame has no end (03), another one begins (02) after %d bytes of it", at)
}
