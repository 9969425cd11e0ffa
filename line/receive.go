package line

import (
	"fmt"
	"io"

	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/wire"
)

// Receive returns one message of p, or a line of the banner.
func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind, ev.Owes = wire.EventNone, false
	if m.open && m.extra == nil && !m.pending { // nearly always, and step does it as well
		if found, v := m.scan.next(&m.end, p, m.blocks, int(m.limit)); v == ended {
			n = found.next
			if m.last, m.heard = uint8(found.k), true; m.end.extended(found.k) {
				size := 0
				if size, m.pending = m.end.rest(p[n:], found.k); !m.pending && size > 0 {
					n += size
				} else {
					m.pending = true
				}
			}
			n, _, err = m.finish(p[:found.end], n, ev)
			return n, err
		}
	}
	for more := true; more; {
		var used int
		used, more, err = m.step(p[n:], ev)
		n += used
	}
	return n, err
}

// step looks at the beginning of p. more says that there is no event, and that
// more can be told from what is left of p.
func (m *machine) step(p []byte, ev *wire.Event) (n int, more bool, err error) {
	switch {
	case !m.open && !m.greeted():
		m.open = true
		ev.Kind = wire.EventOpen
		return 0, false, nil
	case m.losing() && m.skip > 0:
		n = m.skipBlock(p)
		return n, n > 0, nil
	case m.pending:
		n, wait := m.goesOn(p)
		if wait {
			return m.wait(p, ev)
		}
		if n > 0 {
			return n, true, nil
		}
	}
	if m.atPrompt() {
		switch v := m.prompted(p[m.scan.start:]); v {
		case ended:
			return m.answered(p, ev)
		case undecided:
			return m.wait(p, ev)
		}
	}
	found, v := m.scan.next(&m.end, p, m.blocks && m.open, m.scanLimit())
	switch v {
	case undecided, inBlock:
		switch {
		case !m.losing():
			return 0, false, nil // as much as a block may be
		case v == inBlock:
			return m.loseBlock(p, found.size, ev)
		}
		return m.drop(p), false, nil
	case overLine:
		return m.lose(p, ev)
	case overBlock:
		return m.loseBlock(p, found.size, ev)
	case endless:
		m.heardPart(p)
		return m.wait(p, ev)
	}
	m.last, m.heard, m.pending = uint8(found.k), true, m.end.extended(found.k)
	switch {
	case !m.open:
		return m.bannerLine(p, found, ev)
	case m.collects():
		if m.lineEnded(found); m.losing() {
			n = m.drop(p)
		}
		return n, true, nil
	}
	return m.finish(p[:found.end], found.next, ev)
}

// goesOn looks whether the last end becomes a longer one. It returns how much of p
// is consumed by that.
func (m *machine) goesOn(p []byte) (n int, wait bool) {
	size, wait := m.end.rest(p[m.scan.start:], int(m.last))
	if wait {
		return 0, true
	}
	m.pending = false
	switch {
	case size == 0:
		m.bare |= 1 << m.last
	case m.scan.start == 0:
		m.consume(size)
		return size, false
	default:
		m.lineMoved(size)
	}
	return 0, false
}

// finish tells the message content, behind which next bytes of p are consumed,
// unless it is an echo, or too long.
func (m *machine) finish(content []byte, next int, ev *wire.Event) (n int, more bool, err error) {
	switch {
	case m.losing():
		m.lost = false
		m.consume(next)
		return next, true, nil
	case len(content) > int(m.limit):
		m.tellLost(ev, m.tooLong().Rule)
		m.consume(next)
		return next, false, nil
	}
	block, toEnd := int(m.scan.block), m.scan.toEnd
	if m.extra != nil && m.echoes {
		line := content
		if m.collects() {
			line = m.firstLine(content)
		}
		if m.isEcho(line) {
			if !m.collects() {
				m.consume(next)
				return next, true, nil
			}
			cut := min(m.firstNext(len(content)), len(content))
			content, block = content[cut:], max(0, block-cut)
		}
	}
	m.consume(next)
	m.deliver(ev, content, block, toEnd)
	return next, false, nil
}

// deliver makes ev the message with what has come, whose last block ends at block;
// with toEnd that is one of unknown size, to the end.
func (m *machine) deliver(ev *wire.Event, content []byte, block int, toEnd bool) {
	if m.trim {
		content = trimmed(content, block, toEnd)
	}
	switch {
	case m.charset == Latin1 && !ascii.Is(content):
		if block > 0 { // the data of a block is no text
			ev.SetBytes(content)
			return
		}
		x := m.more()
		if cap(x.scratch) > keptScratch {
			x.scratch = nil
		}
		x.scratch = decode(x.scratch[:0], content)
		ev.SetText(x.scratch)
	case m.charset.isText(content):
		ev.SetText(content)
	default:
		ev.SetBytes(content)
	}
}

// keptScratch is how large a buffer is kept between messages.
const keptScratch = 4096

// trimmed returns p without the blanks at both ends; nothing of a block, of which
// the last ends at block, is one.
func trimmed(p []byte, block int, toEnd bool) []byte {
	end := len(p)
	for !toEnd && end > block && isBlank(p[end-1]) {
		end--
	}
	start := 0
	for start < end && isBlank(p[start]) {
		start++
	}
	return p[start:end]
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// ReceiveEOF tells what stands behind the last end as a message.
func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, false
	switch {
	case m.greeted():
		return m.cutOff(rest, fmt.Sprintf("the stream ended while %s", m.awaited()))
	case m.losing() && m.skip > 0:
		return m.cutOff(rest, "the stream ended inside a block of a message that is too long, and is lost")
	case m.losing(): // which has been told
		m.lost = false
		return nil
	}
	if rest = m.lastEnd(rest); len(rest) == 0 {
		return nil
	}
	if _, v := m.scan.next(&m.end, rest, m.blocks, int(m.limit)); v == inBlock || v == overBlock {
		return m.cutOff(rest, fmt.Sprintf("the stream ended inside the block that begins at byte %d; the %d bytes that arrived of the message are lost", m.offset+int64(m.scan.at), len(rest)))
	}
	content := rest
	if m.collects() && m.scan.start > 0 && int(m.scan.start) == len(rest) {
		content = rest[:m.cut]
	}
	if len(content) > int(m.limit) { // without its end not yet known to be
		return m.cutOff(rest, m.tooLong().Rule)
	}
	_, _, err := m.finish(content, len(rest), ev)
	return err
}

// lastEnd returns rest without what makes the last end a longer one: of those that it
// might still have become, what has come decides.
func (m *machine) lastEnd(rest []byte) []byte {
	if !m.pending {
		return rest
	}
	m.pending = false
	size, _ := m.end.rest(rest[m.scan.start:], int(m.last))
	if m.scan.start > 0 {
		m.lineMoved(size)
		return rest
	}
	m.consume(size)
	return rest[size:]
}

func (m *machine) cutOff(rest []byte, rule string) error {
	return &wire.ProtocolError{Protocol: m.name(), Offset: m.offset + int64(len(rest)), Rule: rule, Err: io.ErrUnexpectedEOF}
}
