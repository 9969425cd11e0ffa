package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/parleytest"
)

func TestTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := parleytest.Pipe(t, newServer(time.Second), nil)
		began := time.Now()
		for i := range 120 {
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != "tick" {
				t.Fatalf("after %d ticks: %v, %v", i, m, err)
			}
		}
		if d := time.Since(began); d != 2*time.Hour {
			t.Errorf("120 ticks have taken %v", d)
		}
	})
}

func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := parleytest.Pipe(t, newServer(9*time.Second), nil)
		if answer, err := ask(t.Context(), c, "quick"); answer != "quick" || err != nil {
			t.Errorf("got %q, %v", answer, err)
		}
		slow, _ := parleytest.Pipe(t, newServer(11*time.Second), nil)
		began := time.Now()
		if answer, err := ask(t.Context(), slow, "slow"); err == nil || err.Error() != "no answer in time" {
			t.Errorf("got %q, %v", answer, err)
		}
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("it has taken %v", d)
		}
	})
}
