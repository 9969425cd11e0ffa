package reliability

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowOnes are peers that begin a message and bring a byte a second.
var slowOnes = []struct{ name, wire, opening string }{
	{"tinyproto", "tinyproto", "\xff" + tinyHead(1000)},
	{"serpy", "serpy", "x"},
	{"serpy2", "serpy2", serpy2Head(0x21, 0, 1000)},
}

// Slowloris against a server that bounds nothing but how many it serves: when a
// newcomer finds fewer than a quarter of the places free, the slow ones have the 30 s
// that Timeouts.Progress has by default; then there is room for it.
//
// Verifies: RUNTIME-85, RUNTIME-10
func TestSlowlorisPatiently(t *testing.T) {
	n, limit := scale(5000, 300), scale(1000, 60)
	const clock = 30 * time.Second
	measured := time.Duration(scale(32, 3)) * time.Second
	together(t)
	eachDriver(t, func(t *testing.T, d driver) {
		together(t)
		for _, slow := range slowOnes {
			t.Run(slow.name, func(t *testing.T) {
				together(t)
				w := formOf(slow.wire)
				server := startChild(t, d, w, childConfig{MaxConns: limit})
				honest := dial(t, w, server.addr)
				if _, err := latencies(honest, 200*time.Millisecond); err != nil { // warm up
					t.Fatal(err)
				}
				var served time.Duration
				most := &watermark{}
				text := disturbed(t, honest, measured, func() (end func()) {
					stop := every(100*time.Millisecond, func() { most.note(int(server.rss() >> 10)) })
					began := time.Now()
					crowd := besiege(t, server.addr, n, slow.opening)
					var wg sync.WaitGroup
					wg.Go(func() {
						for served = 0; served == 0 && time.Since(began) < 2*time.Minute; time.Sleep(20 * time.Millisecond) {
							if honestly(t, w, server.addr) == nil {
								served = time.Since(began)
							}
						}
					})
					return func() {
						wg.Wait()
						crowd.leave()
						stop()
						eventually(t, "the server to be rid of them", func() bool { return server.descriptors() <= 30 })
					}
				})
				figure(t, "%d slow connections, %d places: a newcomer was served after %v; at most %d MiB; %s",
					n, limit, served.Round(time.Millisecond), most.most()>>10, text)
				if served < clock || served > within(clock+time.Second) {
					t.Errorf("want between %v and %v", clock, within(clock+time.Second))
				}
				if most.most() > 100<<10 {
					t.Errorf("the server holds %d MiB", most.most()>>10)
				}
			})
		}
	})
}

// Without a shortage nobody has to go, however slow.
//
// Verifies: RUNTIME-85
func TestSlowButWelcome(t *testing.T) {
	n, lasting := scale(700, 50), time.Duration(scale(600, 40))*time.Second
	if !full {
		lasting = 40 * time.Second // also with -race: longer than the clocks
	}
	together(t)
	eachDriver(t, func(t *testing.T, d driver) {
		together(t)
		for _, slow := range slowOnes {
			t.Run(slow.name, func(t *testing.T) {
				together(t)
				w := formOf(slow.wire)
				server := startChild(t, d, w, childConfig{MaxConns: 1000})
				crowd := besiege(t, server.addr, n, slow.opening)
				time.Sleep(lasting)
				lost := crowd.lost.Load()
				crowd.leave()
				figure(t, "%d slow connections, 1000 places: %d had to go within %v", n, lost, lasting)
				if lost > 0 {
					t.Errorf("want none")
				}
			})
		}
	})
}

// siege is many bare connections that dribble: each says its opening, and then a byte
// a second until the server closes it.
type siege struct {
	crowd
	lost atomic.Int64 // that had been let in
}

// besiege makes n connections as fast as it can. Those that the server refuses at
// once do not count as lost.
func besiege(t *testing.T, addr string, n int, opening string) *siege {
	s := &siege{crowd: crowd{conns: make([]*net.TCPConn, n)}}
	t.Cleanup(s.leave)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				nc, err := dialFrom(i, addr)
				if err != nil {
					continue
				}
				s.conns[i] = nc
				began := time.Now()
				nc.Write([]byte(opening))
				s.wg.Go(func() { io.Copy(io.Discard, nc) })
				s.wg.Go(func() {
					var err error
					for ; err == nil; _, err = nc.Write([]byte{'.'}) {
						time.Sleep(time.Second)
					}
					if time.Since(began) > 5*time.Second {
						s.lost.Add(1)
					}
				})
			}
		})
	}
	workers.Wait()
	return s
}
