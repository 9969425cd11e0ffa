package parley

import "github.com/parley-net/parley/wire"

// A batch is several messages that have arrived together. What has to be asked
// before one of them goes to the handler, or an answer to the machine, has the
// same answer for all of them, as long as nobody else has had the lock meanwhile:
// c.undisturbed says so, and Conn.lock ends it. What is sent in a batch waits for
// its last message, or for the timer of flushLate.

// plain reports whether nothing goes on that must be asked about for each message.
// It is called between handing and the handler.
func (c *Conn) plain() bool {
	return !c.draining && !c.life.ending() && !c.life.reset() && c.out.simple() &&
		!c.turn && c.turns.empty() &&
		c.inbox.len() == 0 && len(c.transform) == 0 && c.cfg.trace == nil && !c.cfg.stepwise && !c.cfg.traits.TakesTurns
}

// batch gives the message in ev to the handler, and those that follow it as long as
// they are undisturbed, except the last one: with that the output leaves. more is
// what handled returns. found says that ev and err are the next thing the machine
// has told. called is set while the handler runs.
func (c *Conn) batch(gen int32, in *input, ev *wire.Event, called *bool) (more, found bool, err error) {
	c.handing()
	c.undisturbed = c.plain()
	for {
		m := ev.Message // under the lock: another may take the reader's role, and the event
		*called = true
		c.mu.Unlock() // it is not at rest, nor will it be before handled
		err := c.cfg.serve(connContext{c}, c, m)
		*called = false
		c.mu.Lock()
		if !c.undisturbed || !c.deferFlush || err != nil {
			c.undisturbed = false
			return c.handled(gen, in, err), false, nil
		}
	next:
		n, err := c.receive(in.bytes(), ev)
		in.r += n
		switch {
		case ev.Kind == wire.EventMessage && err == nil:
			c.stats.MessagesIn++
			c.unheard = false
			c.deferFlush = in.r < len(in.b)
		case ev.Kind == wire.EventConfirmed && err == nil:
			c.control(ev)
			goto next
		default:
			c.undisturbed = false
			return c.handled(gen, in, nil), true, err
		}
	}
}
