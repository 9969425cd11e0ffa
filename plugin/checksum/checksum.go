// Package checksum is a plugin that protects messages against accidental
// change: it appends a CRC-32C to each and verifies it at the other end.
//
// It finds damage that TCP's own checksum lets through, and two peers that do
// not use the same plugins. It does not stop anybody who changes a message on
// purpose; package seal does.
package checksum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/parley-net/parley/wire"
)

// ErrMismatch: a message does not have the checksum that came with it, or is
// too short to have one.
var ErrMismatch = errors.New("the message was changed on its way, or the peer does not use this plugin")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Plugin appends a CRC-32C, 4 bytes big-endian, to each message. The zero
// value is ready for use.
type Plugin struct{}

// Name returns "checksum".
func (Plugin) Name() string { return "checksum" }

// New returns the transform for one connection.
//
// Its Receive returns ErrMismatch for a message that was changed, and
// [wire.ErrTooLarge] for one of more than maxMessage bytes.
func (Plugin) New(_ wire.Role, maxMessage int64) wire.Transform { return transform{maxMessage} }

type transform struct{ maxMessage int64 }

func (transform) Send(dst, p []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(append(dst, p...), crc32.Checksum(p, castagnoli)), nil
}

func (t transform) Receive(dst, p []byte) ([]byte, error) {
	n := len(p) - crc32.Size
	if n < 0 || binary.BigEndian.Uint32(p[n:]) != crc32.Checksum(p[:n], castagnoli) {
		return dst, ErrMismatch
	}
	if int64(n) > t.maxMessage {
		return dst, fmt.Errorf("a message of %d bytes, at most %d are taken: %w", n, t.maxMessage, wire.ErrTooLarge)
	}
	return append(dst, p[:n]...), nil
}
