package render

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// NPY returns the pixels of a message as a file that numpy.load reads: an array
// of shape (height, width).
func NPY(pixels []byte, t Type, width, height int) ([]byte, error) {
	descr := map[Type]string{Float32: "<f4", Uint16: "<u2", Uint8: "|u1"}[t]
	if descr == "" {
		return nil, fmt.Errorf("there is no pixel type %q", t)
	}
	const magic = "\x93NUMPY\x01\x00"
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", descr, height, width)
	// Spaces and a line feed fill it, so that the pixels are aligned.
	before := len(magic) + 2
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n"
	b := append([]byte(magic), 0, 0)
	binary.LittleEndian.PutUint16(b[len(magic):], uint16(len(header)))
	return append(append(b, header...), pixels...), nil
}
