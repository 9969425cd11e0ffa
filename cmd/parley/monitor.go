package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/web"
	"github.com/parley-net/parley/web/dash"
)

// monitoring is what --monitor asks for. The zero value does nothing.
type monitoring struct {
	a       *app
	m       *monitor.Monitor
	watched []*monitor.Watched
	l       net.Listener
	http    *http.Server
	stop    context.CancelFunc
	door    *web.Door // or nil
	servers []*web.Server
	rooms   *roomMetrics
	with    company
}

// newMonitoring watches servers that do not listen yet, and takes the address.
func newMonitoring(a *app, ls []listening, with company) (*monitoring, error) {
	if a.monitor == "" {
		return &monitoring{}, nil
	}
	addr, err := monitorAddr(a.monitor)
	if err != nil {
		return nil, usagef("--monitor %s: %w", a.monitor, err)
	}
	m := &monitoring{a: a, with: with, m: monitor.New(a.version)}
	if with.ready != nil {
		m.m.Check(with.ready)
	}
	for _, l := range ls {
		w := m.m.Watch(l.srv)
		m.watched = append(m.watched, w)
		m.servers = append(m.servers, web.NewServer(func() string { return w.URL }, l.srv))
	}
	if m.l, err = listenForPages(a, "--monitor: ", addr); err != nil {
		return nil, err
	}
	return m, nil
}

// monitorAddr completes PORT, :PORT and HOST:PORT.
func monitorAddr(text string) (string, error) {
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
func (m *monitoring) begin(ls []listening) {
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
	d := dashboard{monitor: m.m, info: dash.Info{Version: m.a.version, Servers: true, Pages: []dash.Page{dash.Overview, dash.Connections}}, transfers: m.with.transfers}
	if !isLoopbackAddr(m.l.Addr()) {
		d.transfers = nil
		return d.handler()
	}
	d.info.Close = true
	var targets []web.Target
	if m.with.tell != nil {
		m.rooms = watchRooms(m.with.rooms)
		m.m.Metrics(m.rooms.write)
		for _, r := range m.with.rooms {
			targets = append(targets, web.NewRoom(r))
		}
	}
	for _, s := range m.servers {
		targets = append(targets, s)
	}
	calls := new(calls)
	door, err := web.New(web.Options{Targets: targets, Logger: m.a.log, OnCall: calls.add, Limits: webLimits(m.a, m.l.Addr().String())})
	if err != nil {
		m.a.log.Warn("no pages show what is said", "err", err) // a room is named as a server's URL
		return d.handler()
	}
	m.door, d.door = door, door
	m.m.Metrics(func(w *metrics.Writer) { writeDoor(w, door, calls) })
	d.info.Door = true
	d.info.Pages = append(d.info.Pages, dash.Messages, dash.Plot, dash.Camera)
	if m.with.tell != nil {
		d.info.Pages = append(d.info.Pages, dash.Console, dash.Rooms)
	}
	if d.transfers != nil {
		d.info.Pages = append(d.info.Pages, dash.Transfers)
	}
	return d.handler()
}

// showStore shows by HTTP how a store does, if --monitor asks for it, until the function
// that it returns is called.
func showStore(a *app, ready func() error, count func(*metrics.Writer)) (stop func(), err error) {
	if a.monitor == "" {
		return func() {}, nil
	}
	addr, err := monitorAddr(a.monitor)
	if err != nil {
		return nil, usagef("--monitor %s: %w", a.monitor, err)
	}
	l, err := listenForPages(a, "--monitor: ", addr)
	if err != nil {
		return nil, err
	}
	m := monitor.New(a.version)
	m.Check(ready)
	m.Metrics(count)
	d := dashboard{monitor: m, info: dash.Info{Version: a.version, Servers: true, Pages: []dash.Page{dash.Overview}}}
	started := make(chan *http.Server)
	go monitor.Serve(l, d.handler(), func(s *http.Server) { started <- s })
	server := <-started
	fmt.Fprintf(a.stderr, "monitor on http://%s/\n", l.Addr())
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
		fmt.Fprintf(m.a.stderr, "monitor on http://%s/\n", m.l.Addr())
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
		m.rooms.close()
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

// webLimits are the door's. Where only this machine, or a proxy on it, comes, all have one
// address, which may have as many sockets as there may be.
func webLimits(a *app, addr string) web.Limits {
	l := web.Limits{Call: a.answerTimeout()}
	if onlyHere(addr) {
		l.SocketsPerAddr = math.MaxInt
	}
	return l
}

// onlyHere reports whether only this machine reaches addr.
func onlyHere(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
