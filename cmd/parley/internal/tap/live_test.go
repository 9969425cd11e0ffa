package tap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// conversation is two machines, a tap between them, and the time that bytes
// take on both sides of the tap: a side has always said more than the tap has
// seen, and the tap has seen more than the other side has read.
type conversation struct {
	ends  [2]*wiretest.Driver // by role
	seen  [2]int              // of what each has said: by the tap
	read  [2]int              // by the other side
	log   *log
	rng   *rand.Rand
	queue [2][]wire.Message // yet to be said
	told  [2][]wire.Message // said
}

func newConversation(t *testing.T, client, server wire.Protocol, seed uint64) *conversation {
	return &conversation{
		ends: [2]*wiretest.Driver{
			wire.Dialing:   wiretest.NewDriver(t, client, wire.Dialing, wire.Limits{}),
			wire.Accepting: wiretest.NewDriver(t, server, wire.Accepting, wire.Limits{}),
		},
		log: newLog(client),
		rng: rand.New(rand.NewPCG(seed, 7)),
	}
}

// run goes on until nothing is under way and nothing is left to be said.
func (c *conversation) run(t *testing.T) {
	for {
		var possible []func()
		for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
			end := c.ends[role]
			if end.Err != nil {
				t.Fatalf("%v: %v", role, end.Err)
			}
			if len(c.queue[role]) > 0 {
				possible = append(possible, func() {
					m := c.queue[role][0]
					c.queue[role] = c.queue[role][1:]
					if err := end.Send(m); err != nil {
						t.Fatal(err)
					}
					c.told[role] = append(c.told[role], m)
				})
			}
			if left := end.Out[c.seen[role]:]; len(left) > 0 {
				possible = append(possible, func() {
					n := c.some(len(left))
					c.log.feed(role, left[:n])
					c.seen[role] += n
				})
			}
			if left := end.Out[c.read[role]:c.seen[role]]; len(left) > 0 {
				possible = append(possible, func() {
					n := c.some(len(left))
					c.read[role] += n
					c.ends[role.Peer()].Feed(left[:n])
				})
			}
		}
		if len(possible) == 0 {
			return
		}
		possible[c.rng.IntN(len(possible))]()
	}
}

// some is the size of a segment: often a few bytes, to cut headers.
func (c *conversation) some(n int) int {
	switch c.rng.IntN(4) {
	case 0:
		return n
	case 1:
		return min(n, 1+c.rng.IntN(1<<16))
	}
	return min(n, 1+c.rng.IntN(8))
}

// check compares what was overheard with what was said, and the confirmations
// with those that the machines have seen.
func (c *conversation) check(t *testing.T) {
	t.Helper()
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		got := c.log.messages(role)
		for i := range max(len(got), len(c.told[role])) {
			if i >= len(got) || i >= len(c.told[role]) || !bytes.Equal(got[i].AppendText(nil), c.told[role][i].AppendText(nil)) {
				t.Fatalf("%v: message %d of %d differs, %d were said: %.2000s", role, i, len(got), len(c.told[role]), c.log)
			}
		}
		if n := c.ends[role].Count(wire.EventConfirmed); c.log.confirmed(role.Peer()) != int64(n) {
			t.Errorf("%v: %d confirmations overheard, %d of its messages were confirmed", role, c.log.confirmed(role.Peer()), n)
		}
	}
	for _, i := range c.log.items {
		if i.Kind == Lost || i.Kind == Stopped {
			t.Errorf("%v %s: %v", i.From, i.Kind, i.Err)
		}
	}
	if c.log.items[0].Kind != Open {
		t.Errorf("the first item is %v", c.log.items[0].Kind)
	}
}

// Messages of all sizes cross in all ways; their contents look like statuses
// and headers.
func TestTinyprotoCrossing(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 4, 5, 255, 256, tinyproto.EagerLimit - 1, tinyproto.EagerLimit, tinyproto.EagerLimit + 1, 3 * tinyproto.EagerLimit}
	fills := []string{"\xff", "\x00", "\xff\x00\x00\x00\x01", "\x00\x01\x00\x01", "\xfe\xfd"}
	options := []tinyproto.Protocol{{}, {Eager: tinyproto.Never}}
	seeds := 80
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newConversation(t, options[seed&1], options[seed>>1&1], uint64(seed))
			for role := range c.queue {
				for range 1 + c.rng.IntN(12) {
					size := sizes[c.rng.IntN(len(sizes))]
					fill := fills[c.rng.IntN(len(fills))]
					c.queue[role] = append(c.queue[role], wire.Bytes(bytes.Repeat([]byte(fill), size/len(fill)+1)[:size]))
				}
			}
			c.run(t)
			c.check(t)
		})
	}
}

func TestSerpyCrossing(t *testing.T) {
	for seed := range 50 {
		c := newConversation(t, serpy.Protocol{}, serpy.Protocol{Mode: 3}, uint64(seed))
		for role := range c.queue {
			for i := range 20 {
				m := wire.Text(fmt.Sprintf("message %d", i))
				if i%3 == 0 {
					m = wire.Bytes(bytes.Repeat([]byte{0x1f, 0x04, 0x01}, c.rng.IntN(50)))
				}
				c.queue[role] = append(c.queue[role], serpy.WithMode(m, c.rng.IntN(4)))
			}
		}
		c.run(t)
		c.check(t)
	}
}

func TestSerpy2Crossing(t *testing.T) {
	for seed := range 50 {
		c := newConversation(t, serpy2.Protocol{}, serpy2.Protocol{}, uint64(seed))
		for role := range c.queue {
			c.queue[role] = []wire.Message{
				wire.Int(int64(seed) - 25), wire.Float(1.5), wire.Text("héllo"), wire.Bytes(make([]byte, 1+c.rng.IntN(1<<17))), wire.Bytes(nil),
			}
		}
		c.run(t)
		c.check(t)
	}
}

// A client pipelines; the server answers each line with none, one or two. A
// ping among the commands is answered by the machine.
func TestOnelinePipelined(t *testing.T) {
	for seed := range 50 {
		c := newConversation(t, oneline.Protocol{}, oneline.Protocol{}, uint64(seed))
		c.ends[wire.Accepting].Reply = func(d *wiretest.Driver, m wire.Message) {
			for i := range m.Len() % 3 {
				answer := wire.Text(fmt.Sprintf(" answer %d to %s ", i, m.Text()))
				if err := d.Send(answer); err != nil {
					t.Error(err)
				}
				c.told[wire.Accepting] = append(c.told[wire.Accepting], answer)
			}
		}
		for i := range 10 {
			c.queue[wire.Dialing] = append(c.queue[wire.Dialing], wire.Text(fmt.Sprintf("%0*d", 1+i%4, i)))
		}
		c.queue[wire.Dialing] = append(c.queue[wire.Dialing], wire.Text(ping))
		c.run(t)
		c.told[wire.Accepting] = append(c.told[wire.Accepting], wire.Text(pong))
		c.check(t)
	}
}
