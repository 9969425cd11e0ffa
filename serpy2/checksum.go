package serpy2

import "encoding/binary"

// sumPlain returns the sum of the bytes of p modulo 2³², on any processor.
//
// Eight bytes are one word x. Its even bytes go into four lanes of 16 bits;
// the odd ones follow from the sum of x>>8, which holds them and, one byte
// further up, the even ones again:
//
//	even = Σ x&lanes        Σ x>>8 = odd + (even>>16)<<8
//
// 256 words fill the lanes (256·255 < 2¹⁶) and the 64 bits of Σ x>>8 exactly;
// then they are emptied into the total.
func sumPlain(p []byte) uint32 {
	const (
		lanes = 0x00FF00FF00FF00FF
		batch = 256 * 8
	)
	var total uint64
	for len(p) >= 32 {
		q := p[:min(len(p), batch)&^31]
		p = p[len(q):]
		var even, shifted uint64
		for ; len(q) >= 32; q = q[32:] {
			a := binary.LittleEndian.Uint64(q)
			b := binary.LittleEndian.Uint64(q[8:])
			c := binary.LittleEndian.Uint64(q[16:])
			d := binary.LittleEndian.Uint64(q[24:])
			even += a & lanes
			shifted += a >> 8
			even += b & lanes
			shifted += b >> 8
			even += c & lanes
			shifted += c >> 8
			even += d & lanes
			shifted += d >> 8
		}
		odd := shifted - even>>16<<8
		total += addLanes(even) + addLanes(odd)
	}
	var rest uint64 // three words at most, which leave room in the lanes
	for ; len(p) >= 8; p = p[8:] {
		x := binary.LittleEndian.Uint64(p)
		rest += x&lanes + x>>8&lanes
	}
	total += addLanes(rest)
	for _, b := range p {
		total += uint64(b)
	}
	return uint32(total)
}

// addLanes adds up the four lanes of 16 bits in x.
func addLanes(x uint64) uint64 {
	return x&0xFFFF + x>>16&0xFFFF + x>>32&0xFFFF + x>>48
}
