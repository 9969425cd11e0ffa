package line

import (
	"fmt"
	"math"

	"github.com/parley-net/parley/wire"
)

// losing reports whether a message that is too long is being skipped.
func (m *machine) losing() bool { return m.extra != nil && m.lost }

// wait keeps p for more to come, unless it is more than a message may be.
func (m *machine) wait(p []byte, ev *wire.Event) (n int, more bool, err error) {
	switch {
	case m.losing():
		return m.drop(p), false, nil
	case m.over(p):
		return m.lose(p, ev)
	}
	return 0, false, nil
}

// over reports whether p, in which there is no end, is more than may wait for one.
// What is missing may be the rest of an end, and of a prompt.
func (m *machine) over(p []byte) bool {
	behind := m.end.longest()
	if m.extra != nil {
		behind += len(m.prompt)
	}
	return len(p)-behind > m.most() // an int may have 32 bits, and most be near their end
}

// lose begins to skip the message that p begins with, which is told once and now.
// A line of the banner is no message: without it the connection can't open.
func (m *machine) lose(p []byte, ev *wire.Event) (n int, more bool, err error) {
	if !m.open {
		return 0, false, m.tooLong()
	}
	m.tellLost(ev, m.tooLong().Rule)
	m.more().lost = true
	return m.drop(p), false, nil
}

// loseBlock skips the block that ends at size by count, and with it the message.
func (m *machine) loseBlock(p []byte, size int64, ev *wire.Event) (n int, more bool, err error) {
	more = m.losing()
	if !more {
		m.tellLost(ev, fmt.Sprintf("a block makes the message at least %d bytes long, the limit is %d: it is skipped; raise Max and the message limit", size, m.limit))
	}
	x := m.more()
	x.lost, x.skip = true, size
	return m.skipBlock(p), more, nil
}

func (m *machine) tellLost(ev *wire.Event, rule string) {
	ev.Kind, ev.Err = wire.EventLost, &wire.MessageError{Protocol: m.name(), Offset: m.offset, Err: wire.ErrTooLarge, Rule: rule}
}

// skipBlock consumes what there is of a block that is skipped.
func (m *machine) skipBlock(p []byte) (n int) {
	n = int(min(m.skip, int64(len(p))))
	m.skip -= int64(n)
	m.offset += int64(n)
	m.scan = scanner{inner: true}
	return n
}

// drop consumes what the scanner has looked at of a message that is skipped. What
// stays is what an end, or the # of a block, may still need in front of it.
func (m *machine) drop(p []byte) (n int) {
	if m.blocks && !m.scan.toEnd {
		m.scan.lookForQuotes(p[:m.scan.at])
	}
	n = m.scan.forget(max(1, m.end.longest()-1))
	m.offset += int64(n)
	return n
}

// forget gives up the bytes before the place where it is, but for keep of the line
// that it is in.
func (s *scanner) forget(keep int) (n int) {
	n = int(max(s.start, s.at-int32(keep)))
	s.inner = s.inner || n > int(s.start)
	for _, place := range []*int32{&s.at, &s.start, &s.block, &s.clear, &s.first, &s.quoted} {
		*place = max(0, *place-int32(n))
	}
	return n
}

// scanLimit is how long a message may be for the scanner: one that is skipped is as
// long as it is.
func (m *machine) scanLimit() int {
	if m.losing() {
		return math.MaxInt32
	}
	return m.most()
}
