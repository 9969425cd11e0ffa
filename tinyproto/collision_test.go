package tinyproto

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// The test in this file explores every order in which two peers can act and
// in which the network can deliver: all conversations of two machines, each
// sending a list of messages whenever it likes, are walked state by state.
// Machines are plain values, so a state is a copy, and states seen before are
// not explored again.

// world is the state of one conversation. It is comparable.
type world struct {
	ends [2]end
	wire [2]queue // wire[i] leads to ends[i]
}

type end struct {
	m         machine
	sent      int  // messages begun
	held      bool // the payload of the last waits for EventGranted
	pieces    int  // of an open payload, still to queue
	came      int64
	received  int // whole messages
	confirmed int
}

// token is an indivisible piece of a stream.
type token uint8

const (
	tokenOK     token = iota + 1 // or hello
	tokenHeader                  // of the sender's next message
	tokenBody                    // of the message whose header came last: all but its last byte
	tokenLast                    // its last byte
)

type queue struct {
	n      int
	tokens [16]token
	header int // index of the next header's message at the receiving side
}

func (q *queue) push(t token) {
	q.tokens[q.n] = t
	q.n++
}

// filler is what all payloads consist of. It is no status, and as a size it
// would be one that never occurs here.
const filler = 0x55

var fill = bytes.Repeat([]byte{filler}, EagerLimit+1)

// explorer walks the conversations of one pair of lists.
type explorer struct {
	lists [2][]int64 // sizes each end sends
	seen  map[world]bool
	trace []step // how the current state was reached
	buf   []byte // for bytes
}

func (x *explorer) fail(format string, args ...any) error {
	return fmt.Errorf("%s\nafter %v", fmt.Sprintf(format, args...), x.trace)
}

type step struct {
	end    int
	action string
}

// walk explores everything that can follow w.
func (x *explorer) walk(w world) error {
	if x.seen[w] {
		return nil
	}
	x.seen[w] = true
	stuck := true
	for _, a := range actions {
		for i := range w.ends {
			if !a.enabled(x, &w, i) {
				continue
			}
			stuck = false
			next := w
			x.trace = append(x.trace, step{i, a.name})
			if err := a.do(x, &next, i); err != nil {
				return err
			}
			if err := x.walk(next); err != nil {
				return err
			}
			x.trace = x.trace[:len(x.trace)-1]
		}
	}
	if !stuck {
		return nil
	}
	for i, e := range w.ends {
		if e.sent != len(x.lists[i]) || e.confirmed != e.sent || e.received != len(x.lists[1-i]) || e.m.Awaiting() != 0 {
			return x.fail("deadlock: end %d is left with %+v", i, e)
		}
	}
	return nil
}

// actions are what can happen at end i.
var actions = []struct {
	name    string
	enabled func(x *explorer, w *world, i int) bool
	do      func(x *explorer, w *world, i int) error
}{
	{"sends",
		func(x *explorer, w *world, i int) bool {
			e := &w.ends[i]
			return e.sent < len(x.lists[i]) && !e.held && e.pieces == 0
		},
		(*explorer).send},
	{"writes what it owes",
		func(_ *explorer, w *world, i int) bool { return w.ends[i].m.owed > 0 },
		(*explorer).output},
	{"writes a piece of its payload",
		func(_ *explorer, w *world, i int) bool { return w.ends[i].pieces > 0 },
		(*explorer).body},
	{"reads one token",
		func(_ *explorer, w *world, i int) bool { return w.wire[i].n > 0 },
		func(x *explorer, w *world, i int) error { return x.read(w, i, 1) }},
	{"reads all",
		func(_ *explorer, w *world, i int) bool { return w.wire[i].n > 1 },
		func(x *explorer, w *world, i int) error { return x.read(w, i, w.wire[i].n) }},
}

func (x *explorer) output(w *world, i int) error {
	for range w.ends[i].m.Output(nil) {
		w.wire[1-i].push(tokenOK)
	}
	return nil
}

func (x *explorer) send(w *world, i int) error {
	if err := x.output(w, i); err != nil {
		return err
	}
	e, to := &w.ends[i], &w.wire[1-i]
	size := x.lists[i][e.sent]
	e.sent++
	out, sent, err := e.m.Send(nil, wire.Bytes(fill[:size]))
	if err != nil {
		return x.fail("Send: %v", err)
	}
	to.push(tokenHeader)
	switch sent.Body {
	case wire.BodyHeld:
		e.held = true
	case wire.BodyFollows:
		e.pieces = 2
	case wire.BodyNone:
		if int64(len(out)) != headerSize+size {
			return x.fail("Send appended %d bytes for a payload of %d", len(out), size)
		}
		if size > 0 {
			to.push(tokenBody)
			to.push(tokenLast)
		}
	}
	return nil
}

func (x *explorer) body(w *world, i int) error {
	e := &w.ends[i]
	if e.pieces == 2 {
		if err := x.output(w, i); err != nil {
			return err
		}
		w.wire[1-i].push(tokenBody)
	} else {
		if e.m.owed > 0 {
			return x.fail("end %d owes something inside its payload", i)
		}
		w.wire[1-i].push(tokenLast)
		e.m.BodySent()
	}
	e.pieces--
	return nil
}

// bytes returns the first n tokens on the way to end i, and drops them.
func (x *explorer) bytes(w *world, i, n int) []byte {
	q := &w.wire[i]
	p := x.buf[:0]
	for _, t := range q.tokens[:n] {
		switch t {
		case tokenOK:
			p = append(p, statusOK)
		case tokenHeader:
			size := x.lists[1-i][q.header]
			p = append(p, 0, byte(size>>16), byte(size>>8), byte(size))
			q.header++
		case tokenBody:
			p = append(p, fill[:x.lists[1-i][q.header-1]-1]...)
		case tokenLast:
			p = append(p, filler)
		}
	}
	q.n = copy(q.tokens[:], q.tokens[n:q.n])
	clear(q.tokens[q.n:])
	x.buf = p
	return p
}

// read gives the next n tokens to end i and checks that it understands them.
// Since payloads are all filler and nothing else is, it can't take one for the
// other unnoticed.
func (x *explorer) read(w *world, i, n int) error {
	p := x.bytes(w, i, n)
	e := &w.ends[i]
	sizes := x.lists[1-i]
	for {
		n, ev, err := wiretest.Receive(&e.m, p)
		if err != nil {
			return x.fail("end %d: %v", i, err)
		}
		p = p[n:]
		switch ev.Kind {
		case wire.EventNone:
			if len(p) > 0 {
				return x.fail("end %d leaves %d bytes", i, len(p))
			}
			return nil
		case wire.EventOffer:
			if ev.N != sizes[e.received] {
				return x.fail("end %d is offered %d bytes, want %d", i, ev.N, sizes[e.received])
			}
			e.came = 0
			e.m.Accept()
		case wire.EventData:
			if bytes.IndexByte(ev.Data, statusOK) >= 0 || bytes.IndexByte(ev.Data, 0) >= 0 { // FF, or a size here
				return x.fail("end %d takes a status or a header for a payload", i)
			}
			e.came += int64(len(ev.Data))
		case wire.EventEnd:
			if e.came != sizes[e.received] {
				return x.fail("end %d received %d bytes, want %d", i, e.came, sizes[e.received])
			}
			e.came = 0
			e.received++
		case wire.EventMessage:
			if int64(ev.Message.Len()) != sizes[e.received] {
				return x.fail("end %d received %d bytes, want %d", i, ev.Message.Len(), sizes[e.received])
			}
			e.received++
		case wire.EventConfirmed:
			e.confirmed += int(ev.N)
			if e.confirmed > e.sent {
				return x.fail("end %d has %d of %d messages confirmed", i, e.confirmed, e.sent)
			}
		case wire.EventGranted:
			if !e.held {
				return x.fail("end %d is granted what it does not hold", i)
			}
			e.held, e.pieces = false, 2
		}
	}
}

// Two peers that start messages at the same time never misunderstand each
// other and never wait for each other for ever, in whatever order things
// happen.
//
// Verifies: TINYPROTO-06, TINYPROTO-07, TINYPROTO-08, TINYPROTO-09, TINYPROTO-10, TINYPROTO-12
func TestCollisionsExhaustively(t *testing.T) {
	// Empty, copied behind its header, streamed eagerly, held.
	sizes := []int64{0, 3, copyLimit + 1, EagerLimit + 1}
	if testing.Short() {
		sizes = sizes[2:]
	}
	x := explorer{seen: map[world]bool{}}
	states := 0
	for _, modes := range [][2]Eager{{Auto, Auto}, {Auto, Never}, {Never, Never}} {
		for i, a := range lists(sizes) {
			for j, b := range lists(sizes) {
				if modes[0] == modes[1] && j > i {
					break // the roles are alike: b, a has been seen
				}
				var w world
				for i := range w.ends {
					w.ends[i].m = *(Protocol{Eager: modes[i]}.New(wire.Role(i), wire.Limits{}).(*machine))
				}
				clear(x.seen)
				x.lists, x.trace = [2][]int64{a, b}, nil
				if err := x.walk(w); err != nil {
					t.Fatalf("modes %v, sizes %v: %v", modes, x.lists, err)
				}
				states += len(x.seen)
			}
		}
	}
	t.Logf("%d states", states)
}

// lists returns all lists of one or two sizes.
func lists(sizes []int64) [][]int64 {
	var all [][]int64
	for _, a := range sizes {
		all = append(all, []int64{a})
		for _, b := range sizes {
			all = append(all, []int64{a, b})
		}
	}
	return all
}
