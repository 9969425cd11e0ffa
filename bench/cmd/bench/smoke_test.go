package main

import (
	"context"
	"testing"
	"time"

	"github.com/parley-net/parley/bench/internal/result"
)

// TestSmoke runs two cells for a second each, of which the generator checks
// every byte.
func TestSmoke(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b, err := newBuilt(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.programs(ctx); err != nil {
		t.Fatal(err)
	}
	// A machine with much other work may stall a try: there are many.
	r := &runner{options: options{seconds: 1, tries: 20, calm: 1000}, built: b, log: t.Output()}
	for _, x := range []struct {
		set  string
		v    server
		cell cell
	}{
		{"line", b.parley("oneline", "line", "echo", ""), cell{4, 8, 16}},
		{"len4", b.parley("tinyproto", "tinyproto", "echo", ""), cell{2, 2, 64 << 10}},
	} {
		for _, s := range sets {
			if s.name != x.set {
				continue
			}
			got := r.measure(ctx, s, x.v, x.cell)
			if got.Error != "" {
				t.Errorf("%s: %s", x.v.name, got.Error)
			}
			t.Logf("%s, %v: %d messages, %.0f ns of CPU each", x.v.name, x.cell, got.Msgs, got.CPUNsMsg)
		}
	}
}

// What a server does wrong fails its measurement: this one has lines, but the
// generator sizes.
func TestWrongServer(t *testing.T) {
	b, err := newBuilt(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.programs(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &runner{options: options{seconds: 1, tries: 20, calm: 1000}, built: b, log: t.Output()}
	v := b.parley("serpy2", "len4", "echo", "")
	var rep result.Report
	if err := r.try(t.Context(), sets[1], v, cell{1, 1, 16}, &rep); err == nil && rep.Msgs > 0 {
		t.Errorf("%d messages came back from a server of another wire", rep.Msgs)
	}
}
