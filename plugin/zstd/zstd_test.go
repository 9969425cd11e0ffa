package zstd_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	kzstd "github.com/klauspost/compress/zstd"

	"github.com/parley-net/parley/plugin/zstd"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func connect(maxMessage int64) (a, b wire.Transform) {
	p, q := new(zstd.Plugin), new(zstd.Plugin)
	return p.New(wire.Dialing, maxMessage), q.New(wire.Accepting, maxMessage)
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// frame is p as our plugin or another one-shot compressor makes it, behind our
// tag.
func frame(t testing.TB, p []byte, options ...kzstd.EOption) []byte {
	t.Helper()
	enc, err := kzstd.NewWriter(nil, append(options, kzstd.WithSingleSegment(true))...)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(p, []byte{1})
}

// streamed is p in a frame that does not tell its size.
func streamed(t testing.TB, p []byte) []byte {
	t.Helper()
	b := bytes.NewBuffer([]byte{1})
	enc, err := kzstd.NewWriter(b)
	if err != nil {
		t.Fatal(err)
	}
	// Flushed in the middle, so that the compressor can't know the size.
	enc.Write(p[:len(p)/2])
	enc.Flush()
	enc.Write(p[len(p)/2:])
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Verifies: WIRE-08
func TestConformance(t *testing.T) {
	wiretest.PluginConformance(t, func() wire.Plugin { return new(zstd.Plugin) }, frame(t, noise(100)))
}

// Verifies: PLUGIN-04
func TestRoundTrip(t *testing.T) {
	const most = 9 << 20
	a, b := connect(most)
	lengths := []int{100, 900, 1023, 1024, 1025, 2000, 5000, 128 << 10, 128<<10 + 1, 1 << 20, most}
	for n := range 64 { // where compression begins to pay
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for name, m := range map[string][]byte{"noise": noise(min(n, 1<<20)), "zeros": make([]byte, n), "text": []byte(strings.Repeat("All work and no play. ", n/22+1)[:n])} {
			n := len(m)
			out, err := a.Send([]byte("before"), m)
			if err != nil || string(out[:6]) != "before" {
				t.Fatalf("%s %d: Send: %.9q, %v", name, n, out, err)
			}
			out = out[6:]
			switch {
			case len(out) > n+1:
				t.Errorf("%s: %d bytes became %d", name, n, len(out))
			case out[0] == 1 && len(out) > n:
				t.Errorf("%s: %d bytes are %d when compressed, stored would be no larger", name, n, len(out))
			case name != "noise" && n > 100 && len(out) > n/2:
				t.Errorf("%s: %d bytes are %d when compressed", name, n, len(out))
			case name == "noise" && (out[0] != 0 || len(out) != n+1):
				t.Errorf("noise: %d bytes became %d with tag %d", n, len(out), out[0])
			}
			in := bytes.Clone(out)
			for _, dst := range [][]byte{nil, []byte("before"), append(make([]byte, 0, n+100), "before"...)} {
				back, err := b.Receive(dst, in)
				if err != nil || !bytes.HasPrefix(back, dst) || !bytes.Equal(back[len(dst):], m) {
					t.Errorf("%s %d: it comes back as %d bytes, %v", name, n, len(back)-len(dst), err)
				}
			}
			if !bytes.Equal(in, out) {
				t.Errorf("%s %d: Receive changed its input", name, n)
			}
		}
	}
}

// A message that fits the limit is received whatever the limit is, also below
// the smallest windows of Zstandard; one byte more is too large.
//
// Verifies: PLUGIN-04
func TestLimit(t *testing.T) {
	for _, limit := range []int{0, 1, 50, 900, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 200_000} {
		a, b := connect(int64(limit))
		for _, m := range [][]byte{make([]byte, limit), noise(limit), noise(limit + 1), make([]byte, limit+1), make([]byte, 10*limit+9000)} {
			sent, err := a.Send(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range [][]byte{sent, frame(t, m), frame(t, m, kzstd.WithEncoderLevel(kzstd.SpeedFastest), kzstd.WithEncoderCRC(false))} {
				back, err := b.Receive([]byte("x"), p)
				if len(m) <= limit && (err != nil || !bytes.Equal(back[1:], m)) {
					t.Errorf("limit %d: %d bytes came back as %d, %v", limit, len(m), len(back)-1, err)
				}
				if len(m) > limit && (!errors.Is(err, wire.ErrTooLarge) || string(back) != "x") {
					t.Errorf("limit %d: %d bytes came back as %d, %v, want ErrTooLarge", limit, len(m), len(back)-1, err)
				}
			}
		}
	}
}

// A small message that stands for a huge one is stopped at the limit, and the
// memory it costs is bounded by the limit, not by what it announces.
//
// Verifies: PLUGIN-04
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, 16<<20)
	whole := frame(t, zeros)
	parts := whole[:1:1]
	for range 20 { // many frames, each within the limit
		parts = append(parts, frame(t, zeros[:limit])[1:]...)
	}
	lie := bytes.Clone(whole)
	copy(lie[6:], []byte{0, 0, 1, 0}) // 64 KiB; the size is in 4 bytes
	for _, c := range []struct {
		name string
		bomb []byte
		want error
	}{
		{"announced", whole, wire.ErrTooLarge},
		{"announced and not there", append([]byte{1}, "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x00\x00"...), wire.ErrTooLarge},
		{"more than announced", lie, zstd.ErrCorrupt},
		{"not announced", streamed(t, zeros), zstd.ErrCorrupt},
		{"many frames", parts, zstd.ErrCorrupt},
		{"two small frames", append(frame(t, zeros[:9000]), frame(t, zeros[:9000])[1:]...), zstd.ErrCorrupt},
		{"large window", append([]byte{1}, "\x28\xb5\x2f\xfd\x80\xff\x10\x00\x00\x00\x01\x00\x00"...), zstd.ErrCorrupt},
	} {
		name, bomb := c.name, c.bomb
		_, b := connect(limit)
		b.Receive(nil, frame(t, zeros[:9000])) // the decoder exists
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		back, err := b.Receive([]byte("x"), bomb)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.want) || string(back) != "x" {
			t.Errorf("%s: %d bytes became %d, %v, want %v", name, len(bomb), len(back)-1, err, c.want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 3*limit {
			t.Errorf("%s: %d bytes were allocated for a limit of %d", name, got, limit)
		}
		// The connection lives.
		if back, err := b.Receive(nil, []byte("\x00next")); string(back) != "next" || err != nil {
			t.Errorf("%s: the next message is %q, %v", name, back, err)
		}
	}
}

func TestCorrupt(t *testing.T) {
	_, b := connect(1000)
	good := frame(t, []byte(strings.Repeat("corruptible ", 20)))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1 // the checksum
	for _, p := range [][]byte{{}, {2}, {0xFF, 1, 2, 3}, []byte("plain text"), {1, 2, 3}, good[:len(good)-1], append(bytes.Clone(good), 'x'), flipped} {
		if back, err := b.Receive([]byte("x"), p); !errors.Is(err, zstd.ErrCorrupt) || string(back) != "x" {
			t.Errorf("% x is received as %q, %v, want ErrCorrupt", p, back, err)
		}
	}
	if _, err := b.Receive(nil, streamed(t, make([]byte, 100))); !errors.Is(err, zstd.ErrCorrupt) || !strings.Contains(err.Error(), "does not tell its size") {
		t.Errorf("a frame without its size: %v, want ErrCorrupt", err)
	}
	if back, err := b.Receive(nil, good); err != nil || len(back) != 240 {
		t.Errorf("behind the corrupt ones: %d bytes, %v", len(back), err)
	}
}

// Connections share a Plugin, also with different limits.
func TestShared(t *testing.T) {
	var p zstd.Plugin
	m := bytes.Repeat([]byte("x"), 50_000)
	for _, limit := range []int64{20_000, 50_000, 20_000} {
		back, err := p.New(wire.Dialing, limit).Receive(nil, frame(t, m[:limit]))
		if err != nil || !bytes.Equal(back, m[:limit]) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(back), err)
		}
	}
}

func TestConcurrency(t *testing.T) {
	var p zstd.Plugin
	var all sync.WaitGroup
	for i := range 8 {
		tr := p.New(wire.Dialing, int64(5000+i%2))
		all.Go(func() {
			for n := range 100 {
				m := []byte(strings.Repeat(fmt.Sprint(i, n, " "), 2000)[:5000+n%2])
				out, err := tr.Send(nil, m)
				if err != nil {
					t.Error(err)
				}
				back, err := tr.Receive(nil, out)
				switch tooLarge := len(m) > 5000+i%2; {
				case tooLarge && !errors.Is(err, wire.ErrTooLarge), !tooLarge && (err != nil || !bytes.Equal(back, m)):
					t.Errorf("limit %d: %d bytes came back as %d, %v", 5000+i%2, len(m), len(back), err)
				}
			}
		})
	}
	all.Wait()
}

// Verifies: PLUGIN-04
func FuzzReceive(f *testing.F) {
	const limit = 5000
	f.Add(frame(f, []byte("hello hello hello hello hello hello hello")))
	f.Add(frame(f, make([]byte, limit+1)))
	f.Add(streamed(f, make([]byte, limit)))
	f.Add([]byte("\x00stored"))
	f.Add([]byte{})
	p := new(zstd.Plugin)
	f.Fuzz(func(t *testing.T, in []byte) {
		tr := p.New(wire.Accepting, limit)
		m, err := tr.Receive([]byte("x"), in)
		switch {
		case err != nil:
			if string(m) != "x" || !errors.Is(err, zstd.ErrCorrupt) && !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("%q, %v", m, err)
			}
		case len(m)-1 > limit:
			t.Errorf("%d bytes, at most %d are taken", len(m)-1, limit)
		default:
			out, err := tr.Send(nil, m[1:])
			if err != nil {
				t.Fatal(err)
			}
			if back, err := tr.Receive(nil, out); err != nil || !bytes.Equal(back, m[1:]) {
				t.Errorf("%d bytes came back as %d, %v", len(m)-1, len(back), err)
			}
		}
	})
}

func BenchmarkSend(b *testing.B) {
	benchmark(b, func(a, _ wire.Transform, m, _ []byte) func() {
		out := make([]byte, 0, 2*len(m)+1000)
		return func() { a.Send(out, m) }
	})
}

func BenchmarkReceive(b *testing.B) {
	benchmark(b, func(_, r wire.Transform, m, sent []byte) func() {
		out := make([]byte, 0, 2*len(m)+1000)
		return func() { r.Receive(out, sent) }
	})
}

func benchmark(b *testing.B, of func(a, r wire.Transform, m, sent []byte) func()) {
	for _, n := range []int{100, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a, r := connect(1 << 20)
			m := []byte(strings.Repeat("All work and no play makes Jack a dull boy. ", n/44+1)[:n])
			sent, err := a.Send(nil, m)
			if err != nil {
				b.Fatal(err)
			}
			do := of(a, r, m, sent)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
