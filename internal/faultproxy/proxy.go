// Package faultproxy is a TCP proxy that treats connections as bad networks
// do: it delays, slows down, cuts to pieces, stalls, holds back, half-closes
// and resets. What is random in that comes from a seed.
//
// A proxy serves one address; clients connect to [Proxy.Addr] instead.
package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Direction is one of the two directions of a connection.
type Direction int

const (
	ToServer Direction = iota // what the client sends
	ToClient                  // what the server sends
)

// Faults says what a proxy does to its connections. The zero value forwards
// everything as it comes. Each connection draws from a generator of its own,
// made from Seed and its number, so what happens to the bytes of one does not
// depend on the others.
type Faults struct {
	Seed uint64
	// Delay and Jitter: every piece is forwarded Delay, and up to Jitter more,
	// after it has come. Pieces keep their order.
	Delay, Jitter time.Duration
	// Bandwidth is how many bytes a second a direction forwards; 0 is no
	// limit.
	Bandwidth int
	// Slice cuts what is forwarded into writes of 1 to Slice bytes; 0 does
	// not.
	Slice int
	// StallChance is how likely it is that Stall passes before a piece is
	// forwarded.
	StallChance float64
	Stall       time.Duration
	// ResetAfter resets both connections when a direction has forwarded that
	// many bytes; 0 is never.
	ResetAfter [2]int64
	// FinAfter ends a direction, as a half-close does, when it has forwarded
	// that many bytes: what the sender sends behind is thrown away; 0 is never.
	FinAfter [2]int64
}

// Proxy forwards connections to one address. Its methods may be called
// concurrently.
type Proxy struct {
	target string
	l      net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	faults Faults
	held   [2]chan struct{} // not nil: nothing moves until it is closed
	links  map[*link]struct{}
	count  uint64
	closed bool
}

// Listen starts a proxy for the TCP address target on a free loopback port.
func Listen(target string, faults Faults) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, l: l, faults: faults, links: map[*link]struct{}{}}
	p.wg.Add(1)
	go p.accept()
	return p, nil
}

// Addr returns the address that clients connect to.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// SetFaults changes what happens to connections that come from now on.
func (p *Proxy) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Hold holds back everything that goes in one direction, on all connections
// and the ends of streams and resets included, as a one-way partition does.
// Nothing is lost: Release lets it go on.
func (p *Proxy) Hold(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[d] == nil && !p.closed {
		p.held[d] = make(chan struct{})
	}
}

// Release ends Hold.
func (p *Proxy) Release(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[d] != nil {
		close(p.held[d])
		p.held[d] = nil
	}
}

// Reset resets all connections, at both ends. It does not see one whose server
// has not been reached yet.
func (p *Proxy) Reset() {
	for _, l := range p.all() {
		l.reset()
	}
}

// Len returns how many connections are open.
func (p *Proxy) Len() int { return len(p.all()) }

// Close resets all connections and ends the proxy. It returns when nothing of
// it is left.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.l.Close()
	p.Release(ToServer)
	p.Release(ToClient)
	p.Reset()
	p.wg.Wait()
	return err
}

func (p *Proxy) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*link
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

func (p *Proxy) accept() {
	defer p.wg.Done()
	for {
		client, err := p.l.Accept()
		if err != nil {
			p.mu.Lock()
			closed := p.closed
			p.mu.Unlock()
			if closed {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors, perhaps
			continue
		}
		p.wg.Add(1)
		go p.serve(client.(*net.TCPConn))
	}
}

// serve connects to the target and forwards until both directions have ended.
func (p *Proxy) serve(client *net.TCPConn) {
	defer p.wg.Done()
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		abort(client)
		return
	}
	l := &link{proxy: p, ends: [2]*net.TCPConn{ToServer: server.(*net.TCPConn), ToClient: client}, done: make(chan struct{})}
	p.mu.Lock()
	l.faults = p.faults
	number := p.count
	p.count++
	p.links[l] = struct{}{}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		l.reset()
	}
	var both sync.WaitGroup
	for _, d := range []Direction{ToServer, ToClient} {
		rng := rand.New(rand.NewPCG(l.faults.Seed, number<<1|uint64(d)))
		both.Go(func() { l.forward(d, rng) })
	}
	both.Wait()
	for _, c := range l.ends {
		c.Close()
	}
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// wait waits while a direction is held back.
func (p *Proxy) wait(d Direction, done <-chan struct{}) {
	p.mu.Lock()
	held := p.held[d]
	p.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-done:
	}
}

// abort closes c with a reset.
func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
