package serpy2_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

type (
	plays   = []recorded.Play
	actions = map[int][]recorded.Action
)

// says is an accepting or dialing side that says ms on connection 0 and hears
// nothing.
func says(role wire.Role, ms ...wire.Message) recorded.Play {
	var do []recorded.Action
	for _, m := range ms {
		do = append(do, recorded.Send(m))
	}
	return recorded.Play{Protocol: serpy2.Protocol{}, Role: role, Do: actions{0: do}}
}

// hears is a side that says nothing and hears want on connection 0; see heard.
func hears(role wire.Role, want ...any) recorded.Play {
	return recorded.Play{Protocol: serpy2.Protocol{}, Role: role, Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		heard(t, conns[0], want...)
	}}
}

// bothRoles is a conversation in which only from speaks.
func bothRoles(from wire.Role, ms ...wire.Message) plays {
	return plays{says(from, ms...), hears(from.Peer(), anys(ms)...)}
}

// heard checks all that happened on a connection: the messages, in order, and
// for each entry that is a lost: a message that was lost for that reason.
func heard(t *testing.T, d *wiretest.Driver, want ...any) {
	t.Helper()
	if d.Err != nil {
		t.Errorf("connection %d: %v", d.Conn, d.Err)
	}
	got := d.Events[1:] // behind EventOpen
	if len(got) != len(want) {
		t.Fatalf("connection %d: events %v, want %v", d.Conn, got, want)
	}
	for i, e := range got {
		switch w := want[i].(type) {
		case wire.Message:
			if e.Kind != wire.EventMessage || !equal(e.Message, w) {
				t.Errorf("connection %d: event %d is %v, want %v", d.Conn, i, e, w)
			}
		case lost:
			if e.Kind != wire.EventLost || !strings.Contains(e.Err, string(w)) {
				t.Errorf("connection %d: event %d is %v, want a loss with %q", d.Conn, i, e, w)
			}
		default:
			t.Fatalf("the test wants %T", w)
		}
	}
}

type lost string

// equal reports whether two messages are the same value of the same type. The
// text of a number tells it exactly.
func equal(a, b wire.Message) bool { return a.Type() == b.Type() && a.Text() == b.Text() }

// values returns the recorded values named key of side's entries that begin
// with entry.
func values(tb testing.TB, name, side, entry, key string) []wire.Message {
	tb.Helper()
	var ms []wire.Message
	for _, v := range recorded.Find(tb, "serpy2", name).Values(side, entry, key) {
		ms = append(ms, v.Message())
	}
	if len(ms) == 0 {
		tb.Fatalf("%s: no %s %s", name, side, entry)
	}
	return ms
}

// results returns what side's original read.
func results(tb testing.TB, name, side string) []wire.Message {
	tb.Helper()
	return values(tb, name, side, "getData()", "result")
}

// fails is an attempt to send m that raises in the original.
func fails(m wire.Message, want error) recorded.Action {
	return func(d *wiretest.Driver) error {
		if err := d.Send(m); !errors.Is(err, want) {
			return fmt.Errorf("Send(%v) returned %v, want %v", m, err, want)
		}
		return nil
	}
}

// better asserts what our server makes of the bytes whose end is dropped by
// the original. The segments don't matter to us.
func better(defect string, want ...any) recorded.Case {
	return recorded.Case{Defect: defect, Test: func(t *testing.T, tr recorded.Transcript) {
		for _, feed := range []func(*wiretest.Driver, []byte){(*wiretest.Driver).Feed, (*wiretest.Driver).FeedBytewise} {
			d := wiretest.NewDriver(t, serpy2.Protocol{}, wire.Accepting, wire.Limits{})
			feed(d, tr.Stream(0, wire.Dialing))
			d.EOF()
			heard(t, d, want...)
		}
	}}
}

// Verifies: SERPY2-02, SERPY2-03, SERPY2-04, SERPY2-05, SERPY2-06, SERPY2-07, SERPY2-08, SERPY2-09, SERPY2-10, SERPY2-11, SERPY2-12, SERPY2-13, SERPY2-16
func TestTranscripts(t *testing.T) {
	text, kthxbye := wire.Text, wire.Text("/KTHXBYE")
	sound := func(ps ...recorded.Play) recorded.Case { return recorded.Case{Plays: ps} }
	// fromClient is a client that sends what the original's server then reads.
	fromClient := func(name string) recorded.Case {
		return recorded.Case{Plays: bothRoles(wire.Dialing, results(t, name, "server")...)}
	}
	// rawClient is a hand-driven client; we are the server and read what the
	// original reads.
	rawClient := func(name string) recorded.Case {
		return sound(hears(wire.Accepting, anys(results(t, name, "server"))...))
	}
	const deaf = "the decoding thread dies, the connection stays open and deaf"
	const thrown = "everything buffered is thrown away, good blocks too"

	ten := make([]any, 10)
	for i := range ten {
		ten[i] = text(fmt.Sprintf("n%d", i))
	}
	var sixty []wire.Message
	for i := range 60 {
		sixty = append(sixty, wire.Int(int64(i)))
	}

	broadcast := results(t, "broadcast", "client2")
	pingpong := results(t, "pingpong", "client")
	lockstep := results(t, "pingpong_lockstep", "client")
	echo := func(d *wiretest.Driver, m wire.Message) {
		if !equal(m, kthxbye) {
			d.Send(m)
		}
	}
	images := results(t, "instrument", "client")
	asks := values(t, "instrument", "server", "getData()", "data")

	recorded.Classify(t, "serpy2", map[string]recorded.Case{
		// Values, from the client to the server and the other way round.
		"burst":       fromClient("burst"),
		"bytes":       fromClient("bytes"),
		"bytes_1m":    fromClient("bytes_1m"),
		"float":       fromClient("float"),
		"int":         fromClient("int"),
		"str":         fromClient("str"),
		"str_64k":     fromClient("str_64k"),
		"from_server": {Plays: bothRoles(wire.Accepting, results(t, "from_server", "client")...)},
		"checksum_wraps": sound(says(wire.Dialing,
			wire.Bytes(recorded.Find(t, "serpy2", "checksum_wraps").Stream(0, wire.Dialing)[14:]))),

		// What can't be sent.
		"bad_types": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: actions{0: {
				fails(wire.Object(true), wire.ErrNotRepresentable),
				fails(wire.Object(nil), wire.ErrNotRepresentable),
				fails(wire.Object([]any{1}), wire.ErrNotRepresentable),
				fails(text("\xed\xa0\x80"), wire.ErrNotRepresentable),
				recorded.Send(text("still fine")),
			}}},
			hears(wire.Accepting, text("still fine"))),
		"int_out_of_range": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: actions{0: {
				fails(wire.BigInt(new(big.Int).Lsh(big.NewInt(1), 63)), wire.ErrNotRepresentable),
				fails(wire.BigInt(new(big.Int).Sub(big.NewInt(-1<<63), big.NewInt(1))), wire.ErrNotRepresentable),
				fails(wire.BigInt(new(big.Int).Lsh(big.NewInt(1), 200)), wire.ErrNotRepresentable),
				recorded.Send(wire.Int(1)),
			}}},
			hears(wire.Accepting, wire.Int(1))),

		// The sample programs.
		"broadcast": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Accepting, Do: actions{
				1: says(wire.Accepting, broadcast...).Do[0],
				2: says(wire.Accepting, broadcast...).Do[0],
			}, Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
				heard(t, conns[0], append(anys(broadcast), kthxbye)...)
			}},
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing,
				Do: says(wire.Dialing, append(broadcast[:len(broadcast):len(broadcast)], kthxbye)...).Do,
				Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
					heard(t, conns[1], anys(broadcast)...)
					heard(t, conns[2], anys(broadcast)...)
				}}),
		"pingpong": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Accepting, Reply: echo},
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: actions{
				0: says(wire.Dialing, pingpong[:6]...).Do[0],
				1: says(wire.Dialing, pingpong[6:]...).Do[0],
				2: {recorded.Send(kthxbye)},
			}, Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
				heard(t, conns[0], anys(pingpong[:6])...)
				heard(t, conns[1], anys(pingpong[6:])...)
			}}),
		"pingpong_lockstep": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Accepting, Reply: echo},
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: says(wire.Dialing, lockstep...).Do,
				Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
					heard(t, conns[0], anys(lockstep)...)
				}}),
		"instrument": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Accepting, Reply: func(d *wiretest.Driver, m wire.Message) {
				if m.Type() == wire.TypeInt {
					d.Send(images[map[int64]int{1: 0, 12: 1, 30: 2}[m.Int()]])
				}
			}},
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: says(wire.Dialing, asks...).Do,
				Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
					heard(t, conns[0], anys(images)...)
				}}),

		// The end of a connection.
		"server_close": {Plays: bothRoles(wire.Dialing, text("hi"))},
		"raw_reset":    rawClient("raw_reset"),
		"restart_session": sound(
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Dialing, Do: actions{
				0: {recorded.Send(text("before"))},
				1: {recorded.Send(text("after"))},
			}},
			recorded.Play{Protocol: serpy2.Protocol{}, Role: wire.Accepting, Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
				heard(t, conns[0], text("before"))
				heard(t, conns[1], text("after"))
			}}),
		"raw_close_right_after_data": better("the end of the stream overtakes blocks already received", ten...),
		"close_deadlock_full_queue": {
			Plays:  bothRoles(wire.Accepting, sixty...),
			Defect: "with twenty unread values close() never returns",
			Test: func(t *testing.T, tr recorded.Transcript) {
				// The machine keeps nothing: after sixty unread blocks a farewell is as good as ever.
				d := wiretest.NewDriver(t, serpy2.Protocol{}, wire.Dialing, wire.Limits{})
				d.Feed(tr.Stream(0, wire.Accepting))
				d.Close()
				if d.Rest() != 0 || len(d.Out) != 0 {
					t.Errorf("%d bytes are left over, % x was written", d.Rest(), d.Out)
				}
			}},
		"too_many_clients": {
			Defect: "one client too many ends the accept thread; its words are never read",
			Test: func(t *testing.T, tr recorded.Transcript) {
				for conn, want := range [][]any{{text("from 1"), text("again")}, {text("from 2")}, {text("from 3")}} {
					d := wiretest.NewDriver(t, serpy2.Protocol{}, wire.Accepting, wire.Limits{})
					d.Feed(tr.Stream(conn, wire.Dialing))
					heard(t, d, want...)
				}
			}},
		"client_send_then_close": {NoBytes: "the original's close() does not flush its queue; ours does, in the runtime"},
		"connect_refused":        {NoBytes: "connecting where nobody listens"},
		"restart_timing":         {NoBytes: "when the original tries to connect again"},

		// Blocks made by hand.
		"raw_block_and_a_half":       rawClient("raw_block_and_a_half"),
		"raw_byte_by_byte":           rawClient("raw_byte_by_byte"),
		"raw_checksum_is_a_sum":      rawClient("raw_checksum_is_a_sum"),
		"raw_float_forms":            rawClient("raw_float_forms"),
		"raw_header_split":           rawClient("raw_header_split"),
		"raw_two_blocks_one_segment": rawClient("raw_two_blocks_one_segment"),
		"raw_types":                  rawClient("raw_types"),
		"raw_wrong_checksum":         sound(hears(wire.Accepting, lost("checksum 00000127, its header says 00000001"), text("good"))),
		"raw_wrong_checksum_unknown_type": sound(hears(wire.Accepting,
			lost("checksum 00000127, its header says 00000001"), text("good"))),

		// One bad block costs one message.
		"raw_float_bad":       better(deaf, lost("not a hexadecimal number"), wire.Int(7)),
		"raw_float_empty":     better(deaf, lost("not a hexadecimal number"), wire.Int(7)),
		"raw_float_non_ascii": better(deaf, lost("not a hexadecimal number"), wire.Int(7)),
		"raw_float_overflow":  better(deaf, lost("beyond the range"), wire.Int(7)),
		"raw_str_bad_utf8":    better(deaf, lost("not UTF-8"), wire.Int(7)),
		"raw_str_surrogate":   better(deaf, lost("not UTF-8"), wire.Int(7)),
		"raw_unknown_type":    better(deaf, lost("unknown type 55"), wire.Int(7)),

		// Garbage costs nothing but itself.
		"raw_bad_id":                        better(thrown, lost("at byte 0: 18 bytes"), text("kept")),
		"raw_garbage_between":               better(thrown, text("first"), lost("at byte 19: 7 bytes"), text("lost"), text("kept")),
		"raw_garbage_long_same_segment":     better(thrown, lost("at byte 0: 20 bytes"), text("lost"), text("kept")),
		"raw_garbage_short_then_block":      better(thrown, lost("at byte 0: 5 bytes"), text("lost"), text("kept")),
		"raw_garbage_short_then_tiny_block": better(thrown, lost("at byte 0: 13 bytes"), text(""), text("kept")),
		"raw_length_too_long": sound(hears(wire.Accepting,
			lost("checksum"), lost("at byte 24: 17 bytes"), text("kept"))),
	})
}

// The player feeds byte by byte too, which is too much for 17 MiB.
//
// Verifies: SERPY2-01
func TestChecksumWraps(t *testing.T) {
	stream := recorded.Find(t, "serpy2", "checksum_wraps").Stream(0, wire.Dialing)
	d := wiretest.NewDriver(t, serpy2.Protocol{}, wire.Accepting, wire.Limits{})
	d.Feed(stream[:14+1<<20])
	d.Feed(stream[14+1<<20:])
	heard(t, d, wire.Bytes(stream[14:]))
}

func anys(ms []wire.Message) []any {
	all := make([]any, len(ms))
	for i, m := range ms {
		all[i] = m
	}
	return all
}
