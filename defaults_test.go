package parley

import (
	"testing"
	"time"

	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/tinyproto"
)

// The limits of a server whose fields are zero, as SECURITY.md lists them.
//
// Verifies: RUNTIME-05, RUNTIME-08, RUNTIME-09, RUNTIME-10, RUNTIME-11, RUNTIME-12, RUNTIME-13, RUNTIME-14
func TestDefaults(t *testing.T) {
	limits := Limits{MaxMessage: 64 << 20, MaxStream: 1 << 62, MaxOutput: 8 << 20, MaxInput: 8 << 20, MaxQueue: 1024, MinRate: 1024}
	timeouts := Timeouts{
		Dial: 5 * time.Second, Handshake: 5 * time.Second, Answer: 30 * time.Second, Turn: 50 * time.Millisecond, Write: 10 * time.Second, Progress: 30 * time.Second,
		Idle: -1, Stall: -1, Close: 5 * time.Second, Settle: time.Second, Linger: time.Second, HalfClose: 30 * time.Second, KeepAlive: 15 * time.Second,
	}
	line := timeouts
	line.Handshake, line.Progress = 3*time.Second, -1
	for _, want := range []struct {
		protocol Protocol
		timeouts Timeouts
		conns    int
	}{{tinyproto.Protocol{}, timeouts, 10_000}, {oneline.Protocol{}, line, 1}} {
		s := &Server{Protocol: want.protocol, Pull: true}
		if err := s.init(); err != nil {
			t.Fatal(err)
		}
		name := want.protocol.Name()
		if s.cfg.limits != limits {
			t.Errorf("%s: limits %+v, want %+v", name, s.cfg.limits, limits)
		}
		if s.cfg.timeouts != want.timeouts {
			t.Errorf("%s: timeouts %+v, want %+v", name, s.cfg.timeouts, want.timeouts)
		}
		if s.cfg.patience != (session.Patience{Write: true, Progress: true, Answer: true}) {
			t.Errorf("%s: patience %+v, want all", name, s.cfg.patience)
		}
		if n := cap(s.slots); n != want.conns {
			t.Errorf("%s: %d connections, want %d", name, n, want.conns)
		}
		if n := s.cfg.budget.limit; n != 512<<20 {
			t.Errorf("%s: %d bytes of unfinished messages, want 512 MiB", name, n)
		}
	}
	if d := drainTime; d != 10*time.Second {
		t.Errorf("a shutdown that a peer asks for drains for %v, want 10 s", d)
	}
}
