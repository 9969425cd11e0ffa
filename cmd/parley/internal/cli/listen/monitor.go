package listen

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/web"
	"github.com/parley-net/parley/web/dash"
)

// monitoring is what --monitor asks for. The zero value does nothing.
type monitoring struct {
	a       *app.App
	m       *monitor.Monitor
	watched []*monitor.Watched
	l       net.Listener
	http    *http.Server
	stop    context.CancelFunc
	door    *web.Door // or nil
	servers []*web.Server
	rooms   *roomMetrics
	with    Company
}

// newMonitoring watches servers that do not listen yet, and takes the address.
func newMonitoring(a *app.App, ls []Listener, with Company) (*monitoring, error) {
	if a.Monitor == "" {
		return &monitoring{}, nil
	}
	addr, err := MonitorAddr(a.Monitor)
	if err != nil {
		return nil, fault.Usagef("--monitor %s: %w", a.Monitor, err)
	}
	m := &monitoring{a: a, with: with, m: monitor.New(a.Version)}
	if with.Ready != nil {
		m.m.Check(with.Ready)
	}
	for _, l := range ls {
		w := m.m.Watch(l.Server)
		m.watched = append(m.watched, w)
		m.servers = append(m.servers, web.NewServer(func() string { return w.URL }, l.Server))
	}
	if m.l, err = ForPages(a, "--monitor: ", addr); err != nil {
		return nil, err
	}
	return m, nil
}

// MonitorAddr completes PORT, :PORT and HOST:PORT.
func MonitorAddr(text string) (string, error) {
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", fmt.Errorf("want PORT or HOST:PORT")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// begin begins to answer. The servers listen, and do not serve yet.
func (m *monitoring) begin(ls []Listener) {
	if m.m == nil {
		return
	}
	for i, l := range ls {
		m.watched[i].URL = l.place().String()
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go m.m.Run(ctx)
	started := make(chan *http.Server)
	go monitor.Serve(m.l, m.handler(), func(s *http.Server) { started <- s })
	m.http = <-started
}

// handler is the dashboard. Where only this machine can come it has a door to what the
// servers' clients say, and to the rooms that they are in; elsewhere it only shows counters.
func (m *monitoring) handler() http.Handler {
	d := Dashboard{Monitor: m.m, Info: dash.Info{Version: m.a.Version, Servers: true, Pages: []dash.Page{dash.Overview, dash.Connections}}, transfers: m.with.Transfers}
	if !isLoopbackAddr(m.l.Addr()) {
		d.transfers = nil
		return d.Handler()
	}
	d.Info.Close = true
	var targets []web.Target
	if m.with.Tell != nil {
		m.rooms = WatchRooms(m.with.Rooms)
		m.m.Metrics(m.rooms.Write)
		for _, r := range m.with.Rooms {
			targets = append(targets, web.NewRoom(r))
		}
	}
	for _, s := range m.servers {
		targets = append(targets, s)
	}
	calls := new(Calls)
	door, err := web.New(web.Options{Targets: targets, Logger: m.a.Log, OnCall: calls.Add, Limits: WebLimits(m.a, m.l.Addr().String())})
	if err != nil {
		m.a.Log.Warn("no pages show what is said", "err", err) // a room is named as a server's URL
		return d.Handler()
	}
	m.door, d.Door = door, door
	m.m.Metrics(func(w *metrics.Writer) { WriteDoor(w, door, calls) })
	d.Info.Door = true
	d.Info.Pages = append(d.Info.Pages, dash.Messages, dash.Plot, dash.Camera)
	if m.with.Tell != nil {
		d.Info.Pages = append(d.Info.Pages, dash.Console, dash.Rooms)
	}
	if d.transfers != nil {
		d.Info.Pages = append(d.Info.Pages, dash.Transfers)
	}
	return d.Handler()
}

// ShowStore shows by HTTP how a store does, if --monitor asks for it, until the function
// that it returns is called.
func ShowStore(a *app.App, ready func() error, count func(*metrics.Writer)) (stop func(), err error) {
	if a.Monitor == "" {
		return func() {}, nil
	}
	addr, err := MonitorAddr(a.Monitor)
	if err != nil {
		return nil, fault.Usagef("--monitor %s: %w", a.Monitor, err)
	}
	l, err := ForPages(a, "--monitor: ", addr)
	if err != nil {
		return nil, err
	}
	m := monitor.New(a.Version)
	m.Check(ready)
	m.Metrics(count)
	d := Dashboard{Monitor: m, Info: dash.Info{Version: a.Version, Servers: true, Pages: []dash.Page{dash.Overview}}}
	started := make(chan *http.Server)
	go monitor.Serve(l, d.Handler(), func(s *http.Server) { started <- s })
	server := <-started
	fmt.Fprintf(a.Stderr, "monitor on http://%s/\n", l.Addr())
	return func() { server.Close() }, nil
}

// isLoopbackAddr reports whether only this machine can connect to addr.
func isLoopbackAddr(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// tell says where.
func (m *monitoring) tell() {
	if m.m != nil {
		fmt.Fprintf(m.a.Stderr, "monitor on http://%s/\n", m.l.Addr())
	}
}

// draining says that no more connections are taken.
func (m *monitoring) draining() {
	if m.m != nil {
		m.m.Draining()
	}
}

// close ends it.
func (m *monitoring) close() {
	if m.rooms != nil {
		m.rooms.Close()
	}
	if m.door != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		m.door.Close(ctx)
		cancel()
	}
	if m.http != nil {
		m.stop()
		m.http.Close()
	} else if m.l != nil {
		m.l.Close()
	}
}

// WebLimits are the door's. Where only this machine, or a proxy on it, comes, all have one
// address, which may have as many sockets as there may be.
func WebLimits(a *app.App, addr string) web.Limits {
	l := web.Limits{Call: a.AnswerTimeout()}
	if OnlyHere(addr) {
		l.SocketsPerAddr = math.MaxInt
	}
	return l
}

// OnlyHere reports whether only this machine reaches addr.
func OnlyHere(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
