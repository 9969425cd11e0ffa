package seal

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/wire"
)

// A first byte we don't know is refused, even from somebody with the key.
func TestUnknownFirstByte(t *testing.T) {
	p, err := New(bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	p.Now = func() time.Time { return time.Unix(0, 0).Add(time.Minute) }
	for kind, want := range map[byte]error{0: ErrForged, 1: ErrForged, 2: ErrForged, unbound: nil, bound: ErrForged, 5: ErrForged, 0xFF: ErrForged} {
		head := [headerSize]byte{0: kind, headerSize - 5: 14} // 14·2³² ns are within the window
		aead, commitment, err := p.derive(wire.Dialing, head, nil)
		if err != nil {
			t.Fatal(err)
		}
		var d direction
		m := aead.Seal(append(head[:], commitment...), d.nonce[:], []byte("hello"), nil)
		if got, err := p.New(wire.Accepting, 100).Receive(nil, m); !errors.Is(err, want) {
			t.Errorf("first byte %d: %q, %v, want %v", kind, got, err, want)
		}
	}
}
