package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// form is the first byte of everything that a room publishes. A node that meets
// another form is of another version, and says so.
const form = 1

// envelope is a message as it travels: where it comes from, and what it is.
type envelope struct {
	incarnation uint64 // of the node's process
	seq         uint64 // of its messages in this room, from 1
	at          time.Time
	node        string // its name
	conn        string // its connection, "" if there is none
	proto       string // the protocol on which it came, "" if there is none
	m           parley.Message
}

// headMax bounds what an envelope adds to a message's bytes.
const headMax = 1 + 8 + 8 + 8 + 3*(1+255) + 1 + 4

// append appends the envelope's form.
func (e *envelope) append(dst []byte) ([]byte, error) {
	dst = append(dst, form)
	dst = binary.BigEndian.AppendUint64(dst, e.incarnation)
	dst = binary.BigEndian.AppendUint64(dst, e.seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.at.UnixNano()))
	for _, s := range []string{e.node, e.conn, e.proto} {
		s = s[:min(len(s), 255)]
		dst = append(append(dst, byte(len(s))), s...)
	}
	dst = append(dst, byte(e.m.Type()))
	dst = binary.BigEndian.AppendUint32(dst, e.m.Tag())
	switch e.m.Type() {
	case parley.TypeBytes, parley.TypeText:
		return append(dst, e.m.Bytes()...), nil
	case parley.TypeInt:
		return e.m.AppendText(dst), nil
	case parley.TypeFloat:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(e.m.Float())), nil
	}
	return pickle.Append(dst, e.m.Object(), 4)
}

var errForm = errors.New("not a room's message of a version that is known here")

// parse reads an envelope. The message refers to p.
func parse(p []byte) (e envelope, err error) {
	bad := func(what string) (envelope, error) { return envelope{}, fmt.Errorf("%w: %s", errForm, what) }
	if len(p) < 25 || p[0] != form {
		return bad("its first bytes")
	}
	e.incarnation = binary.BigEndian.Uint64(p[1:])
	e.seq = binary.BigEndian.Uint64(p[9:])
	e.at = time.Unix(0, int64(binary.BigEndian.Uint64(p[17:])))
	p = p[25:]
	for _, s := range []*string{&e.node, &e.conn, &e.proto} {
		if len(p) == 0 || len(p) < 1+int(p[0]) {
			return bad("a name that is cut off")
		}
		*s, p = string(p[1:1+p[0]]), p[1+p[0]:]
	}
	if len(p) < 5 {
		return bad("its type is missing")
	}
	t, tag, p := parley.Type(p[0]), binary.BigEndian.Uint32(p[1:]), p[5:]
	switch t {
	case parley.TypeBytes:
		e.m = parley.Bytes(p)
	case parley.TypeText:
		e.m = wire.TextBytes(p)
	case parley.TypeInt:
		if len(p) > maxDigits {
			return bad("an integer of too many digits")
		}
		i, ok := new(big.Int).SetString(string(p), 10)
		if !ok {
			return bad("its integer")
		}
		e.m = parley.BigInt(i)
	case parley.TypeFloat:
		if len(p) != 8 {
			return bad("its float")
		}
		e.m = parley.Float(math.Float64frombits(binary.BigEndian.Uint64(p)))
	case parley.TypeObject:
		v, err := pickle.Decode(p, pickle.Limits{})
		if err != nil {
			return bad(err.Error())
		}
		e.m = parley.Object(v)
	default:
		return bad(fmt.Sprintf("type %d", t))
	}
	e.m = e.m.WithTag(tag)
	return e, nil
}

// maxDigits bounds an integer that is read, as reading takes quadratic time.
const maxDigits = 10_000
