package seal

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/wire"
)

// element is one of GF(2^128) as GCM writes them.
type element [16]byte

func (a element) add(b element) element {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

func (a element) mul(b element) (z element) {
	for i := range 128 {
		if a[i/8]>>(7-i%8)&1 == 1 {
			z = z.add(b)
		}
		odd := b[15]&1 == 1
		for j := 15; j > 0; j-- {
			b[j] = b[j]>>1 | b[j-1]<<7
		}
		if b[0] >>= 1; odd {
			b[0] ^= 0xE1
		}
	}
	return z
}

// inverse is a to the power of 2^128-2.
func (a element) inverse() element {
	z := element{0x80} // one
	for range 127 {
		a = a.mul(a)
		z = z.mul(a)
	}
	return z
}

// collision returns a block and its tag that open under two AES keys with the
// first nonce: GCM allows it for any number of keys.
func collision(t *testing.T, keys [2][]byte) []byte {
	var h, mask [2]element // of GHASH, and what the tag is covered with
	for i, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		block.Encrypt(h[i][:], make([]byte, 16))
		block.Encrypt(mask[i][:], []byte{15: 1})
	}
	length := element{15: 128} // bits of the text; there is no additional data
	// mask + c·h² + length·h is the tag for both.
	square := [2]element{h[0].mul(h[0]), h[1].mul(h[1])}
	c := mask[0].add(mask[1]).add(length.mul(h[0].add(h[1]))).mul(square[0].add(square[1]).inverse())
	tag := mask[0].add(c.mul(square[0])).add(length.mul(h[0]))
	return append(c[:], tag[:]...)
}

// A message that two keys open would let an attacker try two passphrases, or a
// thousand, with one connection. It is made here, and refused by all but the one
// that it commits to.
//
// Verifies: PLUGIN-05
func TestOneMessageForTwoKeys(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	head := [headerSize]byte{0: unbound, 1: 42}
	binary.BigEndian.PutUint64(head[1+saltSize:], uint64(now.UnixNano()))
	var plugins [2]*Plugin
	var keys, commitments [2][]byte
	for i := range plugins {
		p, err := New(bytes.Repeat([]byte{byte(i)}, keySize))
		if err != nil {
			t.Fatal(err)
		}
		p.Now = func() time.Time { return now }
		plugins[i] = p
		material, err := p.material(wire.Dialing, head, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys[i], commitments[i] = material[:keySize], material[keySize:]
	}
	both := collision(t, keys)
	for i, p := range plugins {
		aead, _, err := p.derive(wire.Dialing, head, nil)
		if err != nil {
			t.Fatal(err)
		}
		var d direction
		if _, err := aead.Open(nil, d.nonce[:], both, nil); err != nil {
			t.Fatalf("the message is not one that key %d opens: %v", i, err)
		}
	}
	for i, commitment := range [][]byte{commitments[0], commitments[1], make([]byte, commitmentSize)} {
		m := append(append(head[:], commitment...), both...)
		for j, p := range plugins {
			_, err := p.New(wire.Accepting, 100).Receive(nil, m)
			if wanted := i == j; wanted != (err == nil) || err != nil && !errors.Is(err, ErrForged) {
				t.Errorf("committed to key %d, opened with key %d: %v", i, j, err)
			}
		}
	}
}
