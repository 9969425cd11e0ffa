package reliability

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// A server process that gets SIGTERM under full load answers every message that
// it has taken, and ends within its drain limit: as many answers arrive as it
// has taken messages, each client's in order.
//
// Verifies: RUNTIME-32
func TestSIGTERMUnderLoad(t *testing.T) {
	drain := within(10 * time.Second)
	clients := scale(200, 20)
	eachForm(t, func(t *testing.T, d driver, w form) {
		together(t)
		config := childConfig{Drain: drain}
		if !full { // on a busy machine the clients may stand still for a while
			config.Timeouts.Linger = drain
		}
		server := startChild(t, d, w, config)
		n := clients
		if w.protocol.Traits().Clients == 1 {
			n = 1
		}
		load := newTermLoad(t, w, server.addr, n)
		eventually(t, "the load to be there", func() bool { return load.answered.Load() > int64(20*n) })
		end, took := server.terminate()
		load.done.Wait()
		taken, answered := end.Taken, uint64(load.answered.Load())
		figure(t, "%d clients, %d messages sent, %d taken, %d answered, %d of them confirmed first; the process ended %v after SIGTERM",
			n, load.sent.Load(), taken, answered, load.confirmed.Load(), took.Round(time.Millisecond))
		if end.Err != "" {
			t.Errorf("Shutdown: %v", end.Err)
		}
		if answered != taken || end.Sent != taken {
			t.Errorf("%d messages were taken, %d answers left, %d arrived", taken, end.Sent, answered)
		}
		if load.confirmed.Load() > answered {
			t.Errorf("%d messages were confirmed, %d answered", load.confirmed.Load(), answered)
		}
		if took > drain+time.Second {
			t.Errorf("the drain limit is %v", drain)
		}
	})
}

// termLoad is clients that send as fast as they can, until the server leaves.
type termLoad struct {
	sent, answered atomic.Int64
	confirmed      atomic.Uint64
	done           sync.WaitGroup
}

func newTermLoad(t *testing.T, w form, addr string, clients int) *termLoad {
	l := &termLoad{}
	conns := make([]*parley.Conn, clients)
	for i := range conns { // before the load makes it slow
		conns[i] = dial(t, w, addr)
	}
	for _, c := range conns {
		if w.protocol.Traits().Lockstep { // one answer before the next command
			l.done.Go(func() {
				for {
					number := l.sent.Add(1)
					m, err := c.Call(context.Background(), parley.Text(fmt.Sprint("message ", number)))
					if err != nil {
						return
					}
					l.note(t, m, number)
				}
			})
			continue
		}
		l.done.Go(func() {
			for n := int64(0); c.Send(context.Background(), parley.Text(fmt.Sprint("message ", n))) == nil; n++ {
				l.sent.Add(1)
			}
		})
		l.done.Go(func() {
			for n := int64(0); ; n++ {
				m, err := c.Receive(context.Background())
				if err != nil {
					l.confirmed.Add(c.Stats().Confirmed)
					return
				}
				l.note(t, m, n)
			}
		})
	}
	return l
}

func (l *termLoad) note(t *testing.T, m parley.Message, n int64) {
	if want := fmt.Sprint("message ", n); m.Text() != want {
		t.Errorf("the answer is %v, want %q", m, want)
	}
	l.answered.Add(1)
}
