package reliability

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// Connections beyond the limit, as fast as they can be made, are refused in the
// words of the wire: the limit is held, those inside are served on.
//
// Verifies: RUNTIME-06
func TestFloodRefused(t *testing.T) {
	total, limit := scale(20_000, 2000), scale(1000, 100)
	eachDriver(t, func(t *testing.T, d driver) {
		w := formOf("tinyproto")
		server := startChild(t, d, w, childConfig{MaxConns: limit, WhenFull: parley.FullRefuse})
		honest := dial(t, w, server.addr)
		base := server.descriptors()
		most := &watermark{}
		stop := every(10*time.Millisecond, func() { most.note(server.descriptors() - base + 1) })

		var mu sync.Mutex
		var served []*net.TCPConn
		var refused, broken atomic.Int64
		var next atomic.Int64
		var workers sync.WaitGroup
		began := time.Now()
		for range 64 {
			workers.Go(func() {
				for i := next.Add(1); i <= int64(total); i = next.Add(1) {
					nc, err := dialFrom(int(i), server.addr)
					if err != nil {
						broken.Add(1)
						continue
					}
					nc.SetDeadline(time.Now().Add(patience))
					io.WriteString(nc, "\xff")
					word := make([]byte, 1)
					switch _, err := io.ReadFull(nc, word); {
					case err == nil && word[0] == 0xff:
						mu.Lock()
						served = append(served, nc)
						mu.Unlock()
						continue
					case err == nil && word[0] == 0xfe:
						refused.Add(1)
					default: // more were refused at a time than are told so
						broken.Add(1)
					}
					nc.SetLinger(0)
					nc.Close()
				}
			})
		}
		workers.Wait()
		took := time.Since(began)
		stop()
		if m, err := honest.Call(bounded(t), parley.Text("still there")); err != nil || m.Text() != "still there" {
			t.Errorf("the honest client: %v, %v", m, err)
		}
		for _, nc := range served {
			nc.SetDeadline(time.Now().Add(patience))
			if err := echoOnce(nc); err != nil {
				t.Errorf("a client inside the limit: %v", err)
				break
			}
		}
		figure(t, "%d connections in %v, limit %d: %d served, %d refused with FE, %d just closed, at most %d descriptors at a time", total, took.Round(time.Millisecond), limit, len(served)+1, refused.Load(), broken.Load(), most.most())
		if len(served)+1 != limit {
			t.Errorf("%d are served, the limit is %d", len(served)+1, limit)
		}
		if refused.Load() == 0 {
			t.Error("nobody was refused in the words of the wire")
		}
		if beyond := most.most() - limit; beyond > 256+64 { // those that are being refused
			t.Errorf("the server had %d connections beyond its limit", beyond)
		}
		for _, nc := range served {
			nc.SetLinger(0)
			nc.Close()
		}
		eventually(t, "a place to be free", func() bool { return server.descriptors()-base < limit/2 })
		wantEcho(t, w, server.addr)
	})
}

// echoOnce sends a short message with tinyproto and reads it back.
func echoOnce(nc *net.TCPConn) error {
	if _, err := io.WriteString(nc, tinyHead(2)+"hi"); err != nil {
		return err
	}
	return hear(nc, "\xff"+tinyHead(2)+"hi")
}

// With FullWait the others wait, unaccepted, and are served when there are
// places.
//
// Verifies: RUNTIME-05
func TestFloodWaits(t *testing.T) {
	limit := scale(1000, 100)
	eachDriver(t, func(t *testing.T, d driver) {
		w := formOf("tinyproto")
		server := startChild(t, d, w, childConfig{MaxConns: limit, WhenFull: parley.FullWait})
		base := server.descriptors()
		inside := gather(t, server.addr, limit, "\xff", "\xff")
		waiting := gather(t, server.addr, limit, "\xff"+tinyHead(2)+"hi", "")
		if n := server.descriptors() - base; n > limit+5 {
			t.Errorf("%d connections, the limit is %d", n, limit)
		}
		answered := make(chan error, limit)
		waiting.each(func(_ int, nc *net.TCPConn) {
			answered <- hear(nc, "\xff\xff"+tinyHead(2)+"hi")
			nc.SetLinger(0)
			nc.Close()
		})
		select {
		case err := <-answered:
			t.Fatalf("one was served beyond the limit: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		began := time.Now()
		inside.leave()
		for range limit {
			if err := <-answered; err != nil {
				t.Fatalf("one that had waited: %v", err)
			}
		}
		figure(t, "limit %d, %d more waited: all served %v after the places were free", limit, limit, time.Since(began).Round(time.Millisecond))
	})
}

// Out of descriptors a server keeps its connections, does not burn the
// processor, and accepts again when there are some.
//
// Verifies: RUNTIME-15
func TestOutOfDescriptors(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := formOf("tinyproto")
		server := startChild(t, d, w, childConfig{NoFile: 60})
		honest := dial(t, w, server.addr)
		var crowd []net.Conn
		for range 200 { // those beyond the limit stay in the backlog
			nc, err := net.Dial("tcp", server.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			crowd = append(crowd, nc)
		}
		eventually(t, "the descriptors to run out", func() bool { return server.descriptors() >= 60 })
		watched := time.Duration(scale(10, 2)) * time.Second
		before, began := server.cpu(), time.Now()
		calls := 0
		for time.Since(began) < watched {
			if m, err := honest.Call(bounded(t), parley.Text("still there")); err != nil || m.Text() != "still there" {
				t.Fatalf("a connection from before: %v, %v", m, err)
			}
			calls++
			time.Sleep(50 * time.Millisecond)
		}
		busy := 100 * float64(server.cpu()-before) / float64(time.Since(began))
		for _, nc := range crowd {
			nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
		}
		took := wantEcho(t, w, server.addr)
		figure(t, "out of descriptors for %v: %.1f %% of a processor, %d calls on the old connection; a new one was served %v after the relief", watched, busy, calls, took.Round(time.Millisecond))
		most := 5.0
		if !full {
			most = 25 // its calls alone take more when other programs cool the caches
		}
		if busy >= most {
			t.Errorf("want less than %v %% of a processor", most)
		}
		if took > within(1100*time.Millisecond) {
			t.Error("want at most 1 s")
		}
	})
}

// watermark is the highest number seen.
type watermark struct{ n atomic.Int64 }

func (w *watermark) note(n int) {
	for {
		old := w.n.Load()
		if int64(n) <= old || w.n.CompareAndSwap(old, int64(n)) {
			return
		}
	}
}

func (w *watermark) most() int { return int(w.n.Load()) }

// every calls f again and again until stop is called.
func every(d time.Duration, f func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}
