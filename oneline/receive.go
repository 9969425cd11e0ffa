package oneline

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/wire"
)

// Receive returns one line of p, answering pings on the way.
func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind, ev.Owes = wire.EventNone, m.pongs > 0
	if m.role == wire.Accepting && !m.open {
		m.open = true
		ev.Kind = wire.EventOpen
		return 0, nil
	}
	if m.goodbye {
		m.offset += int64(len(p))
		return len(p), nil
	}
	if m.asked && m.looked == 0 && len(m.eol) == 1 { // nearly always, and the loop below does it as well
		if i := bytes.IndexByte(p, m.last); len(longestWord) < i && i <= m.maxLine && ascii.Is(p[:i]) {
			ev.SetText(p[:i])
			m.offset += int64(i) + 1
			return i + 1, nil
		}
	}
	for {
		size, err := m.find(p[n:])
		if size == 0 {
			return n, err
		}
		line := p[n : n+size-len(m.eol)]
		if m.role == wire.Accepting {
			m.command(ev, line)
		} else if err := m.response(ev, line); err != nil {
			return n, err
		}
		n += size
		m.offset += int64(size)
		if ev.Kind != wire.EventNone {
			return n, nil
		}
	}
}

// find returns the length of the first line of p with its end, or 0 while the
// end is missing. It looks at no byte twice.
func (m *machine) find(p []byte) (size int, err error) {
	at := m.looked
	for {
		i := bytes.IndexByte(p[at:], m.last)
		if i < 0 {
			// What is missing may be the rest of the end of the line.
			if len(p)-(len(m.eol)-1) > m.longest() {
				return 0, m.tooLong()
			}
			m.looked = len(p)
			return 0, nil
		}
		at += i + 1
		if len(m.eol) == 1 || at >= len(m.eol) && string(p[at-len(m.eol):at]) == m.eol {
			break
		}
	}
	if at-len(m.eol) > m.longest() {
		return 0, m.tooLong()
	}
	m.looked = 0
	return at, nil
}

func (m *machine) tooLong() error {
	longest := m.longest()
	rule := fmt.Sprintf("the line is longer than the limit of %d bytes: raise MaxLine and the message limit, or check that the peer ends its lines with %q", longest, m.eol)
	if longest < m.maxLine {
		rule = fmt.Sprintf("the answer to the opening %q is longer than %d bytes: the peer does not speak oneline; a plain device that ends its lines speaks line://", ping, longest)
	}
	return &wire.ProtocolError{Protocol: name, Offset: m.offset + int64(longest), Rule: rule}
}

// command is what a line means to a server.
func (m *machine) command(ev *wire.Event, line []byte) {
	valid := ascii.Is(line)
	word := ""
	switch {
	case valid:
		word = reserved(line)
	case m.utf8:
		valid = utf8.Valid(line)
	default:
		word = reservedAmong(line)
	}
	switch word {
	case ping:
		m.pongs++
		ev.Owes = true
	case disconnect:
		m.goodbye = true
		ev.Kind = wire.EventLeave
	case shutdown:
		m.goodbye = true
		ev.Kind = wire.EventShutdown
	default:
		m.asked = true
		ev.SetText(line)
		if !valid {
			ev.Message = WithInvalid(ev.Message)
			if !m.utf8 {
				ev.Message = ev.Message.WithASCII()
			}
		}
	}
}

// response is what a line means to a client.
func (m *machine) response(ev *wire.Event, line []byte) error {
	if !m.open {
		if string(trimSpace(line)) != pong {
			return &wire.ProtocolError{Protocol: name, Offset: m.offset, Rule: fmt.Sprintf(
				"the answer to the opening %q is %q, not %q: the peer does not speak oneline; a plain device that ends its lines speaks line://", ping, line[:min(len(line), 40)], pong)}
		}
		m.open = true
		ev.Kind = wire.EventOpen
		return nil
	}
	if !ascii.UTF8(line) {
		ev.Kind = wire.EventLost
		ev.Err = &wire.MessageError{Protocol: name, Offset: m.offset, Rule: fmt.Sprintf(
			"a line of %d bytes is not UTF-8: the server has to send text", len(line))}
		return nil
	}
	ev.SetText(trimSpace(line))
	return nil
}

// ReceiveEOF accepts the end of the stream between two lines.
func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, m.pongs > 0
	if m.goodbye {
		return nil
	}
	var rule strings.Builder
	switch {
	case !m.open && len(rest) > 0 && !strings.HasPrefix(pong, string(trimSpace(rest))):
		fmt.Fprintf(&rule, "the stream ended inside the answer to the opening %q, which begins with %q: the peer does not speak oneline; a plain device that ends its lines speaks line://", ping, rest[:min(len(rest), 40)])
	case len(rest) > 0:
		fmt.Fprintf(&rule, "the stream ended inside a line; the %d bytes that arrived of it are not delivered", len(rest))
		if rest[len(rest)-1] == '\r' && !strings.Contains(m.eol, "\r") {
			rule.WriteString(`; they end in 0D: if the peer ends its lines so, set EOL to "\r"`)
		}
	case !m.open:
		fmt.Fprintf(&rule, "the server closed without the %q that answers %q: it may be shutting down", pong, ping)
	default:
		return nil
	}
	return &wire.ProtocolError{Protocol: name, Offset: m.offset + int64(len(rest)), Rule: rule.String(), Err: io.ErrUnexpectedEOF}
}

// Hint says what a server that has not said its pong may be.
func (m *machine) Hint(first []byte) string {
	switch {
	case m.role == wire.Accepting || m.open:
		return ""
	case len(first) == 0:
		return fmt.Sprintf("not a byte has answered the opening %q: a oneline server serves one client at a time, the others wait; or it is a plain device that ends its lines, which speaks line://", ping)
	}
	missing := "newline"
	switch m.eol {
	case "\r":
		missing = "carriage return"
	case "\r\n":
		missing = "carriage return and newline"
	}
	end, what := first[len(first)-1], "the line has no end"
	switch {
	case end == '\r' && m.eol == "\n":
		what = `the peer may end its lines with CR: set EOL to "\r"`
	case end == '\n':
		what = `the peer may end its lines with LF: set EOL to "\n"`
	}
	if !strings.HasPrefix(pong, string(trimSpace(first))) {
		what += "; a plain device that ends its lines speaks line://"
	}
	return fmt.Sprintf("%q has come and no %s: %s", first, missing, what)
}
