package frame_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// streams are what a machine of p may receive.
func streams(tb testing.TB, p frame.Protocol, role wire.Role) []wiretest.Stream {
	rng := rand.New(rand.NewPCG(uint64(role), 3))
	var ms []wire.Message
	for _, n := range []int{1, 0, 5, 200, 17, 300} {
		if n == 0 && p.Marks == frame.SLIP && p.Check == frame.NoCheck {
			continue
		}
		ms = append(ms, message(p, awkward(n, rng)))
	}
	sound := encode(tb, p, ms...)
	echo := func(d *wiretest.Driver, m wire.Message) {
		if err := d.Send(m); err != nil {
			tb.Error(err)
		}
	}
	small := wire.Limits{MaxMessage: 3}
	all := []wiretest.Stream{{Name: "sound", Role: role, Bytes: sound, Messages: len(ms), Reply: echo}}
	if p.Marks == frame.NoMarks {
		all = append(all, wiretest.Stream{Name: "in pieces", Role: role, Bytes: sound, Messages: len(ms), Limits: small, Reply: echo})
	} else {
		short := 0
		for _, m := range ms {
			if m.Len() <= 3 {
				short++
			}
		}
		all = append(all, wiretest.Stream{Name: "too long", Role: role, Bytes: sound, Messages: short, Limits: small})
	}
	// Damage: what is delivered depends on the form, not on the split.
	broken := bytes.Clone(sound)
	for range 3 {
		broken[rng.IntN(len(broken))] ^= 0x11
	}
	return append(all, wiretest.Stream{Name: "huge announced", Role: role, Bytes: append(bytes.Repeat([]byte{0x7F}, 3), "and no more"...),
		Messages: len(wiretestMessages(tb, p, role, append(bytes.Repeat([]byte{0x7F}, 3), "and no more"...)))},
		wiretest.Stream{Name: "broken", Role: role, Bytes: broken, Messages: len(wiretestMessages(tb, p, role, broken))})
}

func wiretestMessages(tb testing.TB, p frame.Protocol, role wire.Role, stream []byte) []wire.Message {
	d := wiretest.NewDriver(tb, p, role, wire.Limits{})
	d.Feed(stream)
	return d.Messages()
}

// Verifies: FRAME-01, FRAME-21, RUNTIME-47, RUNTIME-48
func TestConformance(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			if err := f.Validate(wire.Dialing); err != nil {
				t.Fatal(err)
			}
			var all []wiretest.Stream
			for _, role := range roles {
				all = append(all, streams(t, f.Protocol, role)...)
			}
			wiretest.Conformance(t, f.Protocol, all, sample(f.Protocol))
		})
	}
}

// Random payloads come back as they were sent, in every form, over a network
// that cuts anywhere.
//
// Verifies: FRAME-01, FRAME-21
func TestEchoOfAnything(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for seed := range uint64(30) {
				rng := rand.New(rand.NewPCG(seed, 1))
				limits := wire.Limits{}
				if f.Marks == frame.NoMarks && seed%2 == 1 {
					limits.MaxMessage = 7
				}
				pair := wiretest.NewPair(t, f.Protocol, f.Protocol, limits, seed)
				pair.Accepting.Reply = func(d *wiretest.Driver, m wire.Message) {
					if err := d.Send(m); err != nil {
						t.Fatal(err)
					}
				}
				var said []wire.Message
				for range 8 {
					n := []int{0, 1, 2, 253, 254, 255, 256, 1000, rng.IntN(70_000)}[rng.IntN(9)]
					if n == 0 && f.Marks == frame.SLIP && f.Check == frame.NoCheck {
						n = 1
					}
					m := message(f.Protocol, awkward(n, rng))
					if f.Size == frame.U16BE || f.Size == frame.U16LE {
						m = message(f.Protocol, awkward(min(n, 60_000), rng))
					}
					said = append(said, m)
					if err := pair.Dialing.Send(m); err != nil {
						t.Fatal(err)
					}
				}
				pair.Run()
				got := pair.Dialing.Messages()
				if len(got) != len(said) || pair.Dialing.Err != nil || pair.Accepting.Err != nil {
					t.Fatalf("seed %d: %d of %d came back; %v, %v; events %v", seed, len(got), len(said), pair.Dialing.Err, pair.Accepting.Err, pair.Accepting.Events)
				}
				for i := range got {
					if !bytes.Equal(got[i].Bytes(), said[i].Bytes()) {
						t.Fatalf("seed %d: %v came back as %v", seed, said[i], got[i])
					}
				}
			}
		})
	}
}

// FuzzReceive feeds any stream to machines of every form.
func FuzzReceive(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i, form := range forms {
		stream := encode(f, form.Protocol, message(form.Protocol, awkward(20, rng)), message(form.Protocol, awkward(3, rng)))
		f.Add(byte(i), uint16(0), stream)
		f.Add(byte(i), uint16(4), append([]byte("\x01noise\x02"), stream...))
	}
	f.Fuzz(func(t *testing.T, form byte, limit uint16, stream []byte) {
		p := forms[int(form)%len(forms)].Protocol
		s := wiretest.Stream{Role: wire.Role(form >> 7), Limits: wire.Limits{MaxMessage: int64(limit)}, Bytes: stream}
		wiretest.CheckInput(t, p, s)
	})
}

// FuzzOptions checks that options either are refused or give a wire whose
// messages come back.
func FuzzOptions(f *testing.F) {
	f.Add(byte(2), 4, int64(0), 0, "", byte(0), false, 0, byte(0), int64(0), []byte("abc"))
	f.Add(byte(8), 0, int64(2), -1, "\xAA\x55", byte(3), true, 0, byte(0), int64(100), []byte("\xAA\x55"))
	f.Add(byte(0), 0, int64(0), 0, "", byte(5), false, 0, byte(2), int64(0), []byte("\x00\x02"))
	f.Add(byte(0), 0, int64(0), 2, "AB", byte(5), false, 9, byte(0), int64(0), []byte("12345"))
	f.Fuzz(func(t *testing.T, size byte, offset int, adjust int64, strip int, magic string, check byte, payloadOnly bool, fixed int, marks byte, most int64, payload []byte) {
		p := frame.Protocol{Size: frame.Size(size), Offset: offset, Adjust: adjust, Strip: strip, Magic: magic,
			Check: frame.Check(check), Fixed: fixed, Marks: frame.Marks(marks), Max: most}
		if payloadOnly {
			p.Over = frame.OverPayload
		}
		if p.Validate(wire.Dialing) != nil {
			d := p.New(wire.Dialing, wire.Limits{})
			if _, _, err := wiretest.Receive(d, nil); err == nil {
				t.Fatal("options that are refused have a machine that works")
			}
			return
		}
		d := wiretest.NewDriver(t, p, wire.Dialing, wire.Limits{})
		if err := d.Send(wire.Bytes(payload)); err != nil {
			return
		}
		wiretest.CheckInput(t, p, wiretest.Stream{Bytes: d.Out})
		got := wiretestMessages(t, p, wire.Accepting, d.Out)
		if len(got) != 1 {
			t.Fatalf("%+v: % x was sent as % x, and came as %d messages", p, payload, d.Out, len(got))
		}
		if (p.Strip == frame.Head || p.Marks != frame.NoMarks) && !bytes.Equal(got[0].Bytes(), payload) {
			t.Fatalf("%+v: % x came as % x", p, payload, got[0].Bytes())
		}
	})
}

// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	for _, f := range forms {
		for _, limits := range []wire.Limits{{}, {MaxMessage: 20}} {
			if limits.MaxMessage > 0 && f.Marks != frame.NoMarks {
				continue
			}
			var ms []wire.Message
			for _, m := range wiretest.Sized(wire.Bytes) {
				if m.Len() < 60_000 || f.Traits().MaxMessage > 70_000 {
					ms = append(ms, message(f.Protocol, m.Bytes()))
				}
			}
			t.Run(f.name, func(t *testing.T) { wiretest.SteadyState(t, f.Protocol, limits, ms...) })
		}
	}
}

func BenchmarkMachine(b *testing.B) {
	for _, f := range []struct {
		name string
		p    frame.Protocol
	}{
		{"u32be", frame.Protocol{Size: frame.U32BE, Strip: frame.Head}},
		{"u32be-whole", frame.Protocol{Size: frame.U32BE}},
		{"varint", frame.Protocol{Size: frame.Varint, Strip: frame.Head}},
		{"magic-crc16", frame.Protocol{Size: frame.U32LE, Magic: "\xAA\x55", Strip: frame.Head, Check: frame.CRC16Modbus}},
		{"crc32c", frame.Protocol{Size: frame.U32LE, Strip: frame.Head, Check: frame.CRC32C}},
		{"slip", frame.Protocol{Marks: frame.SLIP}},
		{"cobs", frame.Protocol{Marks: frame.COBS}},
		{"stx", frame.Protocol{Marks: frame.STX}},
	} {
		b.Run(f.name, func(b *testing.B) {
			var ms []wire.Message
			for _, m := range wiretest.Sized(wire.Bytes) {
				ms = append(ms, message(f.p, m.Bytes()))
			}
			wiretest.Benchmark(b, f.p, ms...)
		})
	}
}
