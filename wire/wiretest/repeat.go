package wiretest

import (
	"bytes"
	"testing"

	"github.com/parley-net/parley/wire"
)

// repeats checks that Repeat appends and returns
// what Send does, for each pair of messages: so that the machine whose form is
// repeated, and the one that repeats it, are in the same state and in different
// ones.
func repeats(t *testing.T, p wire.Protocol, sample func(n int) []wire.Message) {
	var all []wire.Message
	for _, n := range []int{5, 1000, 70_000} {
		for _, m := range sample(n) {
			all = append(all, m)
			if p.Traits().Confirms {
				all = append(all, m.WithConfirm())
			}
		}
	}
	fresh := func(before *wire.Message) wire.Machine {
		m := p.New(wire.Accepting, wire.Limits{})
		if before != nil {
			mustSend(t, m, *before)
		}
		return m
	}
	states := []*wire.Message{nil}
	for i := range all {
		states = append(states, &all[i])
	}
	for _, of := range states {
		for _, at := range states {
			for _, m := range all {
				form, _ := mustSend(t, fresh(of), m)
				want, wantSent := mustSend(t, fresh(at), m)
				machine := fresh(at)
				got, sent, err := machine.(wire.Repeater).Repeat([]byte("before"), form, m)
				if err != nil || sent != wantSent || !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Fatalf("%v repeated: %q, %+v, %v; sent: %q, %+v", m, got, sent, err, want, wantSent)
				}
				if sharer, ok := fresh(at).(wire.Sharer); ok {
					out, same, sent, err := sharer.Share([]byte("before"), form, m)
					if err != nil || sent != wantSent || !bytes.Equal(append(out, same...), got) {
						t.Fatalf("%v shared: %q and %q, %+v, %v; sent: %q, %+v", m, out, same, sent, err, want, wantSent)
					}
				}
				if machine.Awaiting() != awaiting(t, fresh(at), m) {
					t.Fatalf("%v repeated: %d answers are awaited", m, machine.Awaiting())
				}
				next, _ := mustSend(t, machine, all[0])
				other := fresh(at)
				mustSend(t, other, m)
				if wantNext, _ := mustSend(t, other, all[0]); !bytes.Equal(next, wantNext) {
					t.Fatalf("%v repeated: then %v is sent as %q, want %q", m, all[0], next, wantNext)
				}
			}
		}
	}
	left := fresh(nil)
	left.Close(nil)
	form, _ := mustSend(t, fresh(nil), all[0])
	if got, _, err := left.(wire.Repeater).Repeat(nil, form, all[0]); err != wire.ErrLeft || len(got) > 0 {
		t.Errorf("repeated after the farewell: %q, %v", got, err)
	}
}

func mustSend(tb testing.TB, m wire.Machine, msg wire.Message) ([]byte, wire.Sent) {
	tb.Helper()
	out, sent, err := m.Send(nil, msg)
	if err != nil {
		tb.Fatal(err)
	}
	if sent.Body == wire.BodyFollows {
		m.BodySent()
	}
	return out, sent
}

func awaiting(tb testing.TB, m wire.Machine, msg wire.Message) int {
	tb.Helper()
	mustSend(tb, m, msg)
	return m.Awaiting()
}
