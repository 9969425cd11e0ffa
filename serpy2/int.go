package serpy2

import (
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/parley-net/parley/wire"
)

// encodeInt appends the payload of an int: 8 bytes, little-endian, two's
// complement.
func encodeInt(dst []byte, i int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(i))
}

// decodeInt reads an int of any length, little-endian, two's complement.
// No bytes are 0.
func decodeInt(p []byte) wire.Message {
	if len(p) <= 8 {
		var u uint64
		for i, b := range p {
			u |= uint64(b) << (8 * i)
		}
		unused := 64 - 8*len(p)
		return wire.Int(int64(u<<unused) >> unused)
	}
	be := slices.Clone(p)
	slices.Reverse(be)
	i := new(big.Int).SetBytes(be)
	if be[0] >= 0x80 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))))
	}
	return wire.BigInt(i)
}
