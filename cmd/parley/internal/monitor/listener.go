package monitor

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxConns is how many connections the monitor has at a time, and maxConnsOfAddr
	// how many from one IP address: a browser takes six.
	maxConns, maxConnsOfAddr = 128, 32
	// headerTime is how long a request's header may take, requestTime all of it.
	headerTime, requestTime = 5 * time.Second, 10 * time.Second
	// answerTime is how long an answer may take, idleTime is the longest pause
	// between two requests of a connection.
	answerTime, idleTime = time.Minute, 30 * time.Second
	maxHeader            = 16 << 10 // bytes
)

// Serve answers requests on l with h until the server that it gives to started is
// closed, which closes l too. What connections there may be, and how long each
// request may take, is bounded: others are closed at once.
func Serve(l net.Listener, h http.Handler, started func(*http.Server)) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
	}
	started(s)
	return s.Serve(Limit(l, maxConns, maxConnsOfAddr))
}

// Limit returns a listener in front of l that has at most all connections at a time,
// and ofAddr of one IP address. Those beyond are closed at once.
func Limit(l net.Listener, all, ofAddr int) net.Listener {
	return &limited{Listener: l, most: all, ofAddr: ofAddr, by: make(map[netip.Addr]int)}
}

// limited is a listener that closes connections beyond the limits.
type limited struct {
	net.Listener
	most, ofAddr int

	mu  sync.Mutex
	all int
	by  map[netip.Addr]int
}

// Accept returns the next connection for which there is a place.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var ip netip.Addr
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			ip = a.AddrPort().Addr().Unmap()
		}
		if l.take(ip) {
			return &counted{Conn: c, gone: sync.OnceFunc(func() { l.give(ip) })}, nil
		}
		c.Close()
	}
}

func (l *limited) take(ip netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.by[ip] >= l.ofAddr {
		return false
	}
	l.all++
	l.by[ip]++
	return true
}

func (l *limited) give(ip netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.by[ip]--; l.by[ip] == 0 {
		delete(l.by, ip)
	}
}

// counted is a connection that gives its place back.
type counted struct {
	net.Conn
	gone func()
}

func (c *counted) Close() error {
	c.gone()
	return c.Conn.Close()
}
