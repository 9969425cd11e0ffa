package bridge

import (
	"fmt"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/wire"
)

// Forms writes typed values as text, for wires that have one type only: text
// on oneline, line and scpi, bytes on tinyproto and frame. What is of this native type is written as it
// is, unless it looks like something else. Both functions return an error for
// what they can't read or write.
type Forms struct {
	Read  func(text string, native parley.Type) (parley.Message, error)
	Write func(m parley.Message, native parley.Type) (string, error)
}

// native returns the only type of a wire that has just one.
func native(p parley.Protocol) (t parley.Type, only bool) {
	switch p.Name() {
	case "oneline":
		return parley.TypeText, true
	case "tinyproto", "frame":
		return parley.TypeBytes, true
	case "line", "scpi":
		if p.Traits().Types.Has(parley.TypeText) {
			return parley.TypeText, true
		}
		return parley.TypeBytes, true
	}
	return 0, false
}

// convert returns what m, which has arrived on one wire, becomes on another,
// where we play the given role. An error wraps ErrNotRepresentable.
func (b *Bridge) convert(m parley.Message, from, to parley.Protocol, role wire.Role) (parley.Message, error) {
	if oneline.Invalid(m) {
		m = parley.Bytes(m.Bytes()) // a line that is no text
	}
	if b.Forms != nil {
		var err error
		if m, err = b.reform(m, from, to); err != nil {
			return m, fmt.Errorf("%w: %w", parley.ErrNotRepresentable, err)
		}
	}
	switch to := to.(type) {
	case oneline.Protocol:
		return forOneline(m, from, to, role)
	case serpy.Protocol:
		return forSerpy(m, from, to), nil
	}
	if t := m.Type(); (to.Name() == "tinyproto" || to.Name() == "frame") && (t == parley.TypeInt || t == parley.TypeFloat) {
		return parley.Bytes(m.AppendText(nil)), nil
	}
	return m, nil // the wire has the type, or refuses it
}

// reform reads the forms of a wire with one type and writes them for another.
func (b *Bridge) reform(m parley.Message, from, to parley.Protocol) (parley.Message, error) {
	in, read := native(from)
	out, write := native(to)
	if read && write && in == out {
		return m, nil
	}
	if read && utf8.Valid(m.Bytes()) {
		var err error
		if m, err = b.Forms.Read(string(m.Bytes()), in); err != nil {
			return m, err
		}
	}
	if !write {
		return m, nil
	}
	text, err := b.Forms.Write(m, out)
	if out == parley.TypeBytes {
		return parley.Bytes([]byte(text)), err
	}
	return parley.Text(text), err
}

// forOneline returns m as a line of oneline.
func forOneline(m parley.Message, from parley.Protocol, to oneline.Protocol, role wire.Role) (parley.Message, error) {
	var text []byte
	switch m.Type() {
	case parley.TypeInt, parley.TypeFloat:
		text = m.AppendText(nil)
	case parley.TypeText, parley.TypeBytes:
		text = m.Bytes()
		if p, ok := from.(serpy.Protocol); ok && m.Type() == parley.TypeBytes {
			var err error
			if text, err = p.Encoding.Decode(nil, text); err != nil {
				return m, fmt.Errorf("%w: oneline carries text, and these bytes are not %s: %w", parley.ErrNotRepresentable, p.Encoding.Name(), err)
			}
		}
	default:
		return m, fmt.Errorf("%w: oneline carries text, no %v", parley.ErrNotRepresentable, m.Type())
	}
	if !utf8.Valid(text) {
		return m, fmt.Errorf("%w: oneline carries text, and these bytes are not UTF-8", parley.ErrNotRepresentable)
	}
	if role == wire.Dialing {
		if !to.UTF8 && !ascii.Is(text) {
			return m, fmt.Errorf("%w: a oneline server takes ASCII only, unless the address says ?utf8=1", parley.ErrNotRepresentable)
		}
		switch string(text) {
		case "ping", "disconnect", "shutdown":
			return m, fmt.Errorf("%w: %q is no message to a oneline server but a word of the protocol", parley.ErrNotRepresentable, text)
		}
	}
	return wire.TextBytes(text), nil
}

// forSerpy returns m for serpy, where only a pickle tells what type a value
// has.
func forSerpy(m parley.Message, from parley.Protocol, to serpy.Protocol) parley.Message {
	if _, same := from.(serpy.Protocol); same || to.Mode < 4 {
		return m
	}
	switch m.Type() {
	case parley.TypeText:
		return parley.Object(m.Text())
	case parley.TypeInt:
		return parley.Object(m.BigInt())
	case parley.TypeFloat:
		return parley.Object(m.Float())
	}
	return m
}

// lines returns the lines of an answer that ended with the target's prompt; none of
// any other message.
func (b *Bridge) lines(m parley.Message) (all []parley.Message) {
	from, ok := b.target.(line.Protocol)
	if !ok || from.Prompt == "" {
		return nil
	}
	if _, block := line.Block(m); from.Blocks && block {
		return nil // its data is no lines
	}
	reader := line.Protocol{End: from.End, Max: int64(m.Len()) + 1}.New(wire.Accepting, wire.Limits{})
	rest, ev := m.Bytes(), wire.Event{}
	for {
		n, err := reader.Receive(rest, &ev)
		if err != nil {
			return nil
		}
		rest = rest[n:]
		switch ev.Kind {
		case wire.EventMessage:
			all = append(all, ev.Message.Clone())
		case wire.EventNone:
			if reader.ReceiveEOF(rest, &ev) == nil && ev.Kind == wire.EventMessage {
				all = append(all, ev.Message.Clone())
			}
			return all
		}
	}
}
