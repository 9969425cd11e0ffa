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
		c.wake()
	}
}

// unlock releases the lock, and lets c rest if nothing is under way.
func (c *Conn) unlock() {
	if c.s.Reader() == session.ReaderAttached && c.resting() {
		c.rest()
	}
	c.mu.Unlock()
}

// hold is lock for who changes nothing that a batch has asked about, or calls
// entered, and needs no activity before.
func (c *Conn) hold() { c.mu.Lock() }

// letGo is unlock for who knows that c stays as it is: at rest, or not.
func (c *Conn) letGo() { c.mu.Unlock() }
