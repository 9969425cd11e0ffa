package serpy2

import (
	"fmt"
	"math"

	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/wire"
)

// copyLimit is the payload in bytes from which a payload is not copied behind
// its header but written from where it is.
const copyLimit = 16 << 10

func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	var sent wire.Sent
	if m.left {
		return dst, sent, wire.ErrLeft
	}
	var number [32]byte
	t, payload := msg.Type(), msg.Bytes()
	kind := byte(0)
	switch t {
	case wire.TypeBytes:
		kind = kindBytes
	case wire.TypeText:
		kind = kindStr
	case wire.TypeInt:
		i, ok := msg.Int64()
		if !ok {
			return dst, sent, fmt.Errorf("%w: a serpy2 int has 64 bits; send a larger one as text", wire.ErrNotRepresentable)
		}
		kind, payload = kindInt, encodeInt(number[:0], i)
	case wire.TypeFloat:
		kind, payload = kindFloat, appendFloat(number[:0], msg.Float())
	default:
		return dst, sent, fmt.Errorf("%w: serpy2 has bytes, text, int and float, not %v", wire.ErrNotRepresentable, t)
	}
	if uint64(len(payload)) > math.MaxUint32 {
		return dst, sent, fmt.Errorf("%w: a serpy2 block carries at most %d bytes, not %d; split it", wire.ErrTooLarge, uint32(math.MaxUint32), len(payload))
	}
	if kind == kindStr && !ascii.UTF8(payload) {
		return dst, sent, fmt.Errorf("%w: a serpy2 str is UTF-8; send other bytes as bytes", wire.ErrNotRepresentable)
	}
	dst = header{kind, sum(payload), uint32(len(payload))}.append(dst)
	if sent = bodyOf(msg); sent.Body == wire.BodyNone {
		dst = append(dst, payload...)
	}
	return dst, sent, nil
}

// Repeat implements wire.Repeater: a block is the same on every connection.
func (m *machine) Repeat(dst, form []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if m.left {
		return dst, wire.Sent{}, wire.ErrLeft
	}
	return append(dst, form...), bodyOf(msg), nil
}

// bodyOf says whether msg's payload follows its header from where it is.
func bodyOf(msg wire.Message) (sent wire.Sent) {
	if msg.Len() >= copyLimit {
		sent.Body = wire.BodyFollows
	}
	return sent
}

func (m *machine) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, fmt.Errorf("%w: the head of a serpy2 block holds the checksum of its payload; send the message whole", wire.ErrNotRepresentable)
}
