package ascii

import (
	"bytes"
	"testing"
)

// Verifies: ONELINE-02, ONELINE-03
func TestEveryHighByteIsFound(t *testing.T) {
	for size := range 140 {
		line := bytes.Repeat([]byte{0x7F}, size)
		if !Is(line) {
			t.Errorf("%d bytes 7F are not ASCII", size)
		}
		for i := range line {
			for _, c := range []byte{0x80, 0xFF} {
				line[i] = c
				if Is(line) {
					t.Errorf("byte %X at %d of %d was not found", c, i, size)
				}
			}
			line[i] = 0x7F
		}
	}
}
