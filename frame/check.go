package frame

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// Check is the checksum at the end of a frame. Those of several bytes stand
// with the most significant byte first, unless their name ends in LE;
// CRC16Modbus stands with the least significant byte first, as in Modbus.
type Check uint8

const (
	NoCheck Check = iota
	Sum8          // the sum of the bytes modulo 256
	Xor8          // the exclusive or of the bytes
	CRC16Modbus
	CRC16CCITTFalse // also called CRC-16/IBM-3740: 1021, begins with FFFF
	CRC16XMODEM     // 1021, begins with 0000
	CRC32           // of Ethernet and zip: CRC-32/ISO-HDLC
	CRC32C          // Castagnoli's: CRC-32/ISCSI
	CRC16ModbusBE   // CRC16Modbus with the most significant byte first
	CRC16CCITTFalseLE
	CRC16XMODEMLE
	CRC32LE
	CRC32CLE
)

var checkNames = [...]string{"", "sum8", "xor8", "crc16-modbus", "crc16-ccitt-false", "crc16-xmodem", "crc32", "crc32c",
	"crc16-modbus-be", "crc16-ccitt-false-le", "crc16-xmodem-le", "crc32-le", "crc32c-le"}

// String returns the check's name as it stands in a URL.
func (c Check) String() string { return nameOf(checkNames[:], c) }

// UnmarshalText reads the name of a check, such as "crc16-modbus" or
// "crc32-le". A -le behind the name of one whose bytes stand so anyway is
// allowed.
func (c *Check) UnmarshalText(text []byte) error {
	err := parse(checkNames[:], c, string(text), "check")
	if name, ok := strings.CutSuffix(string(text), "-le"); ok && err != nil {
		var plain Check
		if parse(checkNames[:], &plain, name, "check") == nil && plain <= CRC16Modbus {
			*c, err = plain, nil
		}
	}
	return err
}

// bytes returns the length of the trailer.
func (c Check) bytes() int {
	switch c {
	case NoCheck:
		return 0
	case Sum8, Xor8:
		return 1
	case CRC32, CRC32C, CRC32LE, CRC32CLE:
		return 4
	}
	return 2
}

// littleEndian reports whether the least significant byte comes first.
func (c Check) littleEndian() bool { return c == CRC16Modbus || c >= CRC16CCITTFalseLE }

// start returns the checksum of nothing.
func (c Check) start() uint32 {
	switch c {
	case CRC16Modbus, CRC16ModbusBE, CRC16CCITTFalse, CRC16CCITTFalseLE:
		return 0xFFFF
	}
	return 0
}

// add returns the checksum of what sum is of, and p behind it.
func (c Check) add(sum uint32, p []byte) uint32 {
	switch c {
	case Sum8:
		return uint32(addBytes(byte(sum), p))
	case Xor8:
		return uint32(xorBytes(byte(sum), p))
	case CRC16Modbus, CRC16ModbusBE:
		return uint32(addReflected(uint16(sum), p))
	case CRC16CCITTFalse, CRC16CCITTFalseLE, CRC16XMODEM, CRC16XMODEMLE:
		return uint32(addPlain(uint16(sum), p))
	case CRC32, CRC32LE:
		return crc32.Update(sum, crc32.IEEETable, p)
	case CRC32C, CRC32CLE:
		return crc32.Update(sum, castagnoli, p)
	}
	return 0
}

// append appends the trailer that holds sum.
func (c Check) append(dst []byte, sum uint32) []byte {
	var b [4]byte
	n := c.bytes()
	if c.littleEndian() {
		binary.LittleEndian.PutUint32(b[:], sum)
		return append(dst, b[:n]...)
	}
	binary.BigEndian.PutUint32(b[:], sum)
	return append(dst, b[4-n:]...)
}

// read returns the checksum in a trailer.
func (c Check) read(trailer []byte) (sum uint32) {
	for i, b := range trailer {
		if c.littleEndian() {
			sum |= uint32(b) << (8 * i)
		} else {
			sum = sum<<8 | uint32(b)
		}
	}
	return sum
}

// addBytes adds the bytes of p, modulo 256, in eight lanes at a time: the
// highest bit of each lane is kept out of the addition, so that nothing is
// carried into the next.
func addBytes(sum byte, p []byte) byte {
	const high = 0x8080808080808080
	var lanes uint64
	for ; len(p) >= 8; p = p[8:] {
		x := binary.LittleEndian.Uint64(p)
		lanes = (lanes&^high + x&^high) ^ (lanes^x)&high
	}
	for ; lanes != 0; lanes >>= 8 {
		sum += byte(lanes)
	}
	for _, b := range p {
		sum += b
	}
	return sum
}

func xorBytes(sum byte, p []byte) byte {
	var lanes uint64
	for ; len(p) >= 8; p = p[8:] {
		lanes ^= binary.LittleEndian.Uint64(p)
	}
	for ; lanes != 0; lanes >>= 8 {
		sum ^= byte(lanes)
	}
	for _, b := range p {
		sum ^= b
	}
	return sum
}

// The tables of the checksums of 16 bits take eight bytes at a time: table k is
// for the byte that k others follow.
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	reflected  = makeReflected(0xA001) // 8005 with its bits the other way round
	plain      = makePlain(0x1021)
)

func makeReflected(poly uint16) (t [8][256]uint16) {
	for i := range t[0] {
		crc := uint16(i)
		for range 8 {
			crc = crc>>1 ^ poly*(crc&1)
		}
		t[0][i] = crc
	}
	for k := 1; k < len(t); k++ {
		for i := range t[k] {
			crc := t[k-1][i]
			t[k][i] = crc>>8 ^ t[0][byte(crc)]
		}
	}
	return t
}

func makePlain(poly uint16) (t [8][256]uint16) {
	for i := range t[0] {
		crc := uint16(i) << 8
		for range 8 {
			crc = crc<<1 ^ poly*(crc>>15)
		}
		t[0][i] = crc
	}
	for k := 1; k < len(t); k++ {
		for i := range t[k] {
			crc := t[k-1][i]
			t[k][i] = crc<<8 ^ t[0][crc>>8]
		}
	}
	return t
}

func addReflected(crc uint16, p []byte) uint16 {
	t := &reflected
	for ; len(p) >= 8; p = p[8:] {
		crc ^= uint16(p[0]) | uint16(p[1])<<8
		crc = t[7][byte(crc)] ^ t[6][crc>>8] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]]
	}
	for _, b := range p {
		crc = crc>>8 ^ t[0][byte(crc)^b]
	}
	return crc
}

func addPlain(crc uint16, p []byte) uint16 {
	t := &plain
	for ; len(p) >= 8; p = p[8:] {
		crc ^= uint16(p[0])<<8 | uint16(p[1])
		crc = t[7][crc>>8] ^ t[6][byte(crc)] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]]
	}
	for _, b := range p {
		crc = crc<<8 ^ t[0][byte(crc>>8)^b]
	}
	return crc
}
