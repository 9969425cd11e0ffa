package parley

import "github.com/parley-net/parley/internal/session"

// TrySend is Send that never waits: if Limits.MaxOutput bytes wait for the peer
// it returns ErrSlowConsumer, and m is not sent. Where another message has the
// turn m queues behind it. m's bytes may be used again when TrySend returns; a nil
// error means that m will leave as one that was sent would, not that it has.
//
// It is for who must not be held up by one peer that reads slowly: a room of
// many, a reading that is worth nothing later. See also Server.BroadcastTo.
func (c *Conn) TrySend(m Message) error {
	c.lock()
	defer c.unlock()
	b := session.NewBroadcast(m, 1)
	posted, err := c.s.Post(&b)
	if posted {
		c.flush(flushDeferred)
	}
	return err
}
