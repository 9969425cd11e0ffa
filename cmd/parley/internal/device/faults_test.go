package device

import (
	"testing"
	"time"

	"github.com/parley-net/parley/wire"
)

// Verifies: DEVICE-11
func TestFaults(t *testing.T) {
	faults, err := ParseFaults("drop=0.1,late=0.1,cut=0.1,garble=0.1,close=0.02,delay=10ms..200ms,late-by=1s..2s")
	if err != nil {
		t.Fatal(err)
	}
	def := read(t, "[[reply]]\nrequest = 'x'\nresponse = '0123456789'\n")
	play := func(seed uint64) (replies []Reply) {
		s := New(def, Config{Seed: seed, Faults: faults, Typed: typed}).Session()
		for range 2000 {
			replies = append(replies, s.Answer(wire.Text("x"), epoch))
		}
		return replies
	}
	counts := map[string]int{}
	one, again, other := play(7), play(7), play(8)
	same := 0
	for i, r := range one {
		if said(r) != said(again[i]) || r.Close != again[i].Close {
			t.Fatalf("answer %d differs with the same seed", i)
		}
		if said(r) == said(other[i]) {
			same++
		}
		if r.Close {
			counts["close"]++
			continue
		}
		if len(r.Answers) == 0 {
			counts["drop"]++
			continue
		}
		a := r.Answers[0]
		if a.Delay < 10*time.Millisecond || a.Delay > 2200*time.Millisecond {
			t.Fatalf("delay %v", a.Delay)
		}
		if a.Delay >= time.Second {
			counts["late"]++
		}
		switch text := a.Message.Text(); {
		case len(text) < 10:
			counts["cut"]++
		case text != "0123456789":
			counts["garble"]++
		}
	}
	if same == len(one) {
		t.Error("another seed has the same faults")
	}
	for name, share := range map[string]float64{"drop": .1, "late": .09, "cut": .09, "garble": .08, "close": .02} {
		if got := float64(counts[name]) / 2000; got < share*.6 || got > share*1.5 {
			t.Errorf("%s: a share of %v", name, got)
		}
	}
	for _, bad := range []string{"drop=2", "drop=-1", "drop=NaN", "drop", "explode=1", "delay=5ms..1ms", "delay=soon", "delay=-1s", "seed=x"} {
		if _, err := ParseFaults(bad); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
