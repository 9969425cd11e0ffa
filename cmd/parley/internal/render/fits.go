package render

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// fitsBlock is what a FITS file is made of.
const fitsBlock = 2880

// FITS returns the pixels of a message as a FITS file (the standard's version 4.0):
// an image whose array astropy reads as it was sent, of shape (height, width), of RGB
// (3, height, width).
func FITS(pixels []byte, t Type, width, height int) ([]byte, error) {
	bits := map[Type]int{Float32: -32, Float64: -64, Uint16: 16, Int16: 16, Uint8: 8, RGB: 8}[t]
	if bits == 0 {
		return nil, fmt.Errorf("there is no pixel type %q", t)
	}
	var b bytes.Buffer
	card := func(name string, value any, comment string) {
		fmt.Fprintf(&b, "%-80.80s", fmt.Sprintf("%-8s= %20v / %s", name, value, comment))
	}
	card("SIMPLE", "T", "a FITS file")
	card("BITPIX", bits, "bits of a value")
	axes := []int{width, height}
	if t == RGB {
		axes = append(axes, 3)
	}
	card("NAXIS", len(axes), "axes")
	for i, n := range axes {
		card(fmt.Sprintf("NAXIS%d", i+1), n, []string{"width", "height", "red, green, blue"}[i])
	}
	if t == Uint16 { // there are no unsigned ones of 16 bits
		card("BSCALE", 1, "value = BZERO + what is stored")
		card("BZERO", 32768, "")
	}
	fmt.Fprintf(&b, "%-80s", "END")
	fill(&b, ' ')
	b.Write(bigEndian(pixels, t))
	fill(&b, 0)
	return b.Bytes(), nil
}

// fill makes whole blocks.
func fill(b *bytes.Buffer, with byte) {
	for b.Len()%fitsBlock != 0 {
		b.WriteByte(with)
	}
}

// bigEndian are the values as FITS stores them.
func bigEndian(pixels []byte, t Type) []byte {
	out := bytes.Clone(pixels)
	switch t {
	case RGB: // one colour behind the other
		n := len(pixels) / 3
		for i, v := range pixels[:3*n] {
			out[i%3*n+i/3] = v
		}
	case Uint16:
		for i := 0; i+1 < len(out); i += 2 {
			binary.BigEndian.PutUint16(out[i:], binary.LittleEndian.Uint16(pixels[i:])^0x8000)
		}
	default:
		size := t.Size()
		for i := range out {
			out[i] = pixels[i-i%size+size-1-i%size]
		}
	}
	return out
}
