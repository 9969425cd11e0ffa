package parley

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/wire"
)

// FullPolicy says what a server does with a connection beyond MaxConns.
type FullPolicy uint8

const (
	// FullRefuse accepts it, says the wire's word for it, and closes.
	FullRefuse FullPolicy = iota
	// FullWait leaves it unaccepted until a place is free.
	FullWait
)

// SlowPolicy says what Broadcast does with a connection whose peer reads too slowly.
type SlowPolicy uint8

const (
	// SlowDrop: that connection misses the message.
	SlowDrop SlowPolicy = iota
	// SlowCut: the connection ends with ErrSlowConsumer.
	SlowCut
)

// drainTime bounds a shutdown that a peer has asked for.
const drainTime = 10 * time.Second

// Server accepts connections of one protocol on any number of addresses. Set
// the fields before the first call of a method; then do not change them. Only
// Protocol, and Handler or Pull, are required. All methods may be called
// concurrently.
type Server struct {
	Protocol Protocol // the wire, with its options
	Handler  Handler  // answers messages; see also StreamHandler
	Pull     bool     // instead of a Handler: connections are handed out by Accept
	Hooks    Hooks
	Plugins  []Plugin
	Limits   Limits
	Timeouts Timeouts

	// MaxConns is how many connections may be open; default 10,000. Negative:
	// no limit. On a wire that serves so many clients at a time (oneline: 1) that
	// is the default and the most: Listen and Serve return ErrTooManyClients for
	// more.
	MaxConns int
	// MaxConnsPerAddr is how many of them may come from one IP address;
	// beyond that they are refused. Default 256, negative: no limit.
	MaxConnsPerAddr int
	// MaxBuffered is how many bytes all connections may hold together: see
	// Budget, which it makes one of. Default 512 MiB, negative: no limit.
	MaxBuffered int64
	Budget      *Budget // instead of MaxBuffered, to share it with others
	// WhenFull says what happens to a connection beyond MaxConns. On a wire that
	// serves so many clients at a time (oneline) it always waits.
	WhenFull FullPolicy
	// WhenSlow says what Broadcast does with a peer that reads too slowly.
	WhenSlow SlowPolicy
	// OnTick is called every TickInterval, from one goroutine, while Serve runs.
	OnTick       func(ctx context.Context, s *Server)
	TickInterval time.Duration // default 1 s
	// OnShutdownRequest is called when a peer asks the server to end (oneline's
	// shutdown). An error refuses; the peer's connection is closed in any case.
	// Without it the request is honoured, unless IgnoreShutdownRequest is set.
	OnShutdownRequest func(c *Conn) error
	// IgnoreShutdownRequest: a peer that asks the server to end (oneline's
	// shutdown) only ends its own connection.
	IgnoreShutdownRequest bool
	// EventLoops, above zero, serves the connections by that many event loops
	// instead of a goroutine each, which costs less memory and time: for
	// handlers that do not block. One per free processor is enough. A handler
	// that waits for a connection through parley, or with the context it was
	// given, gives way to the others at once; one that blocks otherwise holds up
	// its loop for up to 0.2 s, which is logged and counted. Connections that
	// are no bare sockets (TLS, pipes) have a goroutine each all the same, as all
	// have elsewhere than on Linux, which is logged.
	EventLoops int

	TLSConfig *tls.Config  // nil: plain
	Logger    *slog.Logger // nil: silent; see Logs in the package's description
	Trace     func(Trace)  // nil: off; called with a lock held, so it must not use the Conn's methods

	// OverwriteBorrowed is for tests: what the handler, or OnBanner, has borrowed is
	// overwritten with bytes DB when it returns, so that it shows if it was kept
	// without Message.Clone. It costs a copy of each message.
	OverwriteBorrowed bool

	once      sync.Once
	err       error // what is wrong with the fields
	cfg       *config
	logged    func() // tells at the end what was left out of the log
	slots     chan struct{}
	places    relief[*Conn] // of a shortage of slots
	accepted  chan *Conn
	lastID    atomic.Uint64
	refusing  atomic.Int64
	closing   chan struct{}
	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	serving   map[net.Listener]bool
	opened    map[net.Listener]origin
	ticking   bool
	loops     []*loop
	conns     []*Conn               // in no order; each knows its place
	starting  map[net.Conn]struct{} // in the TLS handshake, or being refused
	perAddr   map[netip.Addr]int
	stats     ServerStats
	faults    faults
	wg        sync.WaitGroup // acceptors and connections
}

// init checks the fields and makes what the server needs, once.
func (s *Server) init() error {
	s.once.Do(func() {
		s.closing = make(chan struct{})
		s.serving = make(map[net.Listener]bool)
		s.opened = make(map[net.Listener]origin)
		s.places.relieves(shortageOf("places (MaxConns)", s.missing, s.occupants))
		s.starting = make(map[net.Conn]struct{})
		s.perAddr = make(map[netip.Addr]int)
		if s.err = s.mistake(); s.err != nil {
			return
		}
		t := s.Protocol.Traits()
		s.cfg = &config{
			epoch:    time.Now(),
			protocol: s.Protocol, traits: t, role: wire.Accepting,
			hooks: s.Hooks, plugins: s.Plugins,
			limits: s.Limits.withDefaults(), timeouts: s.Timeouts.withDefaults(t.Lockstep), patience: patienceOf(s.Limits, s.Timeouts),
			logger: guarded(s.Logger), trace: s.Trace, closed: s.connClosed, faults: &s.faults,
		}
		if s.cfg.budget = s.Budget; s.Budget == nil {
			if most := or(s.MaxBuffered, 512<<20); most > 0 {
				s.cfg.budget = NewBudget(most)
			}
		}
		s.cfg.tells = vitalOf(s.cfg.timeouts)
		s.cfg.setHandler(s.Handler)
		if s.OverwriteBorrowed {
			s.cfg.overwriteBorrowed()
		}
		s.cfg.stepwise = t.Lockstep && s.Handler == nil
		s.cfg.decide()
		s.cfg.asked = s.OnShutdownRequest
		if !s.IgnoreShutdownRequest {
			s.cfg.shutdown = func(*Conn) { go s.drainFor(drainTime) }
		}
		limit := or(s.MaxConns, 10_000)
		if t.Clients > 0 {
			if s.MaxConns <= 0 {
				limit = t.Clients
			} else if s.MaxConns > t.Clients {
				s.err = fmt.Errorf("%w: MaxConns is %d, %s serves %d", ErrTooManyClients, s.MaxConns, s.Protocol.Name(), t.Clients)
				return
			}
			s.WhenFull = FullWait
		}
		if limit > 0 {
			s.slots = make(chan struct{}, limit)
		}
		if s.Pull {
			s.accepted = make(chan *Conn, 1024)
			s.cfg.opened = s.connOpened
		}
		s.logged = logged(s.cfg.logger, func() uint64 { return s.Stats().Total.BytesIn })
	})
	return s.err
}

// Listen opens the given addresses for Serve: "host:port", "[::1]:port",
// "unix:/path". Port 0 lets the system choose; see Addrs. If one fails, none
// stays open.
func (s *Server) Listen(addrs ...string) error {
	if err := s.init(); err != nil {
		return err
	}
	if len(addrs) == 0 {
		return ErrNoAddress
	}
	var opened []net.Listener
	for _, a := range addrs {
		l, err := listen(context.Background(), a, s.cfg.timeouts)
		if err != nil {
			closeAll(opened)
			return err
		}
		opened = append(opened, l)
	}
	return s.takeOver(opened, originListen)
}

// Inherit makes listeners the server's own, as if Listen had opened them, and Serve
// accepts on them: those that net.FileListener makes of the sockets of a service
// manager, or of a process before. They must be a *net.TCPListener or a
// *net.UnixListener, which nothing lies around. Unlike on listeners that are given to
// Serve, Timeouts.KeepAlive applies to what they accept, and so the kernel tells whether
// a slow peer lives; see the package's Patience. After an error they are closed.
func (s *Server) Inherit(ls ...net.Listener) error {
	err := s.init()
	for _, l := range ls {
		switch l.(type) {
		case *net.TCPListener, *net.UnixListener:
		default:
			err = errors.Join(err, fmt.Errorf("parley: can't inherit a %T: want *net.TCPListener or *net.UnixListener; give others to Serve", l))
		}
	}
	if err != nil {
		closeAll(ls)
		return err
	}
	return s.takeOver(slices.Clone(ls), originInherited)
}

// takeOver adds listeners of the kernel, from which event loops accept themselves.
func (s *Server) takeOver(ls []net.Listener, from origin) error {
	for i, l := range ls {
		if s.EventLoops > 0 && s.TLSConfig == nil {
			own, err := poller.Listener[*Conn](l, s.cfg.timeouts.keepAlive())
			if err != nil {
				closeAll(ls)
				return fmt.Errorf("parley: %w", err)
			}
			ls[i] = own
		}
	}
	return s.add(ls, from)
}

// origin tells where a listener is from.
type origin uint8

const (
	originGiven origin = iota // to Serve, and nobody knows what its connections are
	originListen
	originInherited // keep-alive is not set
)

func closeAll(ls []net.Listener) {
	for _, l := range ls {
		l.Close()
	}
}

// add makes the listeners the server's own.
func (s *Server) add(ls []net.Listener, from origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeAll(ls)
		return ErrServerClosed
	}
	for _, l := range ls {
		if s.slots != nil && s.WhenFull == FullWait {
			l = poller.Pollable(l)
		}
		s.listeners = append(s.listeners, l)
		s.opened[l] = from
	}
	return nil
}

// Addrs returns the addresses the server listens on.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []net.Addr
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// ListenAndServe is Listen and Serve.
func (s *Server) ListenAndServe(addrs ...string) error {
	if err := s.Listen(addrs...); err != nil {
		return err
	}
	return s.Serve()
}

// Serve accepts connections on the given listeners and on those of Listen and
// Inherit, and serves them. It returns ErrServerClosed when Shutdown or
// Close was called, or a peer's request to end was honoured, and every
// connection has ended. The listeners are closed then, and after an error.
func (s *Server) Serve(ls ...net.Listener) error {
	if err := s.init(); err != nil {
		closeAll(ls)
		return err
	}
	if err := s.add(ls, originGiven); err != nil {
		return err
	}
	s.mu.Lock()
	if len(s.listeners) == 0 {
		s.mu.Unlock()
		return ErrNoAddress
	}
	if !s.closed {
		if s.EventLoops > 0 && s.loops == nil {
			loops, err := newLoops(s.EventLoops, s.stalled)
			switch {
			case errors.Is(err, errors.ErrUnsupported):
				if s.cfg.logger != nil {
					s.cfg.logger.Warn("no event loops on this system: each connection has a goroutine of its own")
				}
			case err != nil:
				s.mu.Unlock()
				s.Close()
				return err
			}
			s.loops = loops
		}
		for _, l := range s.listeners {
			if !s.serving[l] {
				s.serving[l] = true
				s.wg.Add(1)
				go s.accept(l)
			}
		}
		if s.OnTick != nil && !s.ticking {
			s.ticking = true
			s.wg.Add(1)
			go s.tick()
		}
	}
	s.mu.Unlock()
	<-s.closing
	s.wg.Wait()
	s.logged()
	s.mu.Lock()
	loops := s.loops
	s.loops = nil
	s.mu.Unlock()
	closeLoops(loops)
	return ErrServerClosed
}

// stalled notes that a handler has held up an event loop.
func (s *Server) stalled(d time.Duration) {
	s.mu.Lock()
	s.stats.Stalls++
	s.mu.Unlock()
	if s.cfg.logger != nil {
		s.cfg.logger.Warn("a handler has blocked an event loop; serve such connections without EventLoops", "for", d)
	}
}

// tick calls OnTick until the server closes.
func (s *Server) tick() {
	defer s.wg.Done()
	t := time.NewTicker(or(s.TickInterval, time.Second))
	defer t.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Go(func() { // also while OnTick runs
		<-s.closing
		cancel()
	})
	for {
		select {
		case <-t.C:
		case <-s.closing:
		}
		if s.isClosed() { // both may have come
			return
		}
		if at := aside(func() { s.OnTick(ctx, s) }); at != nil {
			s.faults.panics.Add(1)
			if s.cfg.logger != nil {
				s.cfg.logger.Error("panic in OnTick", "panic", at.value, "stack", string(at.stack))
			}
		}
	}
}
