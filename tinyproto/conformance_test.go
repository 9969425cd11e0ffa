package tinyproto_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// large is the smallest payload that waits for its OK, and its header.
var (
	large       = bytes.Repeat([]byte("\xFF\x00a"), tinyproto.EagerLimit)[:tinyproto.EagerLimit+1]
	largeHeader = "\x00\x01\x00\x01"
)

// streams are valid, as long as the messages in Sends are sent at the hello.
var streams = []wiretest.Stream{
	{Name: "hello", Bytes: []byte("\xFF")},
	{Name: "messages", Messages: 3, Bytes: []byte("\xFF\x00\x00\x00\x00\x00\x00\x00\x01\xFF\x00\x00\x00\x05hello")},
	{Name: "large message", Messages: 2, Bytes: []byte("\xFF" + largeHeader + string(large) + "\x00\x00\x00\x01a")},
	{Name: "above the limit", Messages: 2, Limits: wire.Limits{MaxMessage: 3}, Bytes: []byte("\xFF\x00\x00\x00\x04abcd\x00\x00\x00\x03abc")},
	{Name: "confirmations", Messages: 1, Bytes: []byte("\xFF\xFF\xFF\x00\x00\x00\x02hi\xFF"),
		Sends: []wire.Message{wire.Text("a"), wire.Bytes(nil), wire.Text("c")}},
	{Name: "grant", Messages: 1, Bytes: []byte("\xFF\xFF\xFF\x00\x00\x00\x02hi\xFF"),
		Sends: []wire.Message{wire.Text("a"), wire.Bytes(large), wire.Text("c")}},
	{Name: "small collision", Messages: 2, Bytes: []byte("\xFF\x00\x00\x00\x01a\x00\x00\x00\x01b\xFF"),
		Sends: []wire.Message{wire.Text("a")}},
	{Name: "large collision", Messages: 1, Bytes: []byte("\xFF" + largeHeader + "\xFF" + string(large)),
		Sends: []wire.Message{wire.Bytes(large)}},
	{Name: "crossed", Messages: 3, Bytes: []byte("\xFF\x00\x00\x00\x01a" + largeHeader + "\xFF" + string(large) + "\x00\x00\x00\x00"),
		Sends: []wire.Message{wire.Text("small")}},
	{Name: "echo", Messages: 2, Bytes: []byte("\xFF\x00\x00\x00\x01a\xFF\x00\x00\x00\x01b\xFF"),
		Reply: func(d *wiretest.Driver, m wire.Message) { _ = d.Send(m) }},
	{Name: "largest announcement", Bytes: []byte("\xFF\xF0\xFF\xFF\xFFabc")},
}

// Verifies: TINYPROTO-04, TINYPROTO-05, TINYPROTO-12, TINYPROTO-17, RUNTIME-47, RUNTIME-48
func TestConformance(t *testing.T) {
	for _, p := range []tinyproto.Protocol{auto, never} {
		t.Run(fmt.Sprintf("Eager=%d", p.Eager), func(t *testing.T) {
			var all []wiretest.Stream
			for _, role := range roles {
				for _, s := range streams {
					s.Role = role
					all = append(all, s)
				}
			}
			wiretest.Conformance(t, p, all, nil)
		})
	}
}

// FuzzReceive feeds any stream to a machine that sends messages of its own;
// each byte of sends is one, and every option is tried.
func FuzzReceive(f *testing.F) {
	const (
		strict = 1 << iota
		limited
		dialing
	)
	for _, s := range streams {
		f.Add(s.Bytes[:min(len(s.Bytes), 64)], []byte(nil), byte(0))
		f.Add(s.Bytes[:min(len(s.Bytes), 64)], []byte{1, 3, 2}, byte(strict))
		f.Add(s.Bytes[:min(len(s.Bytes), 64)], []byte{0, 1, 1}, byte(limited|dialing))
	}
	for _, folder := range []string{"tinyproto", "tpft"} {
		for _, s := range recorded.Streams(f, folder, 1000) {
			f.Add(s.Bytes, []byte(nil), byte(0))
			f.Add(s.Bytes, []byte{1, 1}, byte(dialing))
		}
	}
	payloads := [][]byte{nil, []byte("a"), large[:len(large)-1], large}
	f.Fuzz(func(t *testing.T, stream, sends []byte, how byte) {
		p, s := auto, wiretest.Stream{Role: wire.Accepting, Bytes: stream}
		if how&strict != 0 {
			p = never
		}
		if how&limited != 0 {
			s.Limits.MaxMessage = 2
		}
		if how&dialing != 0 {
			s.Role = wire.Dialing
		}
		for _, b := range sends[:min(len(sends), 5)] {
			s.Sends = append(s.Sends, wire.Bytes(payloads[int(b)%len(payloads)]))
		}
		wiretest.CheckInput(t, p, s)
	})
}

// Two peers that send whatever they like whenever they like, over a network
// that cuts anywhere, receive all of it.
//
// Verifies: TINYPROTO-04, TINYPROTO-12, TINYPROTO-19
func TestCrossfire(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		crossfire(t, seed)
	}
}

func crossfire(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	option := func() tinyproto.Protocol { return []tinyproto.Protocol{auto, never}[rng.IntN(2)] }
	limits := wire.Limits{MaxMessage: []int64{0, 100}[rng.IntN(2)]}
	pair := wiretest.NewPair(t, option(), option(), limits, seed)
	ends := []*wiretest.Driver{pair.Dialing, pair.Accepting}
	said := make([][][]byte, 2)
	for i, d := range ends {
		left := 1 + rng.IntN(12)
		say := func() {
			if left--; left < 0 {
				return
			}
			p := payload(rng)
			said[i] = append(said[i], p)
			err := error(nil)
			if rng.IntN(2) == 0 {
				err = d.Send(wire.Bytes(p))
			} else {
				err = d.SendStream(p)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		// A few at once, then two for each that arrives: they begin while the
		// peer's are at any stage.
		for range 1 + rng.IntN(3) {
			say()
		}
		d.Reply = func(*wiretest.Driver, wire.Message) { say(); say() }
	}
	pair.Run()
	for i, d := range ends {
		if d.Err != nil || d.Machine.Awaiting() != 0 || d.Rest() != 0 {
			t.Fatalf("seed %d, %v: error %v, %d answers awaited, %d bytes not understood", seed, wire.Role(i), d.Err, d.Machine.Awaiting(), d.Rest())
		}
		if got := d.Count(wire.EventConfirmed); got != len(said[i]) {
			t.Fatalf("seed %d, %v: %d of %d messages confirmed", seed, wire.Role(i), got, len(said[i]))
		}
		got, want := d.Messages(), said[1-i]
		if len(got) != len(want) {
			t.Fatalf("seed %d, %v: %d messages came, want %d", seed, wire.Role(i), len(got), len(want))
		}
		for j := range got {
			if !bytes.Equal(got[j].Bytes(), want[j]) {
				t.Fatalf("seed %d, %v: message %d is %v, want %d bytes %x…", seed, wire.Role(i), j, got[j], len(want[j]), want[j][:min(len(want[j]), 8)])
			}
		}
	}
}

// payload returns bytes that could be taken for statuses and sizes, of a
// length near one that matters.
func payload(rng *rand.Rand) []byte {
	near := []int{1, 5, 100, 300, copyLimit, tinyproto.EagerLimit, tinyproto.EagerLimit}
	p := make([]byte, near[rng.IntN(len(near))]-1+rng.IntN(3))
	for i := range p {
		p[i] = []byte{0xFF, 0x00, 0xFE, 0x01}[rng.IntN(4)]
	}
	return p
}
