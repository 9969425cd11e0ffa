package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// One of many that listen to a broadcast stops reading: it misses messages, or
// is cut, as WhenSlow says; memory stays bounded, and the others lose nothing.
//
// Verifies: RUNTIME-12, RUNTIME-13, RUNTIME-29
func TestSlowConsumer(t *testing.T) {
	const (
		size   = 1000
		output = 64 << 10
	)
	listeners, messages := scale(1000, 50), 300 // too many for the slow one's buffers
	if full {
		messages = 600
	}
	eachDriver(t, func(t *testing.T, d driver) {
		together(t)
		cases := []struct {
			name  string
			when  parley.SlowPolicy
			write time.Duration
		}{
			{"drop", parley.SlowDrop, 10 * time.Second}, // and cut in the end all the same
			{"cut", parley.SlowCut, time.Minute},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				together(t)
				w := formOf("serpy2")
				type end struct {
					at  time.Time
					err error
				}
				closed := make(chan end, listeners)
				srv := &parley.Server{
					Protocol: w.protocol, WhenSlow: c.when, MaxConnsPerAddr: -1,
					Limits: parley.Limits{MaxOutput: output}, Timeouts: parley.Timeouts{Write: c.write},
					Handler: echo,
					Hooks: parley.Hooks{
						OnOpen: func(_ context.Context, c *parley.Conn) error {
							return setWriteBuffer(c.NetConn(), 8<<10)
						},
						OnClose: func(_ *parley.Conn, err error) { closed <- end{time.Now(), err} },
					},
				}
				addr := start(t, d, srv)
				crowd := gather(t, addr, listeners, "", "")
				slow := crowd.conns[0]
				slow.SetReadBuffer(4 << 10)
				eventually(t, "all to be there", func() bool { return len(srv.Conns()) == listeners })
				var slowConn *parley.Conn
				for _, c := range srv.Conns() {
					if c.RemoteAddr().String() == slow.LocalAddr().String() {
						slowConn = c
					}
				}
				lost := make(chan error, listeners)
				crowd.each(func(i int, nc *net.TCPConn) {
					if i > 0 {
						lost <- hearBroadcast(nc, messages, size)
					}
				})
				began := time.Now()
				most := &watermark{}
				for i := range messages {
					// Others are slow too when the machine is: give them time.
					eventually(t, "the others to keep up", func() bool { return behind(srv, slowConn) < output/2 })
					if _, err := srv.Broadcast(broadcast(i, size)); err != nil {
						t.Fatal(err)
					}
					most.note(slowConn.Stats().Pending)
				}
				for range listeners - 1 {
					if err := <-lost; err != nil {
						t.Errorf("a listener that reads: %v", err)
					}
				}
				took := time.Since(began)
				cut := <-closed
				cutAfter := cut.at.Sub(began)
				figure(t, "%d listeners, %d messages of %d bytes in %v: the slow one held at most %d bytes and missed %d messages, was cut after %v; the others lost nothing",
					listeners, messages, size, took.Round(time.Millisecond), most.most(), srv.Stats().Missed, cutAfter.Round(time.Millisecond))
				if !errors.Is(cut.err, parley.ErrSlowConsumer) {
					t.Errorf("the slow one ended with %v, want ErrSlowConsumer", cut.err)
				}
				if most.most() > output+size+100 {
					t.Errorf("the slow one held %d bytes, the limit is %d", most.most(), output)
				}
				if (c.when == parley.SlowDrop) != (cutAfter >= c.write) {
					t.Errorf("it was cut after %v, Timeouts.Write is %v", cutAfter, c.write)
				}
				if srv.Stats().Missed == 0 {
					t.Error("nothing was dropped")
				}
			})
		}
	})
}

// broadcast returns the i-th message.
func broadcast(i, size int) parley.Message {
	return parley.Text(fmt.Sprintf("%06d%s", i, strings.Repeat(".", size-6)))
}

// behind returns how many bytes the listener that is behind most waits for, not
// counting one.
func behind(srv *parley.Server, but *parley.Conn) (most int) {
	for _, c := range srv.Conns() {
		if c != but {
			most = max(most, c.Stats().Pending)
		}
	}
	return most
}

// hearBroadcast reads all messages of a broadcast, in order.
func hearBroadcast(nc *net.TCPConn, messages, size int) error {
	const head = 14
	block := make([]byte, head+size)
	for i := range messages {
		if _, err := io.ReadFull(nc, block); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if want := broadcast(i, size).Text(); string(block[head:]) != want {
			return fmt.Errorf("message %d is %.20q, want %.20q", i, block[head:], want)
		}
	}
	return nil
}
