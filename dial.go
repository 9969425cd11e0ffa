package parley

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/wire"
)

// Dialer connects to peers. Only Protocol is required. Its methods may be
// called concurrently; the fields must not be changed meanwhile. It may be
// copied before the first of them is called, into a Client for instance.
type Dialer struct {
	Protocol  Protocol // the wire, with its options
	Handler   Handler  // nil: messages wait for Receive
	Hooks     Hooks
	Plugins   []Plugin
	Limits    Limits
	Timeouts  Timeouts
	Budget    *Budget      // nil: only Limits bound memory
	TLSConfig *tls.Config  // nil: plain; ServerName defaults to the host dialled
	Logger    *slog.Logger // nil: silent; see Logs in the package's description
	Trace     func(Trace)  // nil: off; called with a lock held, so it must not use the Conn's methods
	// OverwriteBorrowed is for tests; see Server.
	OverwriteBorrowed bool
	// NetDial makes the network connection where the system's dialler can't: by a
	// proxy, through ssh, over a serial line. network is "tcp" or "unix" and
	// address what belongs to it, as Dial reads its addr; network is "" and address
	// all of addr where that is neither. ctx ends with Timeouts.Dial. TLS, if it is
	// set, is spoken over what NetDial returns. Nil: a net.Dialer.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)

	own atomic.Value // *dialerState; unlike a sync.Once it can be copied before it is used
}

// dialerState is what all connections of a Dialer share.
type dialerState struct {
	lastID  atomic.Uint64
	logger  *slog.Logger // Logger, bounded
	leavers leavers
	faults  faults
}

// state returns what the connections share, which the first caller makes.
func (d *Dialer) state() *dialerState {
	if d.own.Load() == nil {
		d.own.CompareAndSwap(nil, &dialerState{logger: guarded(d.Logger)})
	}
	return d.own.Load().(*dialerState)
}

// log returns the log of all connections.
func (d *Dialer) log() *slog.Logger {
	return d.state().logger
}

// Dial connects to addr ("host:port", "[::1]:port", "unix:/path") and speaks
// protocol with it; messages wait for Receive. It returns when the wire's
// handshake is done.
func Dial(ctx context.Context, protocol Protocol, addr string) (*Conn, error) {
	return (&Dialer{Protocol: protocol}).Dial(ctx, addr)
}

// Dial connects to addr and returns when the wire's handshake is done and
// OnOpen has agreed. Timeouts.Dial and Timeouts.Handshake bound it, besides
// ctx. After an error nothing is left open, but for what [Dialer.Wait] waits for:
// on oneline, where a server serves one client at a time, the connection of a dial
// that was given up in the queue.
func (d *Dialer) Dial(ctx context.Context, addr string) (*Conn, error) {
	if err := d.mistake(addr); err != nil {
		return nil, err
	}
	cfg, err := d.config()
	if err != nil {
		return nil, err
	}
	network, address, err := splitAddr(addr)
	if err != nil && (d.NetDial == nil || addr == "") {
		return nil, err
	}
	if err != nil {
		network, address = "", addr
	}
	nc, err := d.netDial(ctx, cfg.timeouts, network, address)
	if err != nil {
		return nil, dialError(addr, "can't connect to", err)
	}
	began := time.Now()
	if d.TLSConfig != nil {
		if nc, err = d.secure(ctx, cfg, nc, network, address); err != nil {
			d.state().faults.tls.Add(1)
			return nil, dialError(addr, "TLS with", err)
		}
	}
	return d.open(ctx, cfg, nc, began, d.NetDial == nil)
}

// Wait waits until nothing is left open of the dials that have failed, or ctx ends;
// then it returns why ctx has.
//
// A dial that is given up in the queue of a busy oneline server has said its farewell
// when it returns, and keeps the connection until the server has come to it, at most
// ten minutes or Timeouts.Close: an original server does not survive that it is gone
// by then. A program that is about to end waits for that here, as long as it can. On
// other wires Wait returns at once.
func (d *Dialer) Wait(ctx context.Context) error { return d.state().leavers.wait(ctx) }

// netDial makes the network connection.
func (d *Dialer) netDial(ctx context.Context, timeouts Timeouts, network, address string) (net.Conn, error) {
	if d.NetDial != nil {
		bounded, cancel := within(ctx, timeouts.Dial)
		defer cancel()
		nc, err := d.NetDial(bounded, network, address)
		if nc == nil && err == nil {
			err = errors.New("parley: NetDial has returned no connection")
		}
		return nc, err
	}
	nd := net.Dialer{KeepAlive: timeouts.KeepAlive, KeepAliveConfig: timeouts.keepAlive()}
	if t := timeouts.Dial; t > 0 {
		nd.Timeout = t
	}
	return nd.DialContext(ctx, network, address)
}

// within returns ctx, which ends after d unless that is not positive.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// NewConn speaks the dialling side of the protocol over nc, which it then
// owns: a pipe, a serial line, a proxied connection.
func (d *Dialer) NewConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	cfg, err := d.config()
	if err != nil {
		nc.Close()
		return nil, err
	}
	return d.open(ctx, cfg, nc, time.Now(), false)
}

// dialError says that a connection could not be made.
func dialError(addr, what string, err error) error {
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		return &TimeoutError{Peer: addr, Wait: fmt.Sprintf("%s %s: %v", what, addr, err)}
	}
	return fmt.Errorf("parley: %s %s: %w", what, addr, err)
}

func (d *Dialer) config() (*config, error) {
	if err := mistakeIn(d.Protocol, wire.Dialing, d.Handler, d.Plugins); err != nil {
		return nil, err
	}
	t := d.Protocol.Traits()
	cfg := &config{
		budget:   d.Budget,
		epoch:    time.Now(),
		protocol: d.Protocol, traits: t, role: wire.Dialing,
		hooks: d.Hooks, plugins: d.Plugins,
		limits: d.Limits.withDefaults(), timeouts: d.Timeouts.withDefaults(t.Lockstep),
		patience: patienceOf(d.Limits, d.Timeouts),
		queue:    queueOf(t, d.Timeouts),
		logger:   d.log(), trace: d.Trace, faults: &d.state().faults,
	}
	cfg.tells = vitalOf(cfg.timeouts)
	cfg.setHandler(d.Handler)
	if d.OverwriteBorrowed {
		cfg.overwriteBorrowed()
	}
	cfg.decide()
	return cfg, nil
}

// mistake returns what is wrong with d or addr, whatever the peer does.
func (d *Dialer) mistake(addr string) error {
	if _, err := d.config(); err != nil {
		return err
	}
	network, address, err := splitAddr(addr)
	if d.NetDial != nil && addr != "" {
		return nil // it may know other addresses
	}
	if err != nil {
		return err
	}
	if network != "tcp" {
		if tc := d.TLSConfig; tc != nil && tc.ServerName == "" && !tc.InsecureSkipVerify {
			return fmt.Errorf("parley: address %q: TLSConfig.ServerName must be set, as there is no host to take it from", addr)
		}
		return nil
	}
	if _, port, _ := net.SplitHostPort(address); port == "" || strings.Trim(port, "0") == "" {
		return fmt.Errorf("parley: address %q has no port to connect to", addr)
	}
	return nil
}

// secure does the TLS handshake. In the queue of a busy server it is bounded from
// the first byte on, as the wire's own is.
func (d *Dialer) secure(ctx context.Context, cfg *config, nc net.Conn, network, address string) (net.Conn, error) {
	tc := d.TLSConfig
	if tc.ServerName == "" && network == "tcp" {
		tc = tc.Clone()
		tc.ServerName, _, _ = net.SplitHostPort(address)
	}
	limit := cfg.timeouts.Handshake
	bounded, cancel := within(ctx, limit)
	if cfg.queue.known && cfg.queue.unbounded && limit > 0 {
		cancel()
		var late context.CancelCauseFunc
		bounded, late = context.WithCancelCause(ctx)
		cancel = func() { late(nil) }
		nc = &firstByte{nc, func() {
			t := time.AfterFunc(limit, func() { late(context.DeadlineExceeded) })
			context.AfterFunc(bounded, func() { t.Stop() })
		}}
	}
	defer cancel()
	t := tls.Client(nc, tc)
	if err := t.HandshakeContext(bounded); err != nil {
		nc.Close()
		if bounded.Err() != nil && ctx.Err() == nil {
			err = context.Cause(bounded)
		}
		return nil, err
	}
	return t, nil
}

// open starts the connection and waits for its handshake. ours: d has made nc.
func (d *Dialer) open(ctx context.Context, cfg *config, nc net.Conn, began time.Time, ours bool) (*Conn, error) {
	c, err := newConn(cfg, nc, d.state().lastID.Add(1), ours)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c.lock()
	defer c.unlock()
	w := c.spare.take()
	c.s.Life().Opens().Push(w)
	c.s.WatchHandshake(began)
	c.start()
	if err := c.await(ctx, c.s.Life().Opens(), w); err != nil {
		c.s.Forsake(err)
		if !c.s.Life().Closed() {
			d.state().leavers.add(c.s.Life().WhenClosed())
		}
		return nil, c.s.Stranger(err)
	}
	return c, nil
}
