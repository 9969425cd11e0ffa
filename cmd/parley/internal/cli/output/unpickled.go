package output

import (
	"github.com/parley-net/parley"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// Unpickled returns a message with what its pickle says, unless ?pickle=0 asks
// for the pickle itself, or it can't be read.
func Unpickled(p parley.Protocol, m parley.Message) parley.Message {
	own, ok := p.(serpy.Protocol)
	if !ok || own.NoPickle || !recording.IsPickle(m) {
		return m
	}
	v, err := pickle.Decode(m.Bytes(), own.PickleLimits)
	if err != nil {
		return m
	}
	mode, _ := serpy.Mode(m)
	return serpy.WithMode(recording.FromPickle(v), mode)
}
