package parley

import "github.com/parley-net/parley/internal/session"

// This is the only way to a connection's lock.

// lock takes the lock, and wakes c. Everything but the fields of Conn itself needs
// it.
func (c *Conn) lock() {
	c.mu.Lock()
	c.entered()
}

// entered is what lock does once it has the lock.
func (c *Conn) entered() {
	c.runs.meet()
	if c.activity == nil {
		c.resume()
	}
}

// unlock releases the lock, and lets c rest if nothing is under way.
func (c *Conn) unlock() {
	if c.s.Reader() == session.ReaderAttached && c.resting() {
		c.hibernate()
	}
	c.mu.Unlock()
}

// hold is lock for who changes nothing that a batch has asked about, or calls
// entered, and needs no activity before.
func (c *Conn) hold() { c.mu.Lock() }

// letGo is unlock for who knows that c stays as it is: at rest, or not.
func (c *Conn) letGo() { c.mu.Unlock() }

// batchState says what whoever has the lock may do about the output, and what it need
// not ask.
type batchState uint8

const (
	batchNone  batchState = iota // what is sent leaves at once
	batchRuns                    // it leaves at the end of the batch
	batchLast                    // as batchNone, and nobody has called lock since plain was asked
	batchAlone                   // as batchRuns, and likewise
)

// begin begins a batch, in which more follows or not.
func (b *batchState) begin(more bool) {
	*b = batchNone
	if more {
		*b = batchRuns
	}
}

// alone says that nobody else touches the connection until meet.
func (b *batchState) alone() { *b += batchLast }

// last says that no more follows.
func (b *batchState) last() { *b = batchLast }

// over says that what is sent from now on leaves at once.
func (b *batchState) over() { *b = batchNone }

// meet says that somebody else may touch the connection.
func (b *batchState) meet() {
	if *b >= batchLast {
		*b -= batchLast
	}
}

// exclusive reports whether nobody else has touched the connection since alone.
func (b batchState) exclusive() bool { return b >= batchLast }

// defers reports whether what is sent leaves at the end of the batch.
func (b batchState) defers() bool { return b == batchRuns || b == batchAlone }
