package parley

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// config is what a Server or Dialer gives to each of its connections.
type config struct {
	protocol Protocol
	traits   wire.Traits
	role     wire.Role
	handler  Handler // nil: messages wait for Receive
	streams  StreamHandler
	stepwise bool // the program pulls messages and answers in their order
	hooks    Hooks
	plugins  []Plugin
	limits   Limits
	timeouts Timeouts
	logger   *slog.Logger // nil: silent
	trace    func(Trace)
	budget   *budget     // nil: none
	shutdown func(*Conn) // honours a peer's request to end the server
	opened   func(*Conn) // tells the server that OnOpen has agreed
	closed   func(*Conn) // tells the server that the connection has ended
}

// Conn is one connection. All methods may be called concurrently, also from
// its own handler: whatever a handler waits for, the connection goes on
// reading meanwhile, messages queue in order, and nothing deadlocks.
//
// A connection with a Handler gives its messages to it; one without keeps them
// for Receive.
type Conn struct {
	cfg *config
	nc  net.Conn
	io  *transport // for who reads c and may wait
	lc  *loopConn  // nc, if a loop tells when it can be read
	id  uint64

	place int // in Server.conns; its lock guards this

	mu sync.Mutex // guards all that follows, and the machine
	m  wire.Machine

	// Reading. One goroutine at a time has the reader's role; event and in belong
	// to it. While a handler runs on that goroutine, another may take the role
	// over: gen tells the old one that it has lost it.
	event     *wire.Event // the last one
	in        *input
	own       input    // what in points to at first
	seen      []byte   // for the trace: the input as it has arrived
	runner    *runner  // runs the machine and the handlers now, or nil
	consumed  int64    // bytes of the peer that the machine has consumed
	began     int64    // of these, those before the last message
	before    int64    // of the peer's bytes, those that had been read when draining began
	asm       assembly // a message that arrives in pieces
	stream    *Stream  // being read by the program
	inbox     inbox    // messages that wait for Receive or for the handler
	ready     waitList // receivers; none waits while the inbox has something
	room      waitList // the reader, while the inbox is full or a stream is open
	holding   int64    // what the budget knows of
	watch     *watch   // nil: nothing to watch
	gen       int32
	reader    readerState
	handling  bool // a handler runs
	postponed bool // the event is an offer still to be decided about
	missed    bool // a loop saw an event while another goroutine served it
	partial   bool // a message has begun and the reader waits for its rest
	opened    bool // the handshake is done
	eof       bool // the peer's stream has ended
	broken    bool // the machine has given up: nothing more is read
	draining  bool // the server shuts down

	// Writing; see write.go.
	out        []byte        // the tail of the output, from bufpool, or nil
	queue      []segment     // what goes before it, if bodies are among it
	queued     int           // bytes in queue
	current    segment       // what is being written
	gone       uint64        // of BytesOut, what the kernel has taken
	lastSend   time.Duration // when the last message was sent, since Opened
	late       *time.Timer   // see flushLate
	turns      waitList      // senders that wait for their turn
	posted     int           // what messages among them cost, see offer
	held       *held         // the message whose body the peer must grant
	drained    waitList      // those who wait until the output is empty
	sent       uint64        // messages that will be confirmed
	confirms   waitList      // those who wait for that, in the order of sending
	transform  []wire.Transform
	hint       int32 // how large the output was last time
	writing    bool  // somebody is writing
	aside      bool  // another goroutine is about to flush
	deferFlush bool  // the reader will flush at the end of its batch
	lateArmed  bool
	turn       bool // a message is being handed to the machine
	farewell   bool // the end has begun: nothing may be sent, input is ignored
	said       bool // all that the program has sent has left
	mute       bool // the machine's answers are withheld
	fin        bool // our direction is closed
	severed    bool // nothing can be written any more: eofErr says why
	unheard    bool // nothing has arrived since the last message was sent
	fed        bool // the machine has been fed, or has sent, since Output was asked: it may owe something

	// Life.
	opens      waitList      // Dial, until the handshake is done
	eofErr     error         // what was wrong with the end of the peer's stream
	reason     error         // why the end has begun
	err        error         // why the connection ended; nil while it lives
	done       chan struct{} // closed when all has ended and OnClose has run, if anybody asked
	dead       chan struct{} // closed when err is set, if anybody asked
	stats      ConnStats
	spare      *waiter
	value      any
	goroutines int32
	finished   bool        // done is closed, or would be
	over       atomic.Bool // err is set, for who can't take the lock
}

// newConn makes a connection of an established nc. The caller starts it.
func newConn(cfg *config, nc net.Conn, id uint64) *Conn {
	c := &Conn{
		cfg: cfg,
		nc:  nc,
		id:  id,
		m:   cfg.protocol.New(cfg.role, wire.Limits{MaxMessage: cfg.limits.MaxMessage}),
		fed: true, // it may owe a greeting
	}
	c.in = &c.own
	c.stats.Opened = time.Now()
	for _, p := range cfg.plugins {
		c.transform = append(c.transform, p.New(cfg.role, cfg.limits.MaxMessage))
	}
	return c
}

// start begins reading on a new goroutine. The handshake, with that of TLS
// before it, has begun at the given time. It is called with the lock held.
func (c *Conn) start(began time.Time) {
	c.io = newTransport(c.nc)
	c.goroutines++
	c.watchHandshake(began)
	go c.read()
}

// ID is a number that no other connection of the same Server or Dialer has.
func (c *Conn) ID() uint64 { return c.id }

// Protocol returns the connection's protocol.
func (c *Conn) Protocol() Protocol { return c.cfg.protocol }

// LocalAddr returns this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the network connection, for instance to look at the state
// of TLS. Reading, writing or closing it breaks the conversation. With
// Server.EventLoops it is no *net.TCPConn, but a syscall.Conn all the same.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Context returns a context that ends when the connection does.
func (c *Conn) Context() context.Context { return connContext{c} }

// Done returns a channel that is closed when the connection has ended, its
// handler has returned and OnClose has run.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return closedChan(&c.done, c.finished)
}

// closedChan returns *ch, which it makes if nobody has asked for it before. It is
// called with the lock held.
func closedChan(ch *chan struct{}, closed bool) <-chan struct{} {
	if *ch == nil {
		*ch = make(chan struct{})
		if closed {
			close(*ch)
		}
	}
	return *ch
}

// ending returns a channel that is closed when err is set.
func (c *Conn) ending() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return closedChan(&c.dead, c.err != nil)
}

// Err says why the connection ended; nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Buffered returns how many received messages wait for Receive.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inbox.len()
}

// Value returns what SetValue stored: the program's own state for this
// connection.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// SetValue stores the program's own state for this connection.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// peer is the peer's address for errors and logs.
func (c *Conn) peer() string {
	if a := c.nc.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "unknown"
}

// cut ends the connection now: err is the reason, unless there is one
// already. It is called with the lock held.
func (c *Conn) cut(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.over.Store(true)
	if c.dead != nil {
		close(c.dead)
	}
	hangUp(c.nc)
	c.unwatch()
	if c.late != nil {
		c.late.Stop()
	}
	c.opens.all(err)
	c.turns.all(&notSentError{err})
	c.confirms.all(err)
	c.drained.all(err)
	c.room.all(err)
	c.ready.all(err)
	c.dropOutput(err)
	if c.reader == readerAttached {
		c.reader = readerGone
	}
	c.settle()
}

// hangUp closes nc at once. TLS would first say goodbye and wait until that has
// left; see linger for where it does.
func hangUp(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	nc.Close()
}

// settle ends the connection if none of its goroutines is left to do it: what
// was received may wait for the program long after the peer has gone. It is
// called with the lock held.
func (c *Conn) settle() {
	if c.goroutines > 0 || c.err == nil || c.reader != readerGone {
		return
	}
	c.goroutines++
	go func() {
		c.mu.Lock()
		c.exit()
	}()
}

// exit ends one of the connection's goroutines; the last one runs OnClose. It
// is called with the lock held and releases it.
func (c *Conn) exit() {
	c.goroutines--
	last := c.goroutines == 0 && c.err != nil && c.reader == readerGone
	opened, err := c.opened, c.err
	if last {
		c.in.release()
		bufpool.Put(c.asm.buf)
		c.asm = assembly{}
		c.holds()
	}
	c.mu.Unlock()
	if !last {
		return
	}
	if opened && c.cfg.hooks.OnClose != nil {
		c.guard(func() error { c.cfg.hooks.OnClose(c, err); return nil })
	}
	if c.cfg.logger != nil {
		c.cfg.logger.Info("connection closed", "conn", c.id, "peer", c.peer(), "reason", err)
	}
	c.mu.Lock()
	c.finished = true
	if c.done != nil {
		close(c.done)
	}
	c.mu.Unlock()
	if c.cfg.closed != nil {
		c.cfg.closed(c)
	}
}

// connContext is the context of a connection.
type connContext struct{ c *Conn }

func (x connContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (x connContext) Done() <-chan struct{}       { return x.c.ending() }
func (x connContext) Value(key any) any {
	if key == (handlerOf{}) {
		return x.c
	}
	return nil
}

// handlerOf is the context key of the connection whose handler runs.
type handlerOf struct{}

func (x connContext) Err() error {
	if x.c.over.Load() { // not c.err: this is asked with the lock held, and without
		return context.Canceled
	}
	return nil
}
