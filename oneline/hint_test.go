package oneline_test

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// A dialer that meets a plain device is told what that speaks.
//
// Verifies: WIRE-06
func TestPlainDevice(t *testing.T) {
	m := oneline.Protocol{}.New(wire.Dialing, wire.Limits{})
	if hint := m.(wire.Hinter).Hint(nil); !strings.Contains(hint, "line://") {
		t.Error(hint)
	}
	d := wiretest.NewDriver(t, oneline.Protocol{}, wire.Dialing, wire.Limits{})
	d.Feed([]byte("ACME,PSU3,0042,1.7\n"))
	if d.Err == nil || !strings.Contains(d.Err.Error(), "line://") {
		t.Error(d.Err)
	}
	if hint := newServer(t, oneline.Protocol{}).Machine.(wire.Hinter).Hint(nil); hint != "" {
		t.Error(hint)
	}
}
