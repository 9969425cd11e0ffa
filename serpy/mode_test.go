package serpy

import (
	"testing"

	"github.com/parley-net/parley/wire"
)

// Verifies: WIRE-01, WIRE-02
func TestMode(t *testing.T) {
	for mode := range 7 {
		m := WithMode(WithMode(wire.Text("a"), 5), mode)
		if got, ok := Mode(m); got != mode || !ok || m.Text() != "a" {
			t.Errorf("mode %d: %d, %v, %v", mode, got, ok, m)
		}
	}
	for _, tag := range []uint32{0, 3, 0x4F4C_0001} { // another wire's tag is no mode
		if mode, ok := Mode(wire.Text("a").WithTag(tag)); ok {
			t.Errorf("tag %x is mode %d", tag, mode)
		}
		if out, _, err := (Protocol{}).New(wire.Dialing, wire.Limits{}).Send(nil, wire.Text("a").WithTag(tag)); err != nil || string(out) != "a\x1f" {
			t.Errorf("tag %x: sent as %q, %v", tag, out, err)
		}
	}
	if got := wire.Describe(Protocol{}, WithMode(wire.Text("a"), 3)); got != `text[1] "a" mode 3` {
		t.Error(got)
	}
}
