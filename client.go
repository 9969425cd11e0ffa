package parley

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// State is the state of a Client.
type State uint8

const (
	StateIdle       State = iota // not yet started
	StateConnecting              // dialling, or in the handshake
	StateConnected
	StateWaiting // between two attempts
	StateClosed  // Close was called, MaxAttempts failed, or no attempt could succeed
)

var stateNames = [...]string{"idle", "connecting", "connected", "waiting", "closed"}

// String returns the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Client keeps a connection to one address alive: when it is lost, it dials
// again, with a fresh machine, until Close. Set the fields before the first
// call of a method; then do not change them. All methods may be called
// concurrently.
//
// A Client never sends a message twice. A message that has not begun to leave
// when the connection is lost waits for the next one; one that may have
// arrived is reported with the connection's error; see ErrNotSent. What no attempt
// can mend (no Protocol, an address without a port) is an error of the first call.
//
// What the peer must be told on every new connection (a login, what one subscribes
// to) belongs in Dialer.Hooks.OnOpen: it runs before anything else is sent there.
type Client struct {
	Dialer Dialer
	Addr   string

	// MinBackoff and MaxBackoff bound the pause before the next attempt: it is
	// random between zero and MinBackoff, doubled with each failure up to
	// MaxBackoff ("full jitter", so that many clients do not return at the
	// same moment). Default 50 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// MaxAttempts is how many attempts in a row may fail before the Client
	// gives up; 0 means never.
	MaxAttempts int
	// OnState is called for each change of state, from one goroutine at a time and
	// in their order; err says why, for StateWaiting and StateClosed. The Client
	// does not wait for it, so it may use the Client, and the state may be another
	// one already. It must not call Close, which waits for it.
	OnState func(s State, err error)

	once    sync.Once
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{}
	mu      sync.Mutex
	state   State
	conn    *Conn
	lost    *Conn // the one before; Receive may not have emptied it
	err     error
	changed chan struct{} // closed at each change
	stats   ClientStats
	current []*Conn  // connections that stats.Total does not contain yet
	untold  []change // what OnState has still to be told
	telling bool     // a goroutine does that
	tellers sync.WaitGroup
}

// change is one of state.
type change struct {
	state State
	conn  *Conn
	err   error
}

func (c *Client) init() {
	c.once.Do(func() {
		c.ctx, c.cancel = context.WithCancel(context.Background())
		c.ended = make(chan struct{})
		c.changed = make(chan struct{})
	})
}

// Start begins to connect, if the first call of another method has not. It
// does not wait.
func (c *Client) Start() {
	c.init()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == StateIdle {
		c.state = StateConnecting
		go c.run()
	}
}

// run keeps the connection alive.
func (c *Client) run() {
	defer close(c.ended)
	var leaving sync.WaitGroup
	defer leaving.Wait()
	if err := c.Dialer.mistake(c.Addr); err != nil {
		c.set(StateClosed, nil, err)
		return
	}
	failures, useless := 0, 0 // in a row: attempts, and those whose connection brought nothing
	for {
		c.set(StateConnecting, nil, nil)
		var conn *Conn
		var err error
		if at := aside(func() { conn, err = c.Dialer.Dial(c.ctx, c.Addr) }); at != nil { // NetDial, or a callback of TLSConfig
			c.Dialer.state().faults.panics.Add(1)
			err = fmt.Errorf("parley: panic while connecting to %s: %v", c.Addr, at.value)
		}
		if err == nil {
			failures = 0
			c.connected(conn)
			c.set(StateConnected, conn, nil)
			select {
			case <-conn.ending():
			case <-conn.astray(): // it still says goodbye, which need not be waited for
				leaving.Go(func() { <-conn.ending(); c.disconnected(conn) })
			case <-c.ctx.Done():
				aside(func() { conn.Close() }) // its machine may end the goroutine
			}
			err = conn.why()
			if s := conn.Stats(); s.MessagesIn > 0 || time.Since(s.Opened) > c.maxBackoff() {
				useless = 0
			} else {
				useless++ // a server that closes at once must not be called at once
			}
			c.disconnected(conn)
			c.mu.Lock()
			c.lost = conn
			c.mu.Unlock()
		} else {
			failures++
			useless++
			if c.ctx.Err() == nil {
				c.failed()
			}
		}
		switch {
		case c.ctx.Err() != nil:
			c.set(StateClosed, nil, ErrClientClosed)
			return
		case c.MaxAttempts > 0 && failures >= c.MaxAttempts:
			c.set(StateClosed, nil, fmt.Errorf("%w after %d failed attempts, the last: %w", ErrClientClosed, failures, err))
			return
		}
		c.set(StateWaiting, nil, err)
		t := time.NewTimer(c.backoff(useless))
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
		}
	}
}

// backoff returns the pause after the given number of failures in a row.
func (c *Client) backoff(failures int) time.Duration {
	most := or(c.MinBackoff, 50*time.Millisecond)
	limit := c.maxBackoff()
	for ; failures > 0 && most < limit; failures-- {
		most *= 2
	}
	return rand.N(max(min(most, limit), 1))
}

func (c *Client) maxBackoff() time.Duration { return or(c.MaxBackoff, 30*time.Second) }

func (c *Client) set(s State, conn *Conn, err error) {
	c.mu.Lock()
	c.state, c.conn = s, conn
	if s != StateConnecting { // why the last attempt failed is worth knowing meanwhile
		c.err = err
	}
	close(c.changed)
	c.changed = make(chan struct{})
	if c.OnState != nil {
		if c.untold = append(c.untold, change{s, conn, err}); !c.telling {
			c.telling = true
			c.tellers.Go(c.tell)
		}
	}
	c.mu.Unlock()
}

// tell calls OnState. A panic of it costs the connection that it was told of.
func (c *Client) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.untold) > 0 {
		next := c.untold[0]
		c.untold = c.untold[1:]
		c.mu.Unlock()
		if at := aside(func() { c.OnState(next.state, next.err) }); at != nil {
			if next.conn != nil {
				next.conn.cutAside(next.conn.failed(at, false))
			} else if c.Dialer.state().faults.panics.Add(1); c.Dialer.log() != nil {
				c.Dialer.log().Error("panic in OnState", "addr", c.Addr, "panic", at.value, "stack", string(at.stack))
			}
		}
		c.mu.Lock()
	}
	c.telling = false
}

// State returns the state, and why there is no connection: why the last one was
// lost, or the last attempt failed.
func (c *Client) State() (State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.err
}

// Conn returns the connection, waiting until there is one.
func (c *Client) Conn(ctx context.Context) (*Conn, error) { return c.other(ctx, nil) }

// other returns a connection that is not old.
func (c *Client) other(ctx context.Context, old *Conn) (*Conn, error) {
	c.Start()
	for {
		c.mu.Lock()
		state, conn, err, changed := c.state, c.conn, c.err, c.changed
		c.mu.Unlock()
		switch {
		case state == StateClosed:
			return nil, err
		case conn != nil && conn != old:
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			cause := context.Cause(ctx)
			switch {
			case err != nil:
				cause = fmt.Errorf("%w; not connected: %w", cause, err)
			case c.Dialer.Protocol != nil && c.Dialer.Protocol.Traits().Clients > 0:
				cause = fmt.Errorf("%w; not connected yet: the server may be serving another client first", cause)
			default:
				cause = fmt.Errorf("%w; not connected yet", cause)
			}
			if errors.Is(cause, context.DeadlineExceeded) {
				return nil, &TimeoutError{Peer: c.Addr, Wait: cause.Error()}
			}
			return nil, cause
		}
	}
}

// each calls f with one connection after the other as long as that has ended before
// f could send.
func (c *Client) each(ctx context.Context, f func(*Conn) error) error {
	var conn *Conn
	for {
		var err error
		if conn, err = c.other(ctx, conn); err != nil {
			return session.NotSent(err)
		}
		if err := f(conn); !session.SendElsewhere(err) || ctx.Err() != nil {
			return err
		}
	}
}

// Send is Conn.Send on the current connection, or on the next one if there is
// none or it is lost before the message has begun to leave.
func (c *Client) Send(ctx context.Context, m Message) error {
	return c.each(ctx, func(conn *Conn) error { return conn.Send(ctx, m) })
}

// Confirm is Conn.Confirm likewise.
func (c *Client) Confirm(ctx context.Context, m Message) error {
	return c.each(ctx, func(conn *Conn) error { return conn.Confirm(ctx, m) })
}

// Call is Conn.Call likewise. An answer that does not come because the
// connection is lost is an error, as is one that does not come in time; after
// ErrOutOfStep the next Call has a new connection.
func (c *Client) Call(ctx context.Context, m Message) (answer Message, err error) {
	err = c.each(ctx, func(conn *Conn) error {
		answer, err = conn.Call(ctx, m)
		return err
	})
	return answer, err
}

// Receive returns the next message of whatever connection there is. What the
// connection lost last had received is returned first.
func (c *Client) Receive(ctx context.Context) (Message, error) {
	c.init()
	c.mu.Lock()
	conn := c.lost
	c.mu.Unlock()
	for {
		if conn != nil {
			m, err := conn.Receive(ctx)
			if err == nil || goesOn(err) || conn.Err() == nil || ctx.Err() != nil {
				return m, err
			}
			c.mu.Lock()
			if c.lost == conn {
				c.lost = nil
			}
			c.mu.Unlock()
		}
		var err error
		if conn, err = c.other(ctx, conn); err != nil {
			return Message{}, err
		}
	}
}

// Close ends the connection politely, as Conn.Close does, and stops reconnecting.
// It returns when that is done, always nil. A Client that waits in the queue of a busy
// server leaves it, for which Close waits up to five seconds; see [Dialer.Wait].
func (c *Client) Close() error {
	c.init()
	c.mu.Lock()
	if c.state == StateIdle {
		c.state, c.err = StateClosed, ErrClientClosed
		close(c.ended)
	}
	c.mu.Unlock()
	c.cancel()
	<-c.ended
	c.tellers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), queueClose)
	defer cancel()
	c.Dialer.Wait(ctx)
	return nil
}
