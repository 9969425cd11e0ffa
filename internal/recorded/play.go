// Package recorded has what was recorded of the original programs, and plays it
// through our machines in either role: each protocol's tests say by [Classify] what
// every recording is to them.
package recorded

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// An Action is something our side does of its own accord.
type Action func(d *wiretest.Driver) error

// Send is the action of sending m.
func Send(m wire.Message) Action {
	return func(d *wiretest.Driver) error { return d.Send(m) }
}

// SendText is the actions of sending each text.
func SendText(texts ...string) []Action {
	var all []Action
	for _, s := range texts {
		all = append(all, Send(wire.Text(s)))
	}
	return all
}

// Close is the action of saying the farewell.
func Close() Action {
	return func(d *wiretest.Driver) error { d.Close(); return nil }
}

// A Play is one side of a transcript, to be taken by our machine.
//
// The player makes a machine for each connection and walks the steps. The
// peer's bytes are fed; when the peer closes, the machine is told. Before one
// of our own steps the player lets our side act: while our machine has not yet
// written as many bytes as are recorded up to this step, it does the next
// action of Do. Then our bytes must be the recorded ones. Our side may run
// ahead of the record (tinyproto's eager sending); it must not fall behind,
// except in a step marked as a race. At our own close, and at the end, the
// remaining actions are done, and all our bytes must be those recorded for the
// connection, no less and no more. A reset ends a connection without a word to
// the machine.
//
// Everything is played twice, the peer's bytes fed step by step and byte by
// byte.
type Play struct {
	Protocol wire.Protocol
	Role     wire.Role
	Limits   wire.Limits
	// Do lists our actions for each connection, by its number.
	Do map[int][]Action
	// Reply is called with each message received and may Send; see Driver.
	Reply func(d *wiretest.Driver, m wire.Message)
	// Refuse declines offers; see Driver.
	Refuse func(m wire.Message, size int64) error
	// Check looks at the outcome: one driver for each connection, in order.
	// Without it the player asserts that no connection ended with an error.
	Check func(t *testing.T, tr Transcript, conns []*wiretest.Driver)
}

// Run plays tr.
func (p Play) Run(t *testing.T, tr Transcript) {
	t.Run(p.Role.String()+"/whole", func(t *testing.T) { p.run(t, tr, (*wiretest.Driver).Feed) })
	t.Run(p.Role.String()+"/bytewise", func(t *testing.T) { p.run(t, tr, (*wiretest.Driver).FeedBytewise) })
}

func (p Play) run(t *testing.T, tr Transcript, feed func(*wiretest.Driver, []byte)) {
	conns := p.play(t, tr, feed)
	if p.Check != nil {
		p.Check(t, tr, conns)
		return
	}
	for i, d := range conns {
		if d.Err != nil {
			t.Errorf("connection %d: %v", i, d.Err)
		}
	}
}

// play walks the steps and compares our bytes.
func (p Play) play(tb testing.TB, tr Transcript, feed func(*wiretest.Driver, []byte)) []*wiretest.Driver {
	if len(tr.Steps) == 0 {
		tb.Fatal("there are no bytes to play")
	}
	var conns []*connection
	at := func(conn int) *connection {
		for len(conns) <= conn {
			conns = append(conns, p.start(tb, len(conns)))
		}
		return conns[conn]
	}
	for i, s := range tr.Steps {
		c := at(s.Conn)
		switch {
		case s.From == p.Role:
			c.want = append(c.want, s.Bytes...)
			c.act(tb, s.Event != "")
			if !bytes.HasPrefix(c.d.Out, c.want) && !(s.Race && bytes.HasPrefix(c.want, c.d.Out)) {
				tb.Fatalf("step %d, connection %d: we have written\n  %s\nrecorded is\n  %s\nevents %v, error %v",
					i, s.Conn, clip(tail(c.d.Out, c.want)), clip(tail(c.want, c.d.Out)), c.d.Events, c.d.Err)
			}
		case s.Event == "fin":
			c.d.EOF()
		case s.Event == "":
			feed(c.d, s.Bytes)
		}
	}
	var drivers []*wiretest.Driver
	for i, c := range conns {
		c.act(tb, true)
		if !bytes.Equal(c.d.Out, c.want) {
			tb.Errorf("connection %d: we have written\n  %s\nrecorded is\n  %s\nevents %v, error %v",
				i, clip(tail(c.d.Out, c.want)), clip(tail(c.want, c.d.Out)), c.d.Events, c.d.Err)
		}
		drivers = append(drivers, c.d)
	}
	return drivers
}

// tail returns p from shortly before the place where it leaves q.
func tail(p, q []byte) []byte {
	i := 0
	for i < len(p) && i < len(q) && p[i] == q[i] {
		i++
	}
	return p[max(0, i-16):]
}

// connection is one connection of a play.
type connection struct {
	d    *wiretest.Driver
	do   []Action
	want []byte // what is recorded of our side so far
}

func (p Play) start(tb testing.TB, conn int) *connection {
	d := wiretest.NewDriver(tb, p.Protocol, p.Role, p.Limits)
	d.Conn, d.Reply, d.Refuse = conn, p.Reply, p.Refuse
	return &connection{d: d, do: p.Do[conn]}
}

// act does actions until our bytes reach the record, or all of them.
func (c *connection) act(tb testing.TB, all bool) {
	tb.Helper()
	for len(c.do) > 0 && (all || len(c.d.Out) < len(c.want)) {
		do := c.do[0]
		c.do = c.do[1:]
		if err := do(c.d); err != nil {
			tb.Fatalf("connection %d: %v", c.d.Conn, err)
		}
	}
}

// A Case says what one transcript is to the protocol's tests. Exactly one of
// these holds:
//
//   - sound: Plays is set, each is played.
//   - a defect of an original: Defect says which, Test asserts what we do
//     better. Plays may be set too, for the side that behaves.
//   - not about bytes: NoBytes says what it is about. It must have no steps.
type Case struct {
	Plays   []Play
	Defect  string
	Test    func(t *testing.T, tr Transcript)
	NoBytes string
}

// Classify runs the cases of all transcripts of a folder, by name. It fails
// for a transcript without a case, a case without a transcript, and a case
// that tests nothing.
func Classify(t *testing.T, folder string, cases map[string]Case) {
	all := Load(t, folder)
	for _, complaint := range classified(all, cases) {
		t.Error(complaint)
	}
	for _, tr := range all {
		c := cases[tr.Name]
		if len(c.Plays) == 0 && c.Test == nil {
			continue
		}
		t.Run(tr.Name, func(t *testing.T) {
			for _, p := range c.Plays {
				p.Run(t, tr)
			}
			if c.Test != nil {
				c.Test(t, tr)
			}
		})
	}
}

// classified returns what is wrong with the cases as such.
func classified(all []Transcript, cases map[string]Case) []string {
	var complaints []string
	known := map[string]bool{}
	for _, tr := range all {
		known[tr.Name] = true
		c, ok := cases[tr.Name]
		switch {
		case !ok:
			complaints = append(complaints, tr.Name+" is not classified")
		case c.NoBytes != "" && (len(tr.Steps) > 0 || c.Plays != nil || c.Test != nil || c.Defect != ""):
			complaints = append(complaints, tr.Name+" is said to be not about bytes, but there are bytes or tests")
		case (c.Defect != "") != (c.Test != nil):
			complaints = append(complaints, tr.Name+": a defect needs a test of what we do better, and only a defect has one")
		case c.NoBytes == "" && c.Defect == "" && len(c.Plays) == 0:
			complaints = append(complaints, tr.Name+": nothing is tested")
		}
	}
	for name := range cases {
		if !known[name] {
			complaints = append(complaints, "there is no transcript "+name)
		}
	}
	return complaints
}

// clip prints bytes for a test's message.
func clip(p []byte) string {
	const limit = 80
	if len(p) <= limit {
		return fmt.Sprintf("% x (%q)", p, p)
	}
	return fmt.Sprintf("% x… (%d bytes)", p[:limit], len(p))
}
