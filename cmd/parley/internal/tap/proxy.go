package tap

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/wire"
)

const (
	// chunk is how much is passed on at a time.
	chunk = 64 << 10
	// quiet is how long a connection must say nothing before it is closed
	// when the proxy ends.
	quiet = 100 * time.Millisecond
	// acceptRetry is the longest pause after an error of accept, for instance
	// when the process is out of descriptors.
	acceptRetry = time.Second
)

// A Proxy passes connections on: what one side sends, the other gets, at once
// and unaltered; so are the end of a direction and a reset. When one side does
// not read, nothing is read from the other. What passes is told to Watch.
type Proxy struct {
	// Dial connects to the target.
	Dial func(context.Context) (net.Conn, error)
	// Secure does TLS with a client that was accepted; nil: plain.
	Secure func(context.Context, net.Conn) (net.Conn, error)
	// MaxConns is how many connections there may be; others are reset.
	MaxConns int
	// MaxBehind is how many bytes may wait to be watched. Beyond it they are
	// passed on unwatched.
	MaxBehind int
	// Behind, if not nil, is told by how much what waits has changed, in bytes, by
	// several goroutines.
	Behind func(more int)
	// Drain bounds the end of Serve.
	Drain time.Duration

	once    sync.Once
	queue   *queue
	last    atomic.Uint64
	open    atomic.Int64
	arrived atomic.Uint64
}

// Arrived is how many bytes have arrived from clients and targets.
func (p *Proxy) Arrived() uint64 { return p.arrived.Load() }

func (p *Proxy) init() { p.once.Do(func() { p.queue = newQueue(p.MaxBehind, p.Behind) }) }

// Watch calls event with everything that Serve sees, in order, and idle when
// it has caught up. It returns when Serve has returned and all has been told.
func (p *Proxy) Watch(event func(Event), idle func()) {
	p.init()
	for {
		events := p.queue.take()
		if len(events) == 0 {
			return
		}
		for i := range events {
			event(events[i])
			p.queue.done(events[i])
			events[i] = Event{}
		}
		idle()
	}
}

// Serve accepts connections of l, which it closes in the end, until ctx ends.
// Then it lets every connection say what is under way: it closes one that has
// said nothing for a moment, and cuts what is left after Drain.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	p.init()
	defer p.queue.close()
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			conns.Go(func() { p.serve(ctx, nc) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			pause = min(max(2*pause, 10*time.Millisecond), acceptRetry)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// serve passes one connection on.
func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	defer p.open.Add(-1)
	id, from := p.last.Add(1), client.RemoteAddr()
	if n := p.open.Add(1); p.MaxConns > 0 && n > int64(p.MaxConns) {
		p.see(Event{Conn: id, Kind: Failed, Err: errFull, Client: from}, nil)
		abort(client)
		return
	}
	if p.Secure != nil {
		secured, err := p.Secure(ctx, client)
		if err != nil {
			p.see(Event{Conn: id, Kind: Failed, Err: err, Client: from}, nil)
			client.Close()
			return
		}
		client = secured
	}
	server, err := p.Dial(ctx)
	if err != nil {
		p.see(Event{Conn: id, Kind: Failed, Err: err, Client: from}, nil)
		abort(client)
		return
	}
	p.see(Event{Conn: id, Kind: Opened, Client: from, Server: server.RemoteAddr()}, nil)
	c := &conn{p: p, id: id, ends: [2]net.Conn{wire.Dialing: client, wire.Accepting: server}}
	stop := context.AfterFunc(ctx, c.drain)
	var pumps sync.WaitGroup
	pumps.Go(func() { c.pump(wire.Dialing) })
	pumps.Go(func() { c.pump(wire.Accepting) })
	pumps.Wait()
	stop()
	c.close()
	p.see(Event{Conn: id, Kind: Closed}, nil)
}

var errFull = errors.New("there are as many connections as there may be")

// see tells what has happened now.
func (p *Proxy) see(ev Event, data []byte) { p.queue.put(ev, data) }

// conn is one connection.
type conn struct {
	p        *Proxy
	id       uint64
	ends     [2]net.Conn // by role
	gone     [2]atomic.Bool
	draining atomic.Bool
	cut      atomic.Pointer[time.Timer]
}

// pump passes on what from says.
func (c *conn) pump(from wire.Role) {
	src, dst := c.ends[from], c.ends[from.Peer()]
	buf := make([]byte, chunk)
	for waited := false; ; {
		n, err := src.Read(buf)
		if n > 0 {
			waited = false
			c.p.arrived.Add(uint64(n))
			// Told before it is passed on, so that its consequences come later.
			c.p.see(Event{Conn: c.id, Kind: Data, From: from}, buf[:n])
			if _, err := dst.Write(buf[:n]); err != nil {
				// The other pump goes on with what dst has said; then src
				// hears of it, see close.
				c.gone[from.Peer()].Store(true)
				if u, ok := src.(*net.UnixConn); ok {
					u.CloseRead()
				}
				return
			}
		}
		switch {
		case err == nil:
		case c.draining.Load() && errors.Is(err, os.ErrDeadlineExceeded):
			if !waited {
				waited = true
				src.SetReadDeadline(time.Now().Add(quiet))
				continue
			}
			closeWrite(dst)
			return
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the latter from TLS
			c.p.see(Event{Conn: c.id, Kind: Ended, From: from}, nil)
			closeWrite(dst)
			return
		case errors.Is(err, net.ErrClosed): // by us
			return
		default:
			c.p.see(Event{Conn: c.id, Kind: Reset, From: from, Err: err}, nil)
			abort(dst)
			return
		}
	}
}

// close ends the connection when both directions are done. If one end did not
// take all, the other is told by a reset.
func (c *conn) close() {
	if t := c.cut.Load(); t != nil {
		t.Stop()
	}
	for i := range c.ends {
		if c.gone[1-i].Load() {
			abort(c.ends[i])
		} else {
			c.ends[i].Close()
		}
	}
}

// drain makes the pumps end when there is nothing more to pass on.
func (c *conn) drain() {
	c.cut.Store(time.AfterFunc(c.p.Drain, func() {
		for _, end := range c.ends {
			end.Close()
		}
	}))
	c.draining.Store(true)
	for _, end := range c.ends {
		end.SetReadDeadline(time.Now())
	}
}

// closeWrite ends the direction towards nc.
func closeWrite(nc net.Conn) {
	if w, ok := nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		return
	}
	nc.Close()
}

// abort closes nc with a reset, where there is such a thing.
func abort(nc net.Conn) {
	bare := nc
	for {
		t, ok := bare.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		bare = t.NetConn()
	}
	if t, ok := bare.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	bare.Close()
}
