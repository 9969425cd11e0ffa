package line

import (
	"fmt"

	"github.com/parley-net/parley/wire"
)

// A machine is one half of one connection. It buffers no message: what is
// unfinished stays with the driver.
type machine struct {
	end     End
	send    string // what is appended; empty with same
	offset  int64  // bytes of the peer consumed
	scan    scanner
	limit   int32 // of a message received
	maxSend int32
	*extra  // nil: nothing of it

	bare    uint16  // by number: an end that did not go on as a longer one
	last    uint8   // what ended the last line
	behind  uint8   // the end of the last message sent, plus one, if it begins a longer one; else 0
	pending bool    // it may still become a longer one
	heard   bool    // a line has ended
	charset Charset // and so on: the Protocol's
	blocks  bool
	trim    bool
	same    bool
	foreign bool // send is not in end
	scpi    bool
	open    bool
	left    bool
}

// extra is what few connections need.
type extra struct {
	dialog         // of a dialer with Prompt, Skip or Echo
	lost    bool   // the message is too long, which has been told: it is skipped
	skip    int64  // bytes still to come of a block in it
	scratch []byte // a message as UTF-8, with Latin1
}

// more returns m.extra, which it makes if there was none.
func (m *machine) more() *extra {
	if m.extra == nil {
		m.extra = new(extra)
	}
	return m.extra
}

func (m *machine) name() string { return Protocol{scpi: m.scpi}.Name() }

// Accept has nothing to do: a line is never announced.
func (m *machine) Accept() {}

// Refuse ends the connection: a line is never announced.
func (m *machine) Refuse(reason error) error { return reason }

// BodySent has nothing to do: a line has no body of its own.
func (m *machine) BodySent() {}

// Output has nothing to append: the protocol owes nothing.
func (m *machine) Output(dst []byte) []byte { return dst }

// Awaiting returns 0: no message has to be answered.
func (m *machine) Awaiting() int { return 0 }

// Close appends nothing: the protocol has no farewell.
func (m *machine) Close(dst []byte) []byte {
	m.left = true
	return dst
}

// ending returns what is appended to a message that is sent, and its number plus one if it
// begins a longer end; else 0.
func (m *machine) ending() (end string, behind uint8) {
	k := int(m.last)
	switch {
	case !m.same:
		return m.send, m.end.extendable(m.send)
	case !m.heard:
		k = 0
	case m.end.extended(k) && m.bare>>k&1 == 0:
		end = m.end.longer(k)
		return end, m.end.extendable(end)
	}
	if m.end.extended(k) {
		behind = uint8(k + 1)
	}
	return m.end.at(k), behind
}

// consume says that the first n bytes of the input are done with.
func (m *machine) consume(n int) {
	m.offset += int64(n)
	m.scan = scanner{first: max(0, m.scan.first-int32(n))}
}

// most returns how long a message may be, or a line of the banner.
func (m *machine) most() int {
	if !m.open {
		return min(int(m.limit), longestBanner)
	}
	return int(m.limit)
}

// tooLong says that the message at the beginning of the input, or a line before the
// connection is open, is too long.
func (m *machine) tooLong() *wire.ProtocolError {
	rule := fmt.Sprintf("the message is longer than the limit of %d bytes: it is skipped up to its end; raise Max and the message limit, or check that the peer ends its messages with %v", m.most(), m.end)
	switch {
	case !m.open:
		rule = fmt.Sprintf("a line of more than %d bytes came before the connection was open: check Prompt and Skip, and what ends a line (%v)", m.most(), m.end)
	case m.extra != nil && m.prompt != "":
		rule = fmt.Sprintf("the answer is longer than the limit of %d bytes: it is skipped up to the prompt; raise Max and the message limit, or check that the peer's prompt is %q", m.most(), m.prompt)
	}
	return &wire.ProtocolError{Protocol: m.name(), Offset: m.offset + int64(m.most()), Rule: rule}
}
