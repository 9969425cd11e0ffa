package line

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// tagVerbatim is the tag of a message that is sent as it is.
const tagVerbatim = 0x4C4E_0001

// Verbatim returns m, a text or bytes message, to be sent as it is: nothing is
// appended, and ends in it are no mistake. That is how a device sends its prompt,
// or the half of a message.
func Verbatim(m wire.Message) wire.Message { return m.WithTag(tagVerbatim) }

// DescribeTag returns "verbatim" for the tag of such a message.
func (Protocol) DescribeTag(tag uint32) string {
	if tag == tagVerbatim {
		return "verbatim"
	}
	return ""
}

var (
	_ wire.Describer = Protocol{}
	_ wire.Repeater  = (*machine)(nil)
)

// Send appends m's text and the end.
func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	out, err := m.form(dst, msg)
	if err != nil {
		return dst, wire.Sent{}, err
	}
	line := out[len(dst):]
	if len(line) > int(m.maxSend) {
		return dst, wire.Sent{}, m.tooLarge(len(line))
	}
	if msg.Tag() == tagVerbatim {
		m.behind = 0
		return out, wire.Sent{}, nil
	}
	ending, behind := m.ending()
	out = append(out, ending...)
	if err := m.whole(out[len(dst):], len(line), ending); err != nil {
		return dst, wire.Sent{}, err
	}
	if m.behind > 0 {
		if size, _ := m.end.rest(out[len(dst):], int(m.behind)-1); size > 0 {
			return dst, wire.Sent{}, m.part(line)
		}
	}
	m.behind = behind
	if m.extra != nil && m.echoes {
		m.echo.expect(line)
	}
	return out, wire.Sent{}, nil
}

// Repeat implements wire.Repeater: if this machine ends its lines as that one did, nothing has
// to be looked for in the line again.
func (m *machine) Repeat(dst, form []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	ending, behind := m.ending()
	if !m.repeats(form, ending, msg) {
		return m.Send(dst, msg)
	}
	m.behind = behind
	return append(dst, form...), wire.Sent{}, nil
}

// repeats reports whether form is what Send makes of msg here too, without a look at its bytes:
// it is msg as it is, which the length tells, and the ending.
func (m *machine) repeats(form []byte, ending string, msg wire.Message) bool {
	text, plain := msg.Plain()
	size := len(form) - len(ending)
	switch {
	case m.left, m.extra != nil, m.behind > 0, m.charset == Latin1:
		return false
	}
	return plain && size == len(text) && string(form[size:]) == ending
}

// form appends m as it travels, without its end.
func (m *machine) form(dst []byte, msg wire.Message) ([]byte, error) {
	switch {
	case m.left:
		return dst, wire.ErrLeft
	case msg.Type() == wire.TypeObject:
		return dst, fmt.Errorf("%s: only text, bytes and numbers travel as a line: %w", m.name(), wire.ErrNotRepresentable)
	case msg.Len() > int(m.maxSend) && m.charset != Latin1:
		return dst, m.tooLarge(msg.Len())
	}
	text, plain := msg.Plain()
	if !plain {
		return msg.AppendText(dst), nil
	}
	if msg.Type() == wire.TypeBytes {
		return append(dst, text...), nil
	}
	out, err := m.charset.append(dst, text)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", m.name(), err)
	}
	return out, nil
}

func (m *machine) tooLarge(size int) error {
	return fmt.Errorf("%s: a message of %d bytes exceeds Max, %d: %w", m.name(), size, m.maxSend, wire.ErrTooLarge)
}

// whole returns an error if line, a message of size bytes with its ending, would
// not arrive as one. Looking for the end with the ending in place also finds one
// that begins in the message and ends behind it.
func (m *machine) whole(line []byte, size int, ending string) error {
	switch {
	case !m.foreign && !m.blocks && m.end.ones: // the first of these bytes ends it
		for j := range len(m.end.lasts) {
			if bytes.IndexByte(line[:size], m.end.lasts[j]) >= 0 {
				return m.two()
			}
		}
		return nil
	case !m.foreign:
		return m.endsAt(&m.end, line, size)
	}
	var s scanner
	if _, v := s.next(&m.end, line[:size], m.blocks, size); v == ended {
		return m.two()
	}
	if !m.blocks {
		if bytes.Index(line, line[size:]) != size {
			return m.two()
		}
		return nil
	}
	own := Ends(ending)
	return m.endsAt(&own, line, size)
}

// endsAt returns an error unless the first end of line is at size.
func (m *machine) endsAt(e *End, line []byte, size int) error {
	var s scanner
	found, v := s.next(e, line, m.blocks, len(line))
	switch {
	case v != ended:
		return fmt.Errorf("%s: a block announces more than the message has, and would swallow what follows: %w", m.name(), wire.ErrNotRepresentable)
	case found.end != size:
		return m.two()
	}
	return nil
}

func (m *machine) two() error {
	return fmt.Errorf("%s: the message contains an end (%v) and would arrive as two, send them one by one: %w", m.name(), m.end, wire.ErrNotRepresentable)
}

// part says that line would be taken for a part of the end before it.
func (m *machine) part(line []byte) error {
	return fmt.Errorf("%s: behind the end of the last message, the beginning of %.40q makes it a longer end (%v) and would be lost: set Send to the longer one: %w", m.name(), line, m.end, wire.ErrNotRepresentable)
}

// SendHead fails: the end of a line can't be announced.
func (m *machine) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, fmt.Errorf("%s: a line is sent whole: %w", m.name(), wire.ErrNotRepresentable)
}
