package bridge

import (
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// Convert returns what m, which has arrived on the wire from, becomes for the clients of a
// server of another wire. from is nil for a message that came on none. An error wraps
// ErrNotRepresentable.
func Convert(m parley.Message, from, to parley.Protocol) (parley.Message, error) {
	if from != nil && from.Name() == to.Name() {
		return m, nil // as it came
	}
	m = value(m)
	if from == nil {
		from = to
	}
	m, err := new(Bridge).convert(m, from, to, wire.Accepting)
	if own, ok := to.(serpy.Protocol); ok && err == nil {
		return inMode(m, own)
	}
	return m, err
}

// value returns what a message says that serpy has left in its mode.
func value(m parley.Message) parley.Message {
	mode, ok := serpy.Mode(m)
	switch {
	case !ok:
		return m
	case recording.IsPickle(m):
		if v, err := pickle.Decode(m.Bytes(), pickle.Limits{}); err == nil {
			return recording.FromPickle(v)
		}
		return parley.Bytes(m.Bytes())
	case mode < 2 && m.Type() == parley.TypeBytes && utf8.Valid(m.Bytes()):
		return parley.Text(string(m.Bytes()))
	}
	return m.WithTag(0)
}

// inMode returns m in the mode in which serpy's automatic choice would send it: a server
// that passes messages on as they are does not choose.
func inMode(m parley.Message, p serpy.Protocol) (parley.Message, error) {
	ack := p.Mode & 1
	switch m.Type() {
	case parley.TypeBytes:
		return serpy.WithMode(m, 2|ack), nil
	case parley.TypeObject:
		b, err := pickle.Append(nil, m.Object(), 4)
		return serpy.WithMode(parley.Bytes(b), 4|ack), err
	}
	return serpy.WithMode(m, p.Mode&1), nil
}
