package ascii

import (
	"bytes"
	"testing"
)

// Verifies: ONELINE-02, ONELINE-03
func TestEveryHighByteIsFound(t *testing.T) {
	room := bytes.Repeat([]byte{0xFF}, 700) // what lies around a text counts for nothing
	for size := range 600 {
		at := size % 33
		text := room[at : at+size]
		for i := range text {
			text[i] = 0x7F
		}
		if !Is(text) {
			t.Errorf("%d bytes 7F are not ASCII", size)
		}
		for i := range text {
			for _, c := range []byte{0x80, 0xFF} {
				text[i] = c
				if Is(text) {
					t.Errorf("byte %X at %d of %d was not found", c, i, size)
				}
			}
			text[i] = 0x7F
		}
		for i := range text {
			text[i] = 0xFF
		}
	}
}
