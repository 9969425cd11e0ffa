package parley_test

import (
	"context"
	"encoding/binary"
	"errors"
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
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
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

// A Send that is cancelled before its turn has sent nothing, and the
// connection goes on.
//
// Verifies: RUNTIME-21
func TestSendCancelledBefore(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue
		}
		bubble(t, label(f.protocol), func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: f.protocol, Limits: parley.Limits{MaxOutput: 1}, Timeouts: parley.Timeouts{Write: -1, Answer: -1}}, f.hello)
			sent := make(chan error, 1)
			first := strings.Repeat("1", 50_000)
			go func() { sent <- c.Send(t.Context(), parley.Text(first)) }()
			synctest.Wait() // it blocks, as the peer does not read
			done, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Send(done, parley.Text("already cancelled")); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want Canceled", err)
			}
			late, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			err := c.Send(late, parley.Text("timed out"))
			wantTimeout(t, err, "deadline", time.Since(start), time.Minute)
			if err := c.Confirm(done, parley.Text("x")); !errors.Is(err, context.Canceled) && err != parley.ErrNoConfirmation {
				t.Errorf("Confirm: %v, want Canceled", err)
			}
			if _, err := c.Call(done, parley.Text("x")); !errors.Is(err, context.Canceled) {
				t.Errorf("Call: %v, want Canceled", err)
			}
			go func() { sent <- c.Send(t.Context(), parley.Text("last")) }()
			if f.protocol.Traits().Confirms && f.protocol.Name() == "tinyproto" {
				go io.WriteString(peer, tinyOK)
				peer.hear(tinyHello)
			}
			peer.hear(f.text(first))
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if label(f.protocol) == "tinyproto-never" {
				peer.hear(tinyHead(4))
				go io.WriteString(peer, tinyOK)
				peer.hear("last")
			} else {
				peer.hear(f.text("last"))
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// A Send that is cancelled when its bytes have begun to leave ends the
// connection: the peer must not take the next message for the rest of it.
//
// Verifies: RUNTIME-21, RUNTIME-34
func TestSendCancelledInTheMiddle(t *testing.T) {
	kinds := map[string]struct {
		protocol parley.Protocol
		hello    string
		read     int // what the peer reads of it
	}{
		"tinyproto, body":  {tinyproto.Protocol{}, tinyHello, 1000},
		"tinyproto, held":  {tinyproto.Protocol{}, tinyHello, 5},
		"tinyproto, never": {tinyproto.Protocol{Eager: tinyproto.Never}, tinyHello, 5},
		"serpy2":           {serpy2.Protocol{}, "", 1000},
	}
	for name, k := range kinds {
		bubble(t, name, func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: k.protocol}, k.hello)
			size := 60_000
			if strings.HasSuffix(name, "held") {
				size = 1 << 20
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			sent := make(chan error, 1)
			go func() { sent <- c.Send(ctx, parley.Bytes(make([]byte, size))) }()
			if _, err := io.ReadFull(peer, make([]byte, k.read)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			why := errors.New("the user pressed stop")
			cancel(why)
			err := <-sent
			if !errors.Is(err, why) || !strings.Contains(err.Error(), "in the middle") {
				t.Errorf("got %v, want the cause", err)
			}
			<-c.Done()
			if c.Err() != err {
				t.Errorf("Err is %v, Send returned %v", c.Err(), err)
			}
			if err := c.Send(t.Context(), parley.Text("x")); !errors.Is(err, why) {
				t.Errorf("the next Send: %v, want the same reason", err)
			}
			if _, err := c.Receive(t.Context()); !errors.Is(err, why) {
				t.Errorf("the next Receive: %v, want the same reason", err)
			}
			if n, err := io.Copy(io.Discard, peer); n >= int64(size) || err != nil {
				t.Errorf("the peer got all of it: %d bytes, %v", n, err)
			}
		})
	}
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

// Verifies: RUNTIME-17, RUNTIME-18, RUNTIME-20, ONELINE-21
func TestCallCancelled(t *testing.T) {
	bubble(t, "half an answer", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: oneline.Protocol{}}, "pong\n")
		peer.hear("ping\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			peer.hear("question\n")
			peer.say("an answer ")
		}()
		start := time.Now()
		_, err := c.Call(ctx, parley.Text("question"))
		wantTimeout(t, err, "deadline", time.Since(start), time.Second)
		go peer.say("in two parts\n")
		var late *parley.LateAnswerError // half a message stays where it is
		if _, err := c.Receive(t.Context()); !errors.As(err, &late) || late.Question.Text() != "question" || late.Answer.Text() != "an answer in two parts" {
			t.Errorf("the late answer came as %v", err)
		}
	})
	bubble(t, "confirm", func(t *testing.T) {
		// A late OK is never credited to a later message.
		c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, tinyHello)
		go io.Copy(io.Discard, peer)
		for i, late := range []bool{true, true, false} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			go func() {
				if !late {
					peer.say(tinyOK + tinyOK + tinyOK)
				}
			}()
			err := c.Confirm(ctx, parley.Text(fmt.Sprint(i)))
			cancel()
			if late {
				wantTimeout(t, err, "deadline", time.Since(start), time.Second)
			} else if err != nil {
				t.Errorf("the third: %v", err)
			}
		}
	})
	bubble(t, "confirms out of order", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{Mode: 1}}, "")
		go io.Copy(io.Discard, peer)
		confirmed := make(chan string, 10)
		for _, m := range []string{"a", "b", "c"} {
			go func() {
				if err := c.Confirm(t.Context(), parley.Text(m)); err != nil {
					m = err.Error()
				}
				confirmed <- m
			}()
			synctest.Wait()
		}
		for _, want := range []string{"a", "b", "c"} {
			peer.say("\x01ACKEOT!!\x1f")
			if got := <-confirmed; got != want {
				t.Errorf("%s was confirmed, want %s", got, want)
			}
		}
	})
}
