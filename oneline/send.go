package oneline

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/wire"
)

var (
	errNoText     = fmt.Errorf("oneline: only text, bytes and numbers travel as a line: %w", wire.ErrNotRepresentable)
	errTwoLines   = fmt.Errorf("oneline: the message contains an end of line and would arrive as two, send them one by one: %w", wire.ErrNotRepresentable)
	errNoStreams  = fmt.Errorf("oneline: a line is sent whole: %w", wire.ErrNotRepresentable)
	errFirstWords = fmt.Errorf("oneline: no command has arrived yet: %w", wire.ErrUnsolicited)
)

// Send appends m's text as a line. A client's disconnect or shutdown is its
// farewell.
func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if !m.left && len(m.eol) == 1 && (m.asked || m.role == wire.Dialing && msg.Len() > len(longestWord)) && msg.Len() <= m.maxSend {
		if line, ok := msg.Plain(); ok && bytes.IndexByte(line, m.last) < 0 { // nearly always, and what follows does it as well
			return append(append(dst, line...), m.last), wire.Sent{}, nil
		}
	}
	switch {
	case m.left:
		return dst, wire.Sent{}, wire.ErrLeft
	case m.role == wire.Accepting && !m.asked:
		return dst, wire.Sent{}, errFirstWords
	case msg.Type() == wire.TypeObject:
		return dst, wire.Sent{}, errNoText
	case msg.Len() > m.maxSend:
		return dst, wire.Sent{}, m.tooLarge(msg.Len())
	}
	out := msg.AppendText(dst)
	size := len(out) - len(dst)
	if size > m.maxSend {
		return dst, wire.Sent{}, m.tooLarge(size)
	}
	out = append(out, m.eol...)
	// Looking for the end of the line after appending it also finds one that
	// begins in the message and ends in the real one.
	line := out[len(dst):]
	if i := bytes.IndexByte(line, m.eol[0]); i != size && bytes.Index(line, line[size:]) != size {
		return dst, wire.Sent{}, errTwoLines
	}
	if m.role == wire.Dialing {
		switch reserved(line[:size]) {
		case disconnect, shutdown:
			m.left = true
		}
	}
	return out, wire.Sent{}, nil
}

func (m *machine) tooLarge(size int) error {
	return fmt.Errorf("oneline: a line of %d bytes exceeds MaxLine, %d: %w", size, m.maxSend, wire.ErrTooLarge)
}

// SendHead fails: the end of a line can't be announced.
func (m *machine) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, errNoStreams
}

// BodySent has nothing to do: a line has no body of its own.
func (m *machine) BodySent() {}
