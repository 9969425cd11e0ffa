package seal

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// message returns a first message of time with a salt made of n.
func message(time int64, n uint64) first {
	f := first{time: time}
	binary.BigEndian.PutUint64(f.salt[:], n)
	return f
}

func TestMemory(t *testing.T) {
	var m memory
	for _, c := range []struct {
		f      first
		oldest int64
		want   error
	}{
		{message(100, 1), 50, nil},
		{message(100, 1), 50, ErrReplayed},
		{message(100, 2), 50, nil},          // the same time, another salt
		{message(90, 1), 50, nil},           // the same salt, another time
		{message(100, 1), 100, ErrReplayed}, // just inside the window
		{message(200, 1), 150, nil},
		{message(100, 1), 150, ErrClock}, // forgotten, and everything as old
		{message(100, 1), 50, ErrClock},  // the clock was set back
		{message(99, 7), 50, ErrClock},
		{message(101, 1), 50, nil},
		{message(200, 1), 50, ErrReplayed},
	} {
		if err := m.accept(c.f, c.oldest); err != c.want {
			t.Errorf("time %d, salt %x, nothing before %d: %v, want %v", c.f.time, c.f.salt[7], c.oldest, err, c.want)
		}
	}
}

// Many connections at once shrink the window from its old end; what is
// accepted is accepted once.
func TestMemoryIsBounded(t *testing.T) {
	var m memory
	rng := rand.New(rand.NewPCG(5, 6))
	accepted := map[first]bool{}
	refused := 0
	for i := range maxSeen + maxSeen/2 {
		f := message(int64(i)+rng.Int64N(1000), rng.Uint64())
		if rng.IntN(4) == 0 { // one of the past again
			f = message(int64(rng.IntN(i+1)), 7)
		}
		switch err := m.accept(f, 0); {
		case err == nil && accepted[f]:
			t.Fatalf("%d is accepted twice", f.time)
		case err == nil:
			accepted[f] = true
		case errors.Is(err, ErrReplayed) || errors.Is(err, ErrClock):
			refused++
		default:
			t.Fatal(err)
		}
		if len(m.seen) > maxSeen {
			t.Fatalf("%d are remembered", len(m.seen))
		}
	}
	if cap(m.seen) > 2*maxSeen || refused == 0 || len(accepted) < maxSeen {
		t.Errorf("room for %d, %d refused, %d accepted", cap(m.seen), refused, len(accepted))
	}
	// The newest are always welcome.
	if err := m.accept(message(1<<40, 1), 0); err != nil {
		t.Error(err)
	}
}
