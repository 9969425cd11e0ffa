package serpy2

import (
	"fmt"
	"math"
	"unicode/utf8"

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
	if kind == kindStr && !utf8.Valid(payload) {
		return dst, sent, fmt.Errorf("%w: a serpy2 str is UTF-8; send other bytes as bytes", wire.ErrNotRepresentable)
	}
	dst = header{kind, sum(payload), uint32(len(payload))}.append(dst)
	if len(payload) >= copyLimit {
		sent.Body = wire.BodyFollows
		return dst, sent, nil
	}
	return append(dst, payload...), sent, nil
}

func (m *machine) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, fmt.Errorf("%w: the head of a serpy2 block holds the checksum of its payload; send the message whole", wire.ErrNotRepresentable)
}
