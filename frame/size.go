package frame

import (
	"encoding/binary"
	"math"
)

// read reads the size of n bytes that p begins with. Its fault is none, more,
// beyond or endless.
func (s Size) read(p []byte) (v uint64, n int, f fault) {
	if s == Varint {
		return readVarint(p)
	}
	n = s.bytes()
	if len(p) < n {
		return 0, 0, more
	}
	switch s {
	case U8:
		v = uint64(p[0])
	case U16BE:
		v = uint64(binary.BigEndian.Uint16(p))
	case U16LE:
		v = uint64(binary.LittleEndian.Uint16(p))
	case U32BE:
		v = uint64(binary.BigEndian.Uint32(p))
	case U32LE:
		v = uint64(binary.LittleEndian.Uint32(p))
	case U64BE:
		v = binary.BigEndian.Uint64(p)
	case U64LE:
		v = binary.LittleEndian.Uint64(p)
	}
	return v, n, inRange(v)
}

func readVarint(p []byte) (v uint64, n int, f fault) {
	for i, b := range p[:min(len(p), maxVarint)] {
		if i == maxVarint-1 && b > 1 {
			return 0, 0, endless
		}
		v |= uint64(b&0x7F) << (7 * i)
		if b < 0x80 {
			return v, i + 1, inRange(v)
		}
	}
	return 0, 0, more
}

// inRange refuses sizes with which a sum of lengths would not be safe.
func inRange(v uint64) fault {
	if v > math.MaxInt64/2 {
		return beyond
	}
	return none
}

// append appends value, which the form can hold.
func (s Size) append(dst []byte, value int64) []byte {
	switch s {
	case U8:
		return append(dst, byte(value))
	case U16BE:
		return binary.BigEndian.AppendUint16(dst, uint16(value))
	case U16LE:
		return binary.LittleEndian.AppendUint16(dst, uint16(value))
	case U32BE:
		return binary.BigEndian.AppendUint32(dst, uint32(value))
	case U32LE:
		return binary.LittleEndian.AppendUint32(dst, uint32(value))
	case U64BE:
		return binary.BigEndian.AppendUint64(dst, uint64(value))
	case U64LE:
		return binary.LittleEndian.AppendUint64(dst, uint64(value))
	case Varint:
		return binary.AppendUvarint(dst, uint64(value))
	}
	return dst
}
