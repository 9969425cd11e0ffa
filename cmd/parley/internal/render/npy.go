package render

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// NPY returns the pixels of a message as a file that numpy.load reads: an array
// of shape (height, width), of RGB (height, width, 3).
func NPY(pixels []byte, t Type, width, height int) ([]byte, error) {
	descr := map[Type]string{Float32: "<f4", Float64: "<f8", Uint16: "<u2", Int16: "<i2", Uint8: "|u1", RGB: "|u1"}[t]
	if descr == "" {
		return nil, fmt.Errorf("there is no pixel type %q", t)
	}
	shape := []int{height, width}
	if t == RGB {
		shape = append(shape, 3)
	}
	return append(npyHeader(descr, shape...), pixels...), nil
}

// NPYFloats writes rows of equal length as an array of float64.
func NPYFloats(w io.Writer, rows [][]float64) error {
	b := npyHeader("<f8", len(rows), len(rows[0]))
	for _, row := range rows {
		for _, f := range row {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

// npyHeader returns what stands in front of the values.
func npyHeader(descr string, shape ...int) []byte {
	const magic = "\x93NUMPY\x01\x00"
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(shape)), ", "), "[]"))
	// Spaces and a line feed fill it, so that the pixels are aligned.
	before := len(magic) + 2
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n"
	b := append([]byte(magic), 0, 0)
	binary.LittleEndian.PutUint16(b[len(magic):], uint16(len(header)))
	return append(b, header...)
}
