package checksum_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/plugin/checksum"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func newPair(maxMessage int64) (a, b wire.Transform) {
	var p wire.Plugin = checksum.Plugin{}
	return p.New(wire.Dialing, maxMessage), p.New(wire.Accepting, maxMessage)
}

// The checksums are those of RFC 3720, appendix B.4, and of "123456789".
//
// Verifies: PLUGIN-06
func TestBytes(t *testing.T) {
	ascending := make([]byte, 32)
	for i := range ascending {
		ascending[i] = byte(i)
	}
	a, b := newPair(100)
	for _, c := range []struct {
		message []byte
		sum     string
	}{
		{nil, "00000000"},
		{[]byte("123456789"), "e3069283"},
		{make([]byte, 32), "8a9136aa"},
		{bytes.Repeat([]byte{0xFF}, 32), "62a8ab43"},
		{ascending, "46dd794e"},
	} {
		out, err := a.Send([]byte("before"), c.message)
		if want := "before" + string(c.message); err != nil || string(out[:len(out)-crc32.Size]) != want || hex.EncodeToString(out[len(want):]) != c.sum {
			t.Errorf("Send(% x) = % x, %v, want the checksum %s", c.message, out, err, c.sum)
		}
		if back, err := b.Receive([]byte("x"), out[len("before"):]); string(back) != "x"+string(c.message) || err != nil {
			t.Errorf("Receive = %q, %v, want %q", back, err, c.message)
		}
	}
}

// Verifies: PLUGIN-06
func TestChange(t *testing.T) {
	a, b := newPair(1000)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		message := make([]byte, rng.IntN(100))
		for i := range message {
			message[i] = byte(rng.Uint32())
		}
		out, err := a.Send(nil, message)
		if err != nil {
			t.Fatal(err)
		}
		out[rng.IntN(len(out))] ^= 1 << rng.IntN(8)
		if back, err := b.Receive([]byte("x"), out); !errors.Is(err, checksum.ErrMismatch) || string(back) != "x" {
			t.Fatalf("a flipped bit: %q, %v, want ErrMismatch", back, err)
		}
	}
	for n := range crc32.Size {
		if _, err := b.Receive(nil, make([]byte, n)); !errors.Is(err, checksum.ErrMismatch) {
			t.Errorf("%d bytes: %v, want ErrMismatch", n, err)
		}
	}
}

func TestLimit(t *testing.T) {
	a, b := newPair(5)
	for message, want := range map[string]error{"12345": nil, "123456": wire.ErrTooLarge} {
		out, _ := a.Send(nil, []byte(message))
		if _, err := b.Receive(nil, out); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", len(message), err, want)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("123456789\xe3\x06\x92\x83"))
	f.Add([]byte("abc"))
	f.Fuzz(func(t *testing.T, p []byte) {
		a, b := newPair(1 << 20)
		message, err := b.Receive(nil, p)
		if err != nil {
			return
		}
		if again, _ := a.Send(nil, message); !bytes.Equal(again, p) {
			t.Errorf("% x is accepted, but % x is sent", p, again)
		}
	})
}

// Verifies: WIRE-08
func TestConformance(t *testing.T) {
	wiretest.PluginConformance(t, func() wire.Plugin { return checksum.Plugin{} })
}

func TestAllocations(t *testing.T) {
	a, b := newPair(1 << 20)
	message, out, back := make([]byte, 1000), make([]byte, 0, 2000), make([]byte, 0, 2000)
	if n := testing.AllocsPerRun(100, func() {
		sent, _ := a.Send(out, message)
		b.Receive(back, sent)
	}); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func BenchmarkSend64K(b *testing.B) {
	s, _ := newPair(1 << 20)
	message, out := make([]byte, 64<<10), make([]byte, 0, 65<<10)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		s.Send(out, message)
	}
}
