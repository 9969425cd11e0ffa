package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/faultproxy"
)

// A mixed load on every wire, over networks that misbehave, for a time; then
// quiet: nothing that was confirmed is missing, no answer was wrong, and
// memory, goroutines and descriptors are where they were. -soak or PARLEY_SOAK
// sets the time.
//
// Verifies: RUNTIME-50, RUNTIME-17, RUNTIME-38
func TestSoak(t *testing.T) {
	lasting := *soakTime
	switch {
	case lasting > 0:
	case full:
		lasting = 2 * time.Minute
	default:
		lasting = 3 * time.Second
	}
	eachDriver(t, func(t *testing.T, d driver) {
		s := &soak{t: t, arrived: newArrivals()}
		s.run(d, min(lasting/4, time.Second)) // what is needed once is there after that
		goroutines, descriptors, memory := settled(t)
		*s = soak{t: t, arrived: newArrivals()}
		s.run(d, lasting)
		twice, missing := s.arrived.twice(), 0
		for sender, numbers := range s.arrived.missing() {
			missing += len(numbers)
			if !strings.HasPrefix(sender, "tinyproto-") {
				t.Errorf("messages %v of %s were confirmed and have not arrived", numbers, sender)
			}
		}
		s.arrived, s.cut.sizes = nil, nil // the test's own notes grow with it
		g, f, m := settled(t)
		for end := time.Now().Add(patience); (g > goroutines || f > descriptors || m > memory+1<<20) && time.Now().Before(end); {
			g, f, m = settled(t) // a busy machine is at rest later
		}
		figure(t, "%v: %d connections, %d calls, %d streams, %d confirmed of %d (%d missing, %d were cut behind their size), %d wrong, %d arrived twice; then %+d goroutines, %+d descriptors, %+d KiB",
			lasting, s.connections.Load(), s.calls.Load(), s.streams.Load(), s.confirmed.Load(), s.tried.Load(), missing, s.cut.total(), s.wrong.Load(), twice, g-goroutines, f-descriptors, (m-memory)>>10)
		if s.wrong.Load() > 0 || twice > 0 || missing > s.cut.total() {
			t.Error("something was lost, changed or repeated")
		}
		if g > goroutines || f > descriptors || m > memory+1<<20 {
			t.Error("something is left")
		}
		if !s.allDone() {
			t.Error("a part of the load did nothing")
		}
	})
}

// settled returns what the process holds when it has come to rest.
func settled(t *testing.T) (goroutines, descriptors int, memory int64) {
	for range 20 {
		before := runtime.NumGoroutine()
		time.Sleep(50 * time.Millisecond)
		if runtime.NumGoroutine() == before {
			break
		}
	}
	return runtime.NumGoroutine(), ownDescriptors(t), heap()
}

// soak is one run of the mixed load.
type soak struct {
	t       *testing.T
	arrived *arrivals
	cut     begun

	connections, calls, streams, tried, confirmed, wrong atomic.Int64
}

// allDone reports whether every part of the load has done something.
func (s *soak) allDone() bool {
	return s.calls.Load() > 0 && s.streams.Load() > 0 && s.confirmed.Load() > 0
}

// ServeMessage echoes what asks for it, and notes the rest.
func (s *soak) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	if bytes.HasPrefix(m.Bytes(), []byte("echo")) {
		return c.Send(ctx, m)
	}
	return s.arrived.ServeMessage(ctx, c, m)
}

// ServeStream echoes how much of a stream was as it must be.
func (s *soak) ServeStream(ctx context.Context, c *parley.Conn, st *parley.Stream) error {
	n, err := io.Copy(io.Discard, io.TeeReader(st, &checker{}))
	if err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprintf("%d", n)))
}

// checker checks the bytes of a soak's stream.
type checker struct{ at int }

func (c *checker) Write(p []byte) (int, error) {
	for i, b := range p {
		if b != noise[(c.at+i)&(len(noise)-1)] {
			return i, errors.New("a stream was changed")
		}
	}
	c.at += len(p)
	return len(p), nil
}

// run puts load on a server of every wire for a time.
func (s *soak) run(d driver, lasting time.Duration) {
	s.cut.sizes = map[*parley.Conn]heads{}
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	end := time.Now().Add(lasting)
	stop := every(20*time.Millisecond, func() {
		now := time.Now()
		if now.After(end) && (s.allDone() || now.After(end.Add(time.Minute))) { // a busy machine may need longer
			cancel()
		}
	})
	defer stop()
	var all sync.WaitGroup
	for i, w := range forms {
		srv := &parley.Server{
			Protocol: w.protocol, Handler: s, Limits: parley.Limits{MaxMessage: 256 << 10},
			Timeouts: parley.Timeouts{Answer: 5 * time.Second, Write: 5 * time.Second, Idle: 10 * time.Second, Close: 2 * time.Second},
		}
		if w.name == "tinyproto" {
			srv.Trace, srv.Hooks.OnClose = s.cut.trace, s.cut.closed
		}
		d.use(srv)
		if err := srv.Listen("127.0.0.1:0"); err != nil {
			s.t.Error(err)
			return
		}
		ended := make(chan struct{})
		go func() { defer close(ended); srv.Serve() }()
		proxy, err := faultproxy.Listen(srv.Addrs()[0].String(), faultproxy.Faults{})
		if err != nil {
			s.t.Error(err)
			return
		}
		var load sync.WaitGroup
		load.Go(func() { trouble(ctx, proxy, uint64(i)) })
		clients := 4
		if w.protocol.Traits().Clients == 1 {
			clients = 1
		}
		for n := range clients {
			load.Go(func() { s.client(ctx, w, proxy.Addr(), n) })
		}
		all.Go(func() {
			load.Wait()
			proxy.Close()
			shutdown, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := srv.Shutdown(shutdown); err != nil {
				s.t.Errorf("%s: Shutdown: %v", w.name, err)
			}
			<-ended
		})
	}
	all.Wait()
}

// trouble changes what a proxy does, again and again.
func trouble(ctx context.Context, p *faultproxy.Proxy, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(50+rng.IntN(300)) * time.Millisecond):
		}
		f := faultproxy.Faults{Seed: rng.Uint64()}
		switch rng.IntN(6) {
		case 0:
			f.Slice = 1 + rng.IntN(2000)
		case 1:
			f.Delay, f.Jitter = time.Duration(rng.IntN(20))*time.Millisecond, 10*time.Millisecond
		case 2:
			f.Bandwidth = 200_000 + rng.IntN(1<<20)
		case 3:
			f.ResetAfter[rng.IntN(2)] = 1 + rng.Int64N(100_000)
		case 4:
			p.Reset()
		case 5:
			d := faultproxy.Direction(rng.IntN(2))
			p.Hold(d)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(rng.IntN(200)) * time.Millisecond):
			}
			p.Release(d)
		}
		p.SetFaults(f)
	}
}

// client uses one connection after the other.
func (s *soak) client(ctx context.Context, w form, addr string, number int) {
	rng := rand.New(rand.NewPCG(uint64(number), 2))
	dialer := &parley.Dialer{Protocol: w.protocol, Timeouts: parley.Timeouts{Answer: 5 * time.Second, Close: 2 * time.Second, Settle: -1}}
	for run := 0; ctx.Err() == nil; run++ {
		c, err := dialer.Dial(ctx, addr)
		if err != nil {
			continue
		}
		s.connections.Add(1)
		sender := fmt.Sprintf("%s-%d-%d", w.name, number, run)
		for n := range 1 + rng.IntN(200) {
			if !s.use(ctx, rng, w, c, sender, n) {
				break
			}
		}
		if rng.IntN(4) == 0 {
			c.CloseNow()
		} else {
			c.Close()
		}
		<-c.Done()
		s.arrived.forget(sender)
	}
}

// use does one thing on a connection. It returns false when that has ended.
func (s *soak) use(ctx context.Context, rng *rand.Rand, w form, c *parley.Conn, sender string, n int) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	traits := w.protocol.Traits()
	switch rng.IntN(10) {
	case 0:
		if !traits.SendsStreams {
			return true
		}
		size := int64(300_000 + rng.IntN(1<<20))
		if c.SendStream(ctx, size, &repeated{left: size}) != nil {
			return false
		}
		m, err := c.Receive(ctx)
		if err != nil {
			return false
		}
		s.streams.Add(1)
		if m.Text() != fmt.Sprint(size) {
			s.wrong.Add(1)
			s.t.Errorf("%s: a stream of %d bytes was answered with %v", w.name, size, m)
		}
	case 1, 2, 3:
		if !traits.Confirms {
			return c.Send(ctx, parley.Text(string(numbered(sender, n, 10+rng.IntN(5000))))) == nil
		}
		s.tried.Add(1)
		if c.Confirm(ctx, parley.Text(string(numbered(sender, n, 10+rng.IntN(5000))))) != nil {
			return false
		}
		s.confirmed.Add(1)
		s.arrived.confirmed(sender, n)
	default:
		size := rng.IntN(1000)
		if rng.IntN(10) == 0 {
			size = rng.IntN(100_000)
		}
		text := "echo " + string(letters[:size]) + "."
		m, err := c.Call(ctx, parley.Text(text))
		if err != nil {
			return false
		}
		s.calls.Add(1)
		if m.Text() != text {
			s.wrong.Add(1)
			s.t.Errorf("%s: the answer to %.40q is %.40q", w.name, text, m.Text())
		}
	}
	return true
}

// repeated reads the noise, again and again.
type repeated struct {
	at   int
	left int64
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	at := r.at & (len(noise) - 1)
	n := copy(p[:min(int64(len(p)), r.left)], noise[at:])
	r.at += n
	r.left -= int64(n)
	return n, nil
}
