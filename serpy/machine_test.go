package serpy

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func TestTraits(t *testing.T) {
	var p wire.Protocol = Protocol{}
	traits := p.Traits()
	if p.Name() != "serpy" || !traits.Confirms || traits.Lockstep || traits.Clients != 0 || traits.Sized || traits.SendsStreams {
		t.Errorf("%s: %+v", p.Name(), traits)
	}
	for typ, want := range map[wire.Type]bool{
		wire.TypeBytes: true, wire.TypeObject: true, wire.TypeText: false, wire.TypeInt: false, wire.TypeFloat: false,
	} {
		if got := traits.Types.Has(typ); got != want {
			t.Errorf("%v arrives as itself: %v, want %v", typ, got, want)
		}
	}
	if !traits.Opaque || (Protocol{ForceMode: true}).Traits().Opaque {
		t.Error("all bytes fit, unless the mode is forced")
	}
}

// A burst of messages leaves no memory behind.
func TestOutputReleasesMemory(t *testing.T) {
	m := opened(t, Protocol{}).(*machine)
	const burst = 100_000
	if n, _, _ := wiretest.Receive(m, []byte(strings.Repeat("\x01SETMODE0\x1f", burst))); n != 10*burst {
		t.Fatalf("%d bytes consumed", n)
	}
	if out := m.Output(nil); string(out) != strings.Repeat(modeAnswer, burst) {
		t.Errorf("%d bytes of answers, want %d", len(out), 10*burst)
	}
	if got := cap(m.owed); got > 8192 {
		t.Errorf("room for %d answers is kept", got)
	}
	if out := m.Output(nil); len(out) > 0 {
		t.Errorf("answers are given twice: %q", out)
	}
}
