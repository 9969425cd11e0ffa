package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/serial"
	"github.com/parley-net/parley/serpy"
)

// listenFlags adds the flags of a command that listens.
func listenFlags(a *app, cmd *cobra.Command) {
	a.listenTLSFlags(cmd)
	a.connLimitFlags(cmd)
	a.serverLimitFlags(cmd)
	monitorFlag(a, cmd)
}

// monitorFlag adds the flag of a command that shows by HTTP how it does.
func monitorFlag(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.monitor, "monitor", "", "show connections and counters by HTTP at `[HOST:]PORT`, HOST 127.0.0.1 unless given; see top")
}

// newServer returns what listens on e, as the flags say; the command adds the
// handler.
func newServer(a *app, e endpoint.Endpoint) (*parley.Server, error) {
	if err := e.CheckListen(); err != nil {
		return nil, asUsage(err)
	}
	if err := a.limits.checkConns(e); err != nil {
		return nil, err
	}
	s := &parley.Server{
		Protocol:        e.Protocol,
		Limits:          a.limits.conn(),
		Timeouts:        a.serving(),
		Budget:          a.memory.budget(),
		MaxConns:        a.limits.maxConns,
		MaxConnsPerAddr: a.limits.maxConnsOfAddr,
		WhenFull:        parley.FullPolicy(a.limits.fine.whenFull),
		Logger:          a.log,
		Trace:           a.tracer(),
	}
	if _, port := e.Serial(); port { // nobody else waits for it, and nothing tells whether its peer lives
		s.Timeouts.Write, s.Timeouts.Progress = cmp.Or(s.Timeouts.Write, -1), cmp.Or(s.Timeouts.Progress, -1)
	}
	if e.TLS {
		var err error
		if s.TLSConfig, err = a.tls.server(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// company is what servers have beside their connections. The zero value is nothing.
type company struct {
	rooms     []*cluster.Room       // in which they are
	tell      func(places []string) // called when they listen, or nil
	ready     func() error          // what /readyz asks besides, or nil
	transfers *monitor.Transfers    // that --monitor shows, or nil
}

// listening is a server with its place, and what its ready line says besides.
type listening struct {
	at   endpoint.Endpoint
	srv  *parley.Server
	note string
	own  []net.Listener // that srv can't open itself: a serial port, an inherited socket
}

// place is where clients on this machine find it.
func (l *listening) place() endpoint.Endpoint { return l.at.At(l.listener()) }

// listener is where it listens.
func (l *listening) listener() net.Addr {
	if l.own != nil {
		return l.own[0].Addr()
	}
	return l.srv.Addrs()[0]
}

// tellReady says that there is a server, at a URL that can be dialled as it is
// printed.
func tellReady(a *app, url string, notes ...string) {
	notes = slices.DeleteFunc(notes, func(n string) bool { return n == "" })
	if len(notes) > 0 {
		url += " (" + strings.Join(notes, "; ") + ")"
	}
	fmt.Fprintln(a.stderr, "listening on "+url)
}

// everywhere is what the ready line says of a listener that is not only where
// its URL says.
func everywhere(addr net.Addr) string {
	if endpoint.Dialable(addr.String()) != addr.String() {
		return "on all addresses"
	}
	return ""
}

// serveUntil runs servers until ctx ends, one of them fails, or a peer's request to
// end was honoured. It tells on stderr where it listens, and drains in the
// end.
func serveUntil(ctx context.Context, a *app, ls []listening, with company) error {
	m, err := newMonitoring(a, ls, with)
	if err != nil {
		return err
	}
	defer m.close()
	for i := range ls {
		if err := ls[i].listen(a); err != nil {
			closeAll(ls[:i])
			return err
		}
	}
	end, err := a.ready(places(ls), func() {
		for _, l := range ls {
			l.srv.Addrs() // waits for what a server that hangs holds
		}
	})
	if err != nil {
		closeAll(ls)
		return err
	}
	defer end()
	m.begin(ls)
	defer a.memory.watch()()
	ended := make(chan error, len(ls))
	for _, l := range ls {
		go func() { ended <- l.srv.Serve(l.own...) }()
	}
	for _, l := range ls {
		tellReady(a, l.place().String(), everywhere(l.listener()), l.note)
	}
	m.tell()
	if with.tell != nil {
		with.tell(places(ls))
	}
	left := len(ls)
	select {
	case <-ctx.Done():
		a.log.Info("ending: what is under way may finish, a second signal ends it at once")
	case err = <-ended:
		left--
	}
	a.stopping()
	m.draining()
	dctx, cancel := bounded(context.WithoutCancel(ctx), a.limits.drain, 10*time.Second)
	defer cancel()
	for _, l := range ls {
		go l.srv.Shutdown(dctx)
	}
	for range left {
		err = errors.Join(err, <-ended)
	}
	if context.Cause(dctx) != nil {
		a.log.Warn("connections were cut: they had not ended in time", "drain", a.limits.drain)
	}
	if errors.Is(err, parley.ErrServerClosed) {
		return nil
	}
	return err
}

// places are the URLs at which servers listen.
func places(ls []listening) (urls []string) {
	for _, l := range ls {
		urls = append(urls, l.place().String())
	}
	return urls
}

// closeAll closes what listens and does not serve.
func closeAll(ls []listening) {
	for _, l := range ls {
		l.srv.Close()
		for _, o := range l.own {
			o.Close()
		}
	}
}

// listen opens the place.
func (l *listening) listen(a *app) error {
	if _, port := l.at.Serial(); port {
		p, err := serial.Listen(l.at.Addr)
		if err != nil {
			return &fault{code: exitConnect, err: fmt.Errorf("can't listen on %s: %w", l.at, err)}
		}
		l.own = []net.Listener{p}
		return nil
	}
	if s, err := a.inherited(l.at.Addr); s != nil || err != nil {
		if err == nil {
			err = l.srv.Inherit(s)
		}
		return err
	}
	path, unix := l.at.Unix()
	err := l.srv.Listen(l.at.Addr)
	if unix && errors.Is(err, addrInUse) && isStale(path) {
		os.Remove(path)
		err = l.srv.Listen(l.at.Addr)
	}
	if err == nil {
		return nil
	}
	return &fault{code: exitConnect, err: fmt.Errorf("can't listen on %s: %w", l.at, listenCause(err)), hint: listenHint(err, unix)}
}

// listenCause returns err without the address, which its reader knows.
func listenCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// listenHint says what to do when an address can't be listened on.
func listenHint(err error, unix bool) string {
	switch {
	case errors.Is(err, addrInUse):
		return "another process listens there; port 0 takes a free one"
	case errors.Is(err, addrNotAvail):
		return "this machine has no such address"
	case errors.Is(err, os.ErrPermission) && unix:
		return "this user may not make a socket there"
	case errors.Is(err, os.ErrPermission):
		return "this user may not listen there: use a port above 1023"
	}
	return ""
}

// isStale reports whether a Unix socket was left behind by a server that is
// gone.
func isStale(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, connRefused)
}

// listenForPages listens for pages at the address of a flag, which may be that of an
// inherited socket.
func listenForPages(a *app, flag, addr string) (net.Listener, error) {
	if !strings.HasSuffix(addr, ":0") { // a free port is none that a URL may want
		if l, err := a.inherited(addr); l != nil || err != nil {
			return l, err
		}
	}
	l, err := net.Listen(tcpOf(addr), addr)
	if err != nil {
		return nil, &fault{code: exitConnect, err: fmt.Errorf("%scan't listen on %s: %w", flag, addr, listenCause(err)), hint: listenHint(err, false)}
	}
	return l, nil
}

// tcpOf returns the network for an address to listen on: an IPv4 address must not
// be open to IPv6 too, as 0.0.0.0 would be.
func tcpOf(addr string) string {
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// isLocal reports whether only this machine can connect to e.
func isLocal(e endpoint.Endpoint) bool {
	if _, unix := e.Unix(); unix {
		return true
	}
	addr, err := net.ResolveTCPAddr("tcp", e.Addr)
	return err == nil && addr.IP.IsLoopback()
}

// A serveMode is one way to serve.
type serveMode struct {
	// serve makes srv, which will listen at e, answer. It is called once for
	// each URL, before any of them listens.
	serve func(e *endpoint.Endpoint, srv *parley.Server) error
	// end, if there is one, is called when all servers have ended.
	end  func() error
	with company // what --monitor shows of it besides
}

// asIs makes the protocol hand every message on as it came: on serpy in its
// mode and without looking into pickles.
func asIs(e *endpoint.Endpoint, srv *parley.Server) {
	if p, ok := e.Protocol.(serpy.Protocol); ok {
		p.ForceMode, p.NoPickle = true, true
		e.Protocol, srv.Protocol = p, p
	}
}
