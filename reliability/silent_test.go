package reliability

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/faultproxy"
)

// Peers that open a connection and then say nothing, or vanish, are found, and
// nothing of them is left: no goroutine, no descriptor, no memory.
//
// Verifies: RUNTIME-14, RUNTIME-50
func TestSilentPeers(t *testing.T) {
	limit := time.Duration(scale(10_000, 500)) * time.Millisecond
	n := scale(1000, 100)
	eachDriver(t, func(t *testing.T, d driver) {
		for _, w := range forms[1:] { // oneline has one connection at a time
			t.Run(w.name, func(t *testing.T) {
				type end struct {
					after time.Duration
					err   error
				}
				ends := make(chan end, n)
				srv := &parley.Server{
					Protocol: w.protocol, Handler: echo, MaxConnsPerAddr: -1, Timeouts: parley.Timeouts{Idle: limit},
					Hooks: parley.Hooks{OnClose: func(c *parley.Conn, err error) { ends <- end{time.Since(c.Stats().Opened), err} }},
				}
				addr := start(t, d, srv)
				// Then what is needed once is there. On a busy machine a client may
				// be too slow for the limit, now and then.
				eventually(t, "an honest client", func() bool {
					err := honestly(t, w, addr)
					<-ends
					return err == nil
				})
				eventually(t, "the first one to be gone", func() bool { return srv.Stats().Open == 0 })
				goroutines, descriptors := runtime.NumGoroutine(), ownDescriptors(t)
				memory := heap()
				crowd := gather(t, addr, n, w.hello, w.welcome)
				least, most := time.Hour, time.Duration(0)
				for range n {
					e := <-ends
					least, most = min(least, e.after), max(most, e.after)
					if !errors.Is(e.err, os.ErrDeadlineExceeded) {
						t.Fatalf("one ended with %v, want a timeout", e.err)
					}
				}
				crowd.leave()
				crowd.conns = nil
				eventually(t, "their goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
				left := 0
				soon(func() bool { left = ownDescriptors(t) - descriptors; return left <= 0 })
				kept := heap() - memory
				figure(t, "%d silent peers, limit %v: found after %v to %v; left %d goroutines, %d descriptors, %d KiB", n, limit,
					least.Round(time.Millisecond), most.Round(time.Millisecond), max(0, runtime.NumGoroutine()-goroutines), left, max(0, kept)>>10)
				if least < limit || most > within(limit+limit/10) {
					t.Errorf("want %v to %v", limit, limit+limit/10)
				}
				if left > 0 {
					t.Errorf("%d descriptors are left", left)
				}
				if kept > int64(n)*1024 {
					t.Errorf("%d bytes are left", kept)
				}
			})
		}
	})
}

// heap returns how many bytes live on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC() // a second time for what the pools have held
	return heapNow()
}

// heapNow is heap with what the garbage collector has not yet found.
func heapNow() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A peer that vanishes while it owes something is found by what it owes: it
// takes no bytes, or does not answer.
//
// Verifies: RUNTIME-13, RUNTIME-43, TINYPROTO-20
func TestVanishedPeer(t *testing.T) {
	limit := time.Duration(scale(5000, 500)) * time.Millisecond
	eachDriver(t, func(t *testing.T, d driver) {
		for name, timeouts := range map[string]parley.Timeouts{
			"takes nothing":   {Write: limit},
			"answers nothing": {Answer: limit},
		} {
			t.Run(name, func(t *testing.T) {
				w := formOf("tinyproto")
				ends := make(chan error, 1)
				srv := &parley.Server{Protocol: w.protocol, Pull: true, Timeouts: timeouts, Hooks: parley.Hooks{
					OnClose: func(_ *parley.Conn, err error) { ends <- err },
				}}
				proxy, err := faultproxy.Listen(start(t, d, srv), faultproxy.Faults{})
				if err != nil {
					t.Fatal(err)
				}
				defer proxy.Close()
				dial(t, w, proxy.Addr())
				c, err := srv.Accept(bounded(t))
				if err != nil {
					t.Fatal(err)
				}
				proxy.Hold(faultproxy.ToServer)
				proxy.Hold(faultproxy.ToClient)
				began := time.Now()
				if timeouts.Answer > 0 {
					if err := c.Confirm(bounded(t), parley.Text("are you there?")); err == nil {
						t.Error("a peer that has vanished has confirmed")
					}
				} else {
					c.Send(bounded(t), parley.Bytes(make([]byte, 1<<16)))
					for range 1000 {
						if err = c.Send(bounded(t), parley.Bytes(make([]byte, 1<<16))); err != nil {
							break
						}
					}
				}
				err = <-ends
				took := time.Since(began)
				figure(t, "limit %v: found after %v: %v", limit, took.Round(time.Millisecond), err)
				const filling = time.Second // until the sockets take nothing more
				if err == nil || took > within(limit+limit/10+filling) {
					t.Errorf("want at most %v", limit+limit/10)
				}
			})
		}
	})
}
