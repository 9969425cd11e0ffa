package parley_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// Messages of one goroutine stay in their order, whatever their sizes and
// whoever else sends.
//
// Verifies: RUNTIME-16, RUNTIME-19
func TestSendOrder(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		srv := &parley.Server{Protocol: p, Pull: true}
		c := connect(t, pipe, srv, &parley.Dialer{})
		ctx := newContext(t)
		const senders, messages = 4, 100
		var wg sync.WaitGroup
		defer wg.Wait()
		for g := range senders {
			wg.Go(func() {
				for i := range messages {
					size := []int{4, 5, 20_000, 70_000}[(g+i)%4]
					b := make([]byte, size)
					b[0] = byte(g)
					binary.BigEndian.PutUint16(b[1:], uint16(i))
					if err := c.Send(ctx, parley.Bytes(b)); err != nil {
						t.Error(err)
						return
					}
					clear(b) // it is ours again
				}
			})
		}
		s, err := srv.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var next [senders]int
		for range senders * messages {
			m, err := s.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			g, i := m.Bytes()[0], int(binary.BigEndian.Uint16(m.Bytes()[1:]))
			if i != next[g] {
				t.Fatalf("message %d of sender %d came, want %d", i, g, next[g])
			}
			next[g]++
		}
	})
}

// A peer that does not read stops its sender: what waits is bounded.
//
// Verifies: RUNTIME-12, RUNTIME-40
func TestOutputIsBounded(t *testing.T) {
	const bound = 100_000
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue
		}
		for _, size := range []int{10, 1000, 30_000} {
			bubble(t, fmt.Sprintf("%s/%d", label(f.protocol), size), func(t *testing.T) {
				c, _ := barePipe(t, &parley.Dialer{Protocol: f.protocol, Limits: parley.Limits{MaxOutput: bound}, Timeouts: parley.Timeouts{Write: -1, Answer: -1}}, f.hello)
				var wg sync.WaitGroup
				count := make(chan int, 10)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for range 3 {
					wg.Go(func() {
						n := 0
						for c.Send(ctx, parley.Text(strings.Repeat("x", size))) == nil {
							n++
						}
						count <- n
					})
				}
				synctest.Wait() // all are blocked
				if n := c.Stats().Pending; n > bound+3*(size+20) {
					t.Errorf("%d bytes wait, the bound is %d", n, bound)
				} else if n == 0 {
					t.Error("nothing waits")
				}
				wg.Wait()
				if sent := <-count + <-count + <-count; sent > 2*bound/size {
					t.Errorf("%d messages of %d bytes were taken", sent, size)
				}
			})
		}
	}
}

// Received messages that nobody takes stop the reading: what waits is bounded,
// in messages and in bytes.
//
// Verifies: RUNTIME-12, RUNTIME-31
func TestInboxIsBounded(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue
		}
		for _, size := range []int{1, 1000} {
			bubble(t, fmt.Sprintf("%s/%d", label(f.protocol), size), func(t *testing.T) {
				const most, total = 50, 1000
				c, peer := barePipe(t, &parley.Dialer{Protocol: f.protocol, Limits: parley.Limits{MaxQueue: most, MaxInput: 10_000}}, f.hello)
				go io.Copy(io.Discard, peer)
				text := strings.Repeat("x", size)
				written := 0
				var wg sync.WaitGroup
				wg.Go(func() {
					for range total {
						if _, err := io.WriteString(peer, f.text(text)); err != nil {
							t.Error(err)
							return
						}
						written++
					}
				})
				synctest.Wait()
				want := most
				if size*most > 10_000 {
					want = 10_000 / size
				}
				if n := c.Buffered(); n != want || c.Stats().Waiting != n {
					t.Errorf("%d messages wait (Stats: %d), the bound is %d", n, c.Stats().Waiting, want)
				}
				if written > want+2 { // what one read brings
					t.Errorf("%d messages were read", written)
				}
				for i := range total {
					if m, err := c.Receive(t.Context()); err != nil || m.Text() != text {
						t.Fatalf("message %d: %v, %v", i, m, err)
					}
				}
				wg.Wait()
				if n := c.Buffered(); n != 0 {
					t.Errorf("%d messages are left", n)
				}
			})
		}
	}
}

// Every Send returns when its connection is cut, wherever it waits.
//
// Verifies: RUNTIME-34, RUNTIME-50
func TestSendersOfALostConnection(t *testing.T) {
	for _, size := range []int{10, 20_000, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for i := range 200 {
				nc := &breaking{release: make(chan struct{})}
				peer, ours := net.Pipe()
				nc.Conn = ours
				go io.WriteString(peer, tinyHello)
				d := &parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxOutput: 1}, Timeouts: parley.Timeouts{Write: -1, Linger: -1}}
				c, err := d.NewConn(t.Context(), nc)
				if err != nil {
					t.Fatal(err)
				}
				nc.good = 1 + i%4
				within(t, "Send", func() {
					var wg sync.WaitGroup
					for range 4 {
						wg.Go(func() {
							for c.Send(t.Context(), parley.Bytes(make([]byte, size))) == nil {
							}
						})
					}
					io.WriteString(peer, tiny("something to confirm"))
					close(nc.release)
					if size > tinyproto.EagerLimit {
						peer.Close() // what is held is never granted
					}
					wg.Wait()
				})
				peer.Close()
				<-c.Done()
			}
		})
	}
}

// breaking is a connection whose writes wait for release and fail after some.
type breaking struct {
	net.Conn
	release chan struct{}
	good    int
}

func (b *breaking) Write(p []byte) (int, error) {
	<-b.release
	if b.good--; b.good < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

// A peer may have all of its turns while its messages cross ours: two peers of
// ours echo at each other, both sending at once.
//
// Verifies: RUNTIME-46, RUNTIME-09, TINYPROTO-12
func TestBothSendAtOnce(t *testing.T) {
	total, most := 64<<20, 50_000
	if testing.Short() || raceEnabled {
		total, most = 2<<20, 1000
	}
	for _, p := range symmetric {
		for _, size := range []int{total, 1 << 20, 64 << 10, 16} {
			for _, pipe := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/pipe=%v", label(p), size, pipe), func(t *testing.T) {
					count := min(total/size, most)
					if pipe {
						count = min(count, 5000)
					}
					limits := parley.Limits{MaxMessage: 128 << 20}
					srv := &parley.Server{Protocol: p, Pull: true, Limits: limits}
					a := connect(t, pipe, srv, &parley.Dialer{Limits: limits})
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					b, err := srv.Accept(ctx)
					if err != nil {
						t.Fatal(err)
					}
					var wg sync.WaitGroup
					for i, c := range []*parley.Conn{a, b} {
						wg.Go(func() { echoAtEachOther(t, ctx, c, byte(i), size, count) })
					}
					wg.Wait()
				})
			}
		}
	}
}

// echoAtEachOther sends count messages, of which a window is under way at a
// time, sends back what the peer sends, and checks what comes back. The first
// byte of a message says who made it.
func echoAtEachOther(t *testing.T, ctx context.Context, c *parley.Conn, who byte, size, count int) {
	window := make(chan struct{}, max(1, min(1024, (4<<20)/size)))
	var wg sync.WaitGroup
	echoes := make(chan []byte, cap(window))
	wg.Go(func() {
		b := make([]byte, size)
		for i := range size {
			b[i] = byte(i * 7)
		}
		b[0] = who
		for i := range count {
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
				return
			}
			binary.BigEndian.PutUint32(b[1:], uint32(i))
			if err := c.Send(ctx, parley.Bytes(b)); err != nil {
				t.Errorf("%d: message %d: %v", who, i, err)
				return
			}
		}
	})
	wg.Go(func() {
		for b := range echoes {
			if err := c.Send(ctx, parley.Bytes(b)); err != nil {
				t.Errorf("%d: echo: %v", who, err)
				return
			}
		}
	})
	for mine, theirs := 0, 0; mine < count || theirs < count; {
		m, err := c.Receive(ctx)
		if err != nil {
			t.Errorf("%d: after %d and %d messages: %v", who, mine, theirs, err)
			break
		}
		b := m.Bytes()
		if len(b) != size {
			t.Errorf("%d: got %d bytes, want %d", who, len(b), size)
			break
		}
		n := &theirs
		if b[0] == who {
			n = &mine
		}
		if got := binary.BigEndian.Uint32(b[1:]); got != uint32(*n) || size > 100 && b[size-1] != byte((size-1)*7) {
			t.Errorf("%d: got message %d of peer %d, want %d", who, got, b[0], *n)
			break
		}
		*n++
		if b[0] == who {
			<-window
		} else {
			echoes <- b
		}
	}
	close(echoes)
	wg.Wait()
}

// The last answers a peer gives are not lost when both close at once.
//
// Verifies: RUNTIME-33, RUNTIME-35
func TestCloseWhileThePeerSends(t *testing.T) {
	c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, tinyHello)
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	peer.hear(tinyHello)
	peer.hearEnd()
	peer.say(tiny("what we say now", "is ignored", "and not answered"))
	peer.closeWrite()
	if err := next(t, closed, "Close did not return"); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := c.Err(); err != parley.ErrClosed {
		t.Errorf("Err: %v, want ErrClosed", err)
	}
}
