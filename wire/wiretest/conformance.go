package wiretest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// A Stream is what one peer says on one connection.
type Stream struct {
	Name     string
	Role     wire.Role // of the machine that receives it
	Limits   wire.Limits
	Bytes    []byte
	Messages int // how many messages it delivers

	// Sends are sent as soon as the handshake is done, Reply is called with
	// every message received; see Driver.
	Sends []wire.Message
	Reply func(d *Driver, m wire.Message)
}

func (s Stream) driver(tb testing.TB, p wire.Protocol) *Driver {
	tb.Helper()
	d := NewDriver(tb, p, s.Role, s.Limits)
	d.Reply = s.Reply
	for _, m := range s.Sends {
		if err := d.Send(m); err != nil {
			tb.Fatalf("%s: Send: %v", s.Name, err)
		}
	}
	return d
}

// Conformance checks what the contract asks of every machine:
//
//   - each stream gives the same events, output and error however it is split;
//   - mutated and random input gives, again for every split, events or an
//     error of the right type, and never a panic;
//   - a stream that ends anywhere gives nil, a *ProtocolError that wraps
//     io.ErrUnexpectedEOF or a *RefusedError;
//   - a machine allocates in proportion to what it was given, never to what a
//     header announces (include a stream with such a header);
//   - two machines joined by a network that cuts at random places deliver to
//     each other what was sent;
//   - Repeat, where there is one, appends what Send does;
//   - sending and receiving do not allocate in steady state.
//
// The streams should be valid, cover both roles and every form of the wire. sample
// returns messages of about n bytes that arrive as they were sent, or none where the
// wire has none of that size; n is up to 100,000. [Messages] makes one of a few
// messages. nil is for wires that carry any text: it makes messages of lower case
// letters, and numbers, of the types in Traits.Types.
//
// The values of received objects must be comparable with reflect.DeepEqual (no
// NaN inside). It must not run in parallel with other tests, because it counts
// allocations.
func Conformance(t *testing.T, p wire.Protocol, streams []Stream, sample func(n int) []wire.Message) {
	if sample == nil {
		sample = func(n int) []wire.Message { return samples(p, n) }
	}
	for _, s := range streams {
		t.Run(s.Role.String()+"/"+s.Name, func(t *testing.T) {
			whole := s.driver(t, p)
			whole.Feed(s.Bytes)
			if got := len(whole.Messages()); got != s.Messages {
				t.Fatalf("%d messages, want %d; error %v; events %v", got, s.Messages, whole.Err, whole.Events)
			}
			t.Run("splits", func(t *testing.T) { CheckSplits(t, p, s) })
			t.Run("truncation", func(t *testing.T) { truncations(t, p, s) })
			t.Run("mutants", func(t *testing.T) { mutants(t, p, s) })
			t.Run("memory", func(t *testing.T) { memory(t, p, s) })
		})
	}
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		t.Run(role.String()+"/garbage", func(t *testing.T) { garbage(t, p, role) })
	}
	t.Run("pair", func(t *testing.T) { pair(t, p, sample) })
	if _, ok := p.New(wire.Accepting, wire.Limits{}).(wire.Repeater); ok {
		t.Run("repeat", func(t *testing.T) { repeats(t, p, sample) })
	}
	t.Run("allocations", func(t *testing.T) {
		for _, n := range []int{5, 16, 1000, 100_000} {
			SteadyState(t, p, wire.Limits{}, sample(n)...)
		}
	})
}

// Messages makes a sample function for Conformance of messages that say all about a
// wire: it returns them for any size.
func Messages(all ...wire.Message) func(n int) []wire.Message {
	return func(int) []wire.Message { return all }
}

// CheckInput feeds any input to a machine, whole and cut in several ways, and
// fails if the outcome differs, if an error has the wrong type or if the
// machine breaks its contract. It is the body of a protocol's fuzz target.
func CheckInput(tb testing.TB, p wire.Protocol, s Stream) {
	tb.Helper()
	want := s.outcome(tb, p, len(s.Bytes))
	check := func(cuts ...int) {
		tb.Helper()
		if d := diff(s.outcome(tb, p, cuts...), want); d != "" {
			tb.Fatalf("%s: cut at %v, not whole: %s", s.Name, cuts, d)
		}
	}
	check(len(s.Bytes) / 2)
	check(len(s.Bytes)/3, len(s.Bytes)*2/3)
	if d := diff(s.bytewise(tb, p), want); d != "" {
		tb.Fatalf("%s: byte by byte, not whole: %s", s.Name, d)
	}
}

// outcome is what a stream gives when it is cut at the given places, the end
// of the stream included.
func (s Stream) outcome(tb testing.TB, p wire.Protocol, cuts ...int) result {
	tb.Helper()
	d := s.driver(tb, p)
	at := 0
	for _, cut := range cuts {
		d.Feed(s.Bytes[at:cut])
		at = cut
	}
	d.Feed(s.Bytes[at:])
	d.EOF()
	return d.result()
}

func (s Stream) bytewise(tb testing.TB, p wire.Protocol) result {
	tb.Helper()
	d := s.driver(tb, p)
	d.FeedBytewise(s.Bytes)
	d.EOF()
	return d.result()
}

// places returns the places from 0 to n, or a sample that includes both ends.
func places(n int, rng *rand.Rand) []int {
	const sample = 64
	if n <= 1024 {
		all := make([]int, n+1)
		for i := range all {
			all[i] = i
		}
		return all
	}
	var some []int
	for i := range sample / 4 {
		some = append(some, i, n-i)
	}
	for range sample / 2 {
		some = append(some, rng.IntN(n))
	}
	return some
}

func seeded(s Stream) *rand.Rand {
	seed := uint64(len(s.Bytes))
	for _, c := range []byte(s.Name) {
		seed = seed*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, uint64(s.Role)))
}

// CheckSplits fails if a stream gives anything else when it arrives in two
// pieces, cut at any place (a sample of them in a long stream), or byte by byte.
func CheckSplits(tb testing.TB, p wire.Protocol, s Stream) {
	tb.Helper()
	want := s.outcome(tb, p)
	for _, cut := range places(len(s.Bytes), seeded(s)) {
		if d := diff(s.outcome(tb, p, cut), want); d != "" {
			tb.Fatalf("cut at %d of %d: %s", cut, len(s.Bytes), d)
		}
	}
	if d := diff(s.bytewise(tb, p), want); d != "" {
		tb.Fatalf("byte by byte: %s", d)
	}
}

func truncations(tb testing.TB, p wire.Protocol, s Stream) {
	// Driver.EOF checks the error; what came before the end must be a
	// beginning of what the whole stream gives.
	full := s.outcome(tb, p)
	for _, end := range places(len(s.Bytes), seeded(s)) {
		d := s.driver(tb, p)
		d.Feed(s.Bytes[:end])
		d.EOF()
		// A message that the end of the stream has ended was longer, and the last
		// event may be a run of confirmations that was cut.
		n := len(d.Events) - d.Last
		if n > 0 && d.Events[n-1].Kind == wire.EventConfirmed {
			n--
		}
		if n > len(full.Events) || n > 0 && !reflect.DeepEqual(d.Events[:n], full.Events[:n]) {
			tb.Fatalf("cut off after %d bytes: events %v, the whole stream gives %v", end, d.Events, full.Events)
		}
	}
}

// mutants changes a stream in ways that are near enough to a valid stream to
// reach deep into the machine.
func mutants(tb testing.TB, p wire.Protocol, s Stream) {
	const (
		rounds  = 100
		longest = 1 << 11
	)
	rng := seeded(s)
	for i := range rounds {
		m := s
		m.Name = fmt.Sprintf("mutant %d", i)
		m.Bytes = append([]byte(nil), s.Bytes[:min(len(s.Bytes), longest)]...)
		for range 1 + rng.IntN(4) {
			m.Bytes = mutate(m.Bytes, rng)
		}
		CheckInput(tb, p, m)
		memory(tb, p, m)
	}
}

func mutate(b []byte, rng *rand.Rand) []byte {
	if len(b) == 0 {
		return append(b, byte(rng.Uint32()))
	}
	i := rng.IntN(len(b))
	j := min(len(b), i+1+rng.IntN(8))
	switch rng.IntN(5) {
	case 0: // a flipped bit
		b[i] ^= 1 << rng.IntN(8)
	case 1: // one of the bytes with a meaning on some wire
		const special = "\x00\x01\x04\n\r\x1f\xde\xca\xf0\xfd\xfe\xff"
		b[i] = special[rng.IntN(len(special))]
	case 2: // a hole
		b = append(b[:i], b[j:]...)
	case 3: // a repetition
		b = append(b[:j], append([]byte(nil), b[i:]...)...)
	case 4: // something else in between
		b = append(b[:i], append([]byte{byte(rng.Uint32()), byte(rng.Uint32())}, b[i:]...)...)
	}
	return b
}

func garbage(tb testing.TB, p wire.Protocol, role wire.Role) {
	rng := rand.New(rand.NewPCG(uint64(role), 7))
	for i := range 100 {
		s := Stream{Name: fmt.Sprintf("garbage %d", i), Role: role, Bytes: make([]byte, rng.IntN(300))}
		for j := range s.Bytes {
			s.Bytes[j] = byte(rng.Uint32())
		}
		CheckInput(tb, p, s)
		memory(tb, p, s)
	}
}

// memory measures what one machine allocates for a stream.
func memory(tb testing.TB, p wire.Protocol, s Stream) {
	tb.Helper()
	var before, after runtime.MemStats
	in := append([]byte(nil), s.Bytes...)
	out := make([]byte, 0, 4096+len(in))
	runtime.ReadMemStats(&before)
	m := p.New(s.Role, s.Limits)
	if drain(m, nil) {
		drain(m, in)
	}
	m.Output(out)
	runtime.ReadMemStats(&after)
	// What a machine needs is a struct; what it may build is the value of a
	// pickle, which is a multiple of its bytes.
	limit := uint64(64<<10 + 64*len(s.Bytes))
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		tb.Fatalf("%s: %d bytes allocated for a stream of %d", s.Name, got, len(s.Bytes))
	}
}

// drain feeds p to m until it has nothing more to tell, accepts what is
// offered, and reports whether the conversation goes on.
func drain(m wire.Machine, p []byte) bool {
	var ev wire.Event
	for {
		n, err := m.Receive(p, &ev)
		if err != nil {
			return false
		}
		p = p[n:]
		switch ev.Kind {
		case wire.EventNone:
			return true
		case wire.EventLeave, wire.EventShutdown:
			return false
		case wire.EventOffer:
			m.Accept()
		}
	}
}

// samples are messages that arrive on p as themselves, without bytes that any
// wire gives a meaning.
func samples(p wire.Protocol, n int) []wire.Message {
	if int64(n) > p.Traits().MaxMessage {
		return nil
	}
	text := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1+n/26)[:n]
	var all []wire.Message
	types := p.Traits().Types
	if types.Has(wire.TypeBytes) {
		all = append(all, wire.Bytes([]byte(text)))
	}
	if types.Has(wire.TypeText) {
		all = append(all, wire.Text(text))
	}
	if types.Has(wire.TypeInt) {
		all = append(all, wire.Int(int64(n)*1_000_000_007))
	}
	if types.Has(wire.TypeFloat) {
		all = append(all, wire.Float(float64(n)/3))
	}
	return all
}

func pair(tb testing.TB, p wire.Protocol, sample func(n int) []wire.Message) {
	for seed := range uint64(10) {
		var said []wire.Message
		for _, n := range []int{5, 1, 300, 17, 5000, 70000, 64} {
			said = append(said, sample(n)...)
		}
		if len(said) == 0 {
			tb.Fatal("Traits.Types names no type that could be sent")
		}
		pair := NewPair(tb, p, p, wire.Limits{}, seed)
		if p.Traits().Lockstep {
			pair.Accepting.Reply = func(d *Driver, m wire.Message) {
				if err := d.Send(m); err != nil {
					tb.Fatal(err)
				}
			}
		}
		for _, m := range said {
			pair.say(tb, pair.Dialing, m)
			if !p.Traits().Lockstep {
				pair.say(tb, pair.Accepting, m)
			}
		}
		pair.Run()
		for _, d := range []*Driver{pair.Dialing, pair.Accepting} {
			if d.Err != nil || d.Rest() != 0 {
				tb.Fatalf("seed %d: error %v, %d bytes not understood", seed, d.Err, d.Rest())
			}
			got := d.Messages()
			if len(got) != len(said) {
				tb.Fatalf("seed %d: %d messages arrived, %d were sent; events %v", seed, len(got), len(said), d.Events)
			}
			for i := range got {
				if got[i].Type() != said[i].Type() || got[i].Text() != said[i].Text() {
					tb.Fatalf("seed %d: message %d is %v, want %v", seed, i, got[i], said[i])
				}
			}
			if n := d.Machine.Awaiting(); n != 0 {
				tb.Errorf("seed %d: all is said, but %d answers are awaited", seed, n)
			}
			if d.unconfirmed != 0 {
				tb.Errorf("seed %d: %d messages were never confirmed", seed, d.unconfirmed)
			}
		}
		pair.Dialing.Close()
		pair.Run()
		if err := pair.Accepting.EOF(); err != nil {
			tb.Errorf("seed %d: close in order, seen as %v", seed, err)
		}
	}
}

func (p *Pair) say(tb testing.TB, d *Driver, m wire.Message) {
	tb.Helper()
	if err := d.Send(m); err != nil {
		tb.Fatal(err)
	}
	if p.rng.IntN(2) == 0 {
		p.Run()
	}
}
