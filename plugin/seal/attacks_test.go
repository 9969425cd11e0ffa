package seal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/wire"
)

// Each byte of a message matters, and nothing is accepted behind a forged one.
//
// Verifies: PLUGIN-05
func TestChanged(t *testing.T) {
	for _, first := range []bool{true, false} {
		d, _ := connect(newPlugin(t, 0), newPlugin(t, 0))
		p := sealed(t, d, "first", "second", "third")
		good, next := p[0], p[1]
		if !first {
			good, next = p[1], p[2]
		}
		var forged [][]byte
		for i := range good {
			for bit := range 8 {
				f := bytes.Clone(good)
				f[i] ^= 1 << bit
				forged = append(forged, f)
			}
			forged = append(forged, good[:i])
		}
		forged = append(forged, append(bytes.Clone(good), 0), append([]byte{3}, good...))
		for _, f := range forged {
			a := newPlugin(t, 0).New(wire.Accepting, 100)
			if !first {
				receives(t, a, p[0], "first")
			}
			refuses(t, a, f, seal.ErrForged)
			refuses(t, a, good, seal.ErrForged)
			refuses(t, a, next, seal.ErrForged)
		}
	}
}

// Verifies: PLUGIN-05
func TestWrongKey(t *testing.T) {
	other := bytes.Clone(testKey)
	other[31]++
	wrong := must(seal.New(other))
	wrong.Now = newPlugin(t, 0).Now
	d, a := connect(wrong, newPlugin(t, 0))
	refuses(t, a, sealed(t, d, "hello")[0], seal.ErrForged)
	refuses(t, d, sealed(t, newPlugin(t, 0).New(wire.Accepting, 100), "hello")[0], seal.ErrForged)
	refuses(t, newPlugin(t, 0).New(wire.Accepting, 100), []byte("no plugin at the other end, but a long text"), seal.ErrForged)
}

// Whatever somebody in between does with the messages of a connection, what is
// received is a beginning of what was sent.
func TestManInTheMiddle(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	plugin := newPlugin(t, 0)
	whole := 0
	for range 500 {
		d, a := connect(plugin, plugin)
		var said []string
		for i := range 8 {
			said = append(said, fmt.Sprint("message ", i))
		}
		under := sealed(t, d, said...)
		reverse := sealed(t, a, said...)
		for range rng.IntN(3) {
			i, j := rng.IntN(len(under)), rng.IntN(len(under))
			switch rng.IntN(5) {
			case 0: // drop
				under = append(under[:i:i], under[i+1:]...)
			case 1: // repeat
				under = append(under[:i:i], append([][]byte{under[j]}, under[i:]...)...)
			case 2: // reorder
				under[i], under[j] = under[j], under[i]
			case 3: // change
				under[i] = bytes.Clone(under[i])
				under[i][rng.IntN(len(under[i]))] ^= 1 << rng.IntN(8)
			case 4: // the other direction
				under[i] = reverse[rng.IntN(len(reverse))]
			}
		}
		var heard []string
		for _, p := range under {
			if m, err := a.Receive(nil, p); err == nil {
				heard = append(heard, string(m))
			}
		}
		if len(heard) > len(said) || fmt.Sprint(heard) != fmt.Sprint(said[:len(heard)]) {
			t.Fatalf("sent %q, received %q", said, heard)
		}
		if len(heard) == len(said) {
			whole++
		}
	}
	if whole == 0 || whole > 400 {
		t.Errorf("%d of 500 conversations were whole: not both cases are tested", whole)
	}
}

func TestReflection(t *testing.T) {
	d, a := connect(newPlugin(t, 0), newPlugin(t, 0))
	p := sealed(t, d, "hello")
	receives(t, a, p[0], "hello")
	refuses(t, d, p[0], seal.ErrForged)
	refuses(t, d, sealed(t, a, "answer")[0], seal.ErrForged) // after a refusal
}

// A recorded connection is refused by those who have seen it, and too late by
// all.
func TestReplayedConnection(t *testing.T) {
	server := newPlugin(t, 0)
	d, a := connect(newPlugin(t, 0), server)
	request := sealed(t, d, "pay", "pay more")
	receives(t, a, request[0], "pay")
	receives(t, a, request[1], "pay more")
	answer := sealed(t, a, "paid")
	receives(t, d, answer[0], "paid")

	again := server.New(wire.Accepting, 100)
	refuses(t, again, request[0], seal.ErrReplayed)
	refuses(t, again, request[1], seal.ErrReplayed)
	refuses(t, newPlugin(t, 121*time.Second).New(wire.Accepting, 100), request[0], seal.ErrClock)
	refuses(t, newPlugin(t, time.Hour).New(wire.Accepting, 100), request[0], seal.ErrClock)
	// The documented limit: who has not seen it accepts it within the window.
	receives(t, newPlugin(t, time.Minute).New(wire.Accepting, 100), request[0], "pay")
}

// Answers belong to one connection, also when the client has been restarted
// and remembers nothing.
func TestReplayedAnswer(t *testing.T) {
	d, a := connect(newPlugin(t, 0), newPlugin(t, 0))
	receives(t, a, sealed(t, d, "question")[0], "question")
	answer := sealed(t, a, "answer")[0]
	if answer[0] != 4 {
		t.Errorf("the answer begins with %d, want 4: bound", answer[0])
	}
	restarted := newPlugin(t, time.Second).New(wire.Dialing, 100)
	refuses(t, restarted, answer, seal.ErrForged) // nothing was said yet
	restarted = newPlugin(t, time.Second).New(wire.Dialing, 100)
	sealed(t, restarted, "question")
	refuses(t, restarted, answer, seal.ErrForged) // another question
	receives(t, d, answer, "answer")
}

// Both may begin at the same time.
func TestBothBegin(t *testing.T) {
	d, a := connect(newPlugin(t, 0), newPlugin(t, 0))
	fromD, fromA := sealed(t, d, "one", "two"), sealed(t, a, "eins", "zwei")
	receives(t, d, fromA[0], "eins")
	receives(t, a, fromD[0], "one")
	receives(t, d, fromA[1], "zwei")
	receives(t, a, fromD[1], "two")
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		window, skew time.Duration
		want         error
	}{
		{0, 0, nil}, {0, 2 * time.Minute, nil}, {0, -2 * time.Minute, nil},
		{0, 2*time.Minute + 1, seal.ErrClock}, {0, -2*time.Minute - 1, seal.ErrClock},
		{time.Second, time.Second, nil}, {time.Second, time.Second + 1, seal.ErrClock}, {time.Second, -time.Second - 1, seal.ErrClock},
		{time.Hour, -time.Hour, nil}, {-1, 2 * time.Minute, nil}, {-1, 3 * time.Minute, seal.ErrClock},
	} {
		p := newPlugin(t, c.skew)
		p.Window = c.window
		d, a := connect(newPlugin(t, 0), p)
		m := sealed(t, d, "hello")[0]
		if c.want == nil {
			receives(t, a, m, "hello")
		} else {
			refuses(t, a, m, c.want)
		}
	}
}
