package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/web"
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
}

// newMonitoring watches servers that do not listen yet, and takes the address.
func (a *app) newMonitoring(ls []listening) (*monitoring, error) {
	if a.monitor == "" {
		return &monitoring{}, nil
	}
	addr, err := monitorAddr(a.monitor)
	if err != nil {
		return nil, usagef("--monitor %s: %w", a.monitor, err)
	}
	m := &monitoring{a: a, m: monitor.New(version())}
	for _, l := range ls {
		m.watched = append(m.watched, m.m.Watch(l.srv))
	}
	if m.l, err = a.listenTCP("--monitor: ", addr); err != nil {
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

// handler is the monitor's pages, and the door to the rooms that the servers are in, where
// only this machine can come.
func (m *monitoring) handler() http.Handler {
	if m.a.member == nil || !isLoopbackAddr(m.l.Addr()) {
		return m.m.Handler()
	}
	var targets []web.Target
	for _, r := range m.a.member.rooms {
		targets = append(targets, web.NewRoom(r))
	}
	door, err := web.New(web.Options{Targets: targets, Logger: m.a.log})
	if err != nil {
		panic(err) // the names of rooms differ
	}
	m.door = door
	mux := http.NewServeMux()
	pages := door.Handler()
	for _, path := range []string{"/ws", "/ticket", "/events", "/targets", "/parley.js"} {
		mux.Handle(path, pages)
	}
	mux.Handle("/", m.m.Handler())
	return mux
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
