package wiretest

// Events in the form that does not depend on how the stream was split.

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/parley-net/parley/wire"
)

// An Event is one normalised event: the offer, the data and the end of a
// message are one EventMessage, neighbouring confirmations are one
// EventConfirmed, nothing is borrowed. Normalised events do not depend on how
// the stream was split.
type Event struct {
	Kind    wire.EventKind
	Message wire.Message
	N       int64
	Err     string // of EventLost
}

// String describes the event for a test's message.
func (e Event) String() string {
	switch e.Kind {
	case wire.EventMessage:
		return "message " + e.Message.String()
	case wire.EventConfirmed:
		return fmt.Sprintf("confirmed %d", e.N)
	case wire.EventLost:
		return "lost: " + e.Err
	case wire.EventBanner:
		return "banner " + e.Message.String()
	}
	return e.Kind.String()
}

// result is what must not depend on how the stream was split.
type result struct {
	Events []Event
	Out    []byte
	Err    string
}

func (d *Driver) result() result {
	r := result{Events: d.Events, Out: d.Out}
	if d.Err != nil {
		r.Err = d.Err.Error()
	}
	return r
}

// diff returns what differs between two results, or "".
func diff(got, want result) string {
	for i := range max(len(got.Events), len(want.Events)) {
		switch {
		case i >= len(got.Events):
			return fmt.Sprintf("event %d, %v, is missing", i, want.Events[i])
		case i >= len(want.Events):
			return fmt.Sprintf("event %d, %v, is too much", i, got.Events[i])
		case !reflect.DeepEqual(got.Events[i], want.Events[i]):
			return fmt.Sprintf("event %d is %v, want %v", i, got.Events[i], want.Events[i])
		}
	}
	if got.Err != want.Err {
		return fmt.Sprintf("error is %q, want %q", got.Err, want.Err)
	}
	if !bytes.Equal(got.Out, want.Out) {
		return fmt.Sprintf("our bytes are %s, want %s", clip(got.Out), clip(want.Out))
	}
	return ""
}

// clip prints bytes for a test's message.
func clip(p []byte) string {
	const limit = 80
	if len(p) <= limit {
		return fmt.Sprintf("% x (%q)", p, p)
	}
	return fmt.Sprintf("% x… (%d bytes)", p[:limit], len(p))
}
