// Package listen is what the commands that serve share: servers as the flags want them,
// serving until the end, ready lines, and what --monitor shows by HTTP.
package listen

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
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/serial"
	"github.com/parley-net/parley/serpy"
)

// AddFlags adds the flags of a command that listens.
func AddFlags(a *app.App, cmd *cobra.Command) {
	a.ListenTLSFlags(cmd)
	a.ConnLimitFlags(cmd)
	a.ServerLimitFlags(cmd)
	AddMonitorFlag(a, cmd)
}

// AddMonitorFlag adds the flag of a command that shows by HTTP how it does.
func AddMonitorFlag(a *app.App, cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.Monitor, "monitor", "", "show connections and counters by HTTP at `[HOST:]PORT`, HOST 127.0.0.1 unless given; see top")
}

// NewServer returns what listens on e, as the flags say; the command adds the
// handler.
func NewServer(a *app.App, e endpoint.Endpoint) (*parley.Server, error) {
	if err := e.CheckListen(); err != nil {
		return nil, fault.AsUsage(err)
	}
	if err := a.Limits.CheckConns(e); err != nil {
		return nil, err
	}
	s := &parley.Server{
		Protocol:        e.Protocol,
		Limits:          a.Limits.Conn(),
		Timeouts:        a.Serving(),
		Budget:          a.Memory.Budget(),
		MaxConns:        a.Limits.MaxConns,
		MaxConnsPerAddr: a.Limits.MaxConnsOfAddr,
		WhenFull:        parley.FullPolicy(a.Limits.Fine.WhenFull),
		Logger:          a.Log,
		Trace:           a.Tracer(),
	}
	if _, port := e.Serial(); port { // nobody else waits for it, and nothing tells whether its peer lives
		s.Timeouts.Write, s.Timeouts.Progress = cmp.Or(s.Timeouts.Write, -1), cmp.Or(s.Timeouts.Progress, -1)
	}
	if e.TLS {
		var err error
		if s.TLSConfig, err = a.TLS.Server(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Company is what servers have beside their connections. The zero value is nothing.
type Company struct {
	Rooms     []*cluster.Room       // in which they are
	Tell      func(places []string) // called when they listen, or nil
	Ready     func() error          // what /readyz asks besides, or nil
	Transfers *monitor.Transfers    // that --monitor shows, or nil
}

// Listener is a server with its place, and what its ready line says besides.
type Listener struct {
	At     endpoint.Endpoint
	Server *parley.Server
	Note   string
	Cut    func()         // called when the time of the end is over; or nil
	own    []net.Listener // that srv can't open itself: a serial port, an inherited socket
}

// place is where clients on this machine find it.
func (l *Listener) place() endpoint.Endpoint { return l.At.At(l.listener()) }

// listener is where it listens.
func (l *Listener) listener() net.Addr {
	if l.own != nil {
		return l.own[0].Addr()
	}
	return l.Server.Addrs()[0]
}

// TellReady says that there is a server, at a URL that can be dialled as it is
// printed.
func TellReady(a *app.App, url string, notes ...string) {
	notes = slices.DeleteFunc(notes, func(n string) bool { return n == "" })
	if len(notes) > 0 {
		url += " (" + strings.Join(notes, "; ") + ")"
	}
	fmt.Fprintln(a.Stderr, "listening on "+url)
}

// Everywhere is what the ready line says of a listener that is not only where
// its URL says.
func Everywhere(addr net.Addr) string {
	if endpoint.Dialable(addr.String()) != addr.String() {
		return "on all addresses"
	}
	return ""
}

// Serve runs servers until ctx ends, one of them fails, or a peer's request to
// end was honoured. It tells on stderr where it listens, and drains in the
// end.
func Serve(ctx context.Context, a *app.App, ls []Listener, with Company) error {
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
	end, err := a.Ready(places(ls), func() {
		for _, l := range ls {
			l.Server.Addrs() // waits for what a server that hangs holds
		}
	})
	if err != nil {
		closeAll(ls)
		return err
	}
	defer end()
	m.begin(ls)
	defer a.Memory.Watch()()
	ended := make(chan error, len(ls))
	for _, l := range ls {
		go func() { ended <- l.Server.Serve(l.own...) }()
	}
	for _, l := range ls {
		TellReady(a, l.place().String(), Everywhere(l.listener()), l.Note)
	}
	m.tell()
	if with.Tell != nil {
		with.Tell(places(ls))
	}
	left := len(ls)
	select {
	case <-ctx.Done():
		a.Log.Info("ending: what is under way may finish, a second signal ends it at once")
	case err = <-ended:
		left--
	}
	a.Stopping()
	m.draining()
	dctx, cancel := app.Bounded(context.WithoutCancel(ctx), a.Limits.Drain, 10*time.Second)
	defer cancel()
	for _, l := range ls {
		go l.Server.Shutdown(dctx)
		if l.Cut != nil {
			defer context.AfterFunc(dctx, l.Cut)()
		}
	}
	for range left {
		err = errors.Join(err, <-ended)
	}
	if context.Cause(dctx) != nil {
		a.Log.Warn("connections were cut: they had not ended in time", "drain", a.Limits.Drain)
	}
	if errors.Is(err, parley.ErrServerClosed) {
		return nil
	}
	return err
}

// places are the URLs at which servers listen.
func places(ls []Listener) (urls []string) {
	for _, l := range ls {
		urls = append(urls, l.place().String())
	}
	return urls
}

// closeAll closes what listens and does not serve.
func closeAll(ls []Listener) {
	for _, l := range ls {
		l.Server.Close()
		for _, o := range l.own {
			o.Close()
		}
	}
}

// listen opens the place.
func (l *Listener) listen(a *app.App) error {
	if _, port := l.At.Serial(); port {
		p, err := serial.Listen(l.At.Addr)
		if err != nil {
			return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't listen on %s: %w", l.At, err)}
		}
		l.own = []net.Listener{p}
		return nil
	}
	if s, err := a.Inherited(l.At.Addr); s != nil || err != nil {
		if err == nil {
			err = l.Server.Inherit(s)
		}
		return err
	}
	path, unix := l.At.Unix()
	err := l.Server.Listen(l.At.Addr)
	if unix && errors.Is(err, fault.AddrInUse) && IsStale(path) {
		os.Remove(path)
		err = l.Server.Listen(l.At.Addr)
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't listen on %s: %w", l.At, Cause(err)), Hint: listenHint(err, unix)}
}

// Cause returns err without the address, which its reader knows.
func Cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// listenHint says what to do when an address can't be listened on.
func listenHint(err error, unix bool) string {
	switch {
	case errors.Is(err, fault.AddrInUse):
		return "another process listens there; port 0 takes a free one"
	case errors.Is(err, fault.AddrNotAvail):
		return "this machine has no such address"
	case errors.Is(err, os.ErrPermission) && unix:
		return "this user may not make a socket there"
	case errors.Is(err, os.ErrPermission):
		return "this user may not listen there: use a port above 1023"
	}
	return ""
}

// IsStale reports whether a Unix socket was left behind by a server that is
// gone.
func IsStale(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, fault.ConnRefused)
}

// ForPages listens for pages at the address of a flag, which may be that of an
// inherited socket.
func ForPages(a *app.App, flag, addr string) (net.Listener, error) {
	if !strings.HasSuffix(addr, ":0") { // a free port is none that a URL may want
		if l, err := a.Inherited(addr); l != nil || err != nil {
			return l, err
		}
	}
	l, err := net.Listen(Network(addr), addr)
	if err != nil {
		return nil, &fault.Error{Code: fault.Connect, Err: fmt.Errorf("%scan't listen on %s: %w", flag, addr, Cause(err)), Hint: listenHint(err, false)}
	}
	return l, nil
}

// Network returns the network for an address to listen on: an IPv4 address must not
// be open to IPv6 too, as 0.0.0.0 would be.
func Network(addr string) string {
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// IsLocal reports whether only this machine can connect to e.
func IsLocal(e endpoint.Endpoint) bool {
	if _, unix := e.Unix(); unix {
		return true
	}
	addr, err := net.ResolveTCPAddr("tcp", e.Addr)
	return err == nil && addr.IP.IsLoopback()
}

// A Mode is one way to serve.
type Mode struct {
	// Serve makes srv, which will listen at e, answer. It is called once for
	// each URL, before any of them listens.
	Serve func(e *endpoint.Endpoint, srv *parley.Server) error
	// End, if there is one, is called when all servers have ended.
	End  func() error
	With Company // what --monitor shows of it besides
}

// AsIs makes the protocol hand every message on as it came: on serpy in its
// mode and without looking into pickles.
func AsIs(e *endpoint.Endpoint, srv *parley.Server) {
	if p, ok := e.Protocol.(serpy.Protocol); ok {
		p.ForceMode, p.NoPickle = true, true
		e.Protocol, srv.Protocol = p, p
	}
}
