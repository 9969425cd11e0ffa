package wiretest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/toy"
	"github.com/parley-net/parley/wire"
)

// flip is a plugin for testing the tests: it inverts all bytes, behind a byte 7.
type flip struct{ bug string }

func (flip) Name() string { return "flip" }

func (f flip) New(_ wire.Role, most int64) wire.Transform { return &flipTransform{f.bug, most, false} }

type flipTransform struct {
	bug    string
	most   int64
	broken bool
}

func (f *flipTransform) Send(dst, p []byte) ([]byte, error) {
	switch f.bug {
	case "replaces":
		dst = nil
	case "changes":
		clear(p)
	case "fails":
		return dst, errors.New("no")
	case "shares":
		return p, nil
	}
	return inverted(append(dst, 7), p), nil
}

func (f *flipTransform) Receive(dst, p []byte) ([]byte, error) {
	if f.broken {
		p = []byte{7}
	}
	if len(p) == 0 || p[0] != 7 {
		f.broken = f.bug == "breaks"
		return dst, errors.New("not mine")
	}
	switch {
	case f.bug == "loses" && len(p) > 300:
		p = p[:300]
	case f.bug == "boundless":
	case int64(len(p)-1) > f.most && f.bug == "unclear":
		return dst, errors.New("no")
	case int64(len(p)-1) > f.most:
		return dst, wire.ErrTooLarge
	}
	return inverted(dst, p[1:]), nil
}

func inverted(dst, p []byte) []byte {
	for _, b := range p {
		dst = append(dst, ^b)
	}
	return dst
}

// A plugin that is as it should be passes.
//
// Verifies: WIRE-08
func TestPluginConforms(t *testing.T) {
	PluginConformance(t, func() wire.Plugin { return flip{} }, []byte("a sample"))
}

// Each way to break the contract is found.
//
// Verifies: WIRE-08
func TestBrokenPluginsAreFoundOut(t *testing.T) {
	all := pluginMessages()
	for bug, want := range map[string]string{
		"replaces":  "not appended",
		"changes":   "has changed p",
		"fails":     "Send of",
		"shares":    "not appended",
		"breaks":    "a good message arrives as",
		"loses":     "the other end receives",
		"boundless": "maxMessage is 1000",
		"unclear":   "wire.ErrTooLarge",
	} {
		plugin := func() wire.Plugin { return flip{bug} }
		got := toy.Fails(func(tb testing.TB) {
			roundTrip(tb, plugin, all)
			pluginLimit(tb, plugin)
			pluginDamage(tb, plugin, all)
		})
		if !strings.Contains(got, want) {
			t.Errorf("bug %q: found %q, want %q", bug, got, want)
		}
	}
	shares := func(dst, p []byte) ([]byte, error) { return append(dst, p...), nil }
	if out, err := borrowed(t, "copy", shares, []byte("x")); err != nil || !bytes.Equal(out, []byte("x")) {
		t.Errorf("%q, %v", out, err)
	}
}
