package zstd_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/plugin/checksum"
	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/plugin/zstd"
	"github.com/parley-net/parley/wire"
)

// stack is the transforms of one end of a connection, in the order of sending.
type stack []wire.Transform

func newStack(role wire.Role, plugins ...wire.Plugin) stack {
	var s stack
	for _, p := range plugins {
		s = append(s, p.New(role, 1<<20))
	}
	return s
}

func (s stack) send(t *testing.T, p []byte) []byte {
	t.Helper()
	for _, tr := range s {
		var err error
		if p, err = tr.Send(nil, p); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (s stack) receive(p []byte) ([]byte, error) {
	for i := len(s) - 1; i >= 0; i-- {
		var err error
		if p, err = s[i].Receive(nil, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newSeal(t *testing.T, first byte) wire.Plugin {
	t.Helper()
	p, err := seal.New(append([]byte{first}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Messages of any kind, in both directions, through zstd under seal.
//
// Verifies: PLUGIN-04, PLUGIN-05, PLUGIN-06
func TestStacked(t *testing.T) {
	compress, encrypt := new(zstd.Plugin), newSeal(t, 1)
	for _, plugins := range [][]wire.Plugin{
		{compress, encrypt},
		{compress, encrypt, checksum.Plugin{}},
		{checksum.Plugin{}, compress, encrypt},
	} {
		d, a := newStack(wire.Dialing, plugins...), newStack(wire.Accepting, plugins...)
		rng := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			m := []byte(strings.Repeat("some text ", rng.IntN(500)))
			for i := range rng.IntN(len(m) + 1) {
				m[i] = byte(rng.Uint32())
			}
			from, to := d, a
			if rng.IntN(2) == 0 {
				from, to = a, d
			}
			if got, err := to.receive(from.send(t, m)); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%d plugins: %d bytes came back as %d, %v", len(plugins), len(m), len(got), err)
			}
		}
	}
}

// What was compressed first is small, and encrypted it is not readable.
func TestStackedShrinks(t *testing.T) {
	d := newStack(wire.Dialing, new(zstd.Plugin), newSeal(t, 1))
	m := []byte(strings.Repeat("all the same ", 1000))
	if p := d.send(t, m); len(p) > 200 || bytes.Contains(p, []byte("all the")) {
		t.Errorf("%d bytes became %d", len(m), len(p))
	}
}

// The error is that of the plugin that found out.
func TestStackedErrors(t *testing.T) {
	compress := new(zstd.Plugin)
	good := []wire.Plugin{compress, newSeal(t, 1), checksum.Plugin{}}
	p := newStack(wire.Dialing, good...).send(t, []byte("hello"))
	for _, c := range []struct {
		name string
		to   stack
		want error
	}{
		{"another key", newStack(wire.Accepting, compress, newSeal(t, 2), checksum.Plugin{}), seal.ErrForged},
		{"no checksum expected", newStack(wire.Accepting, compress, newSeal(t, 1)), seal.ErrForged},
		{"another order", newStack(wire.Accepting, compress, checksum.Plugin{}, newSeal(t, 1)), seal.ErrForged},
		{"more plugins", newStack(wire.Accepting, checksum.Plugin{}, compress, newSeal(t, 1), checksum.Plugin{}), checksum.ErrMismatch},
		{"no compression sent", newStack(wire.Accepting, compress, compress, newSeal(t, 1), checksum.Plugin{}), zstd.ErrCorrupt},
	} {
		if got, err := c.to.receive(p); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v, want %v", c.name, got, err, c.want)
		}
	}
	p[len(p)-1]++
	if got, err := newStack(wire.Accepting, good...).receive(p); !errors.Is(err, checksum.ErrMismatch) {
		t.Errorf("changed: %q, %v, want ErrMismatch", got, err)
	}
}
