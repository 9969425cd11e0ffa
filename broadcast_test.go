package parley_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// counting is a protocol that counts how often a message is encoded.
type counting struct {
	parley.Protocol
	sent, repeated *atomic.Int64
}

func (p counting) New(role wire.Role, limits wire.Limits) wire.Machine {
	return countingMachine{p.Protocol.New(role, limits).(wire.Repeater), p}
}

type countingMachine struct {
	wire.Repeater
	p counting
}

func (m countingMachine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	m.p.sent.Add(1)
	return m.Repeater.Send(dst, msg)
}

func (m countingMachine) Repeat(dst, form []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	m.p.repeated.Add(1)
	return m.Repeater.Repeat(dst, form, msg)
}

// Broadcast encodes a message once, whatever its size, and keeps nothing of the
// caller's.
//
// Verifies: RUNTIME-29
func TestBroadcastEncodesOnce(t *testing.T) {
	for _, p := range []parley.Protocol{serpy.Protocol{}, serpy.Protocol{Mode: 3}, serpy2.Protocol{}} {
		for _, size := range []int{5, 100_000} {
			t.Run(fmt.Sprintf("%s/%d", label(p), size), func(t *testing.T) {
				const clients = 5
				counted := counting{p, new(atomic.Int64), new(atomic.Int64)}
				life := newLife()
				srv := &parley.Server{Protocol: counted, Handler: parley.HandlerFunc(discard), Hooks: life.hooks()}
				addr := newServer(t, srv)
				var conns []*parley.Conn
				for range clients {
					c, err := parley.Dial(newContext(t), p, addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					conns = append(conns, c)
					life.conn(t)
				}
				for round := range int64(3) {
					text := strings.Repeat("x", size-1) + fmt.Sprint(round)
					b := []byte(text)
					if n, err := srv.Broadcast(parley.Bytes(b)); n != clients || err != nil {
						t.Fatalf("%d took it, %v", n, err)
					}
					clear(b) // it is ours again
					for _, c := range conns {
						expect(t, c, text)
					}
					if sent, repeated := counted.sent.Load(), counted.repeated.Load(); sent != round+1 || repeated != (round+1)*(clients-1) {
						t.Errorf("after message %d: encoded %d times, repeated %d times", round, sent, repeated)
					}
				}
			})
		}
	}
}

// A large message that has left is not kept by the connections it went to.
//
// Verifies: RUNTIME-09
func TestBroadcastIsLetGo(t *testing.T) {
	const size = 32 << 20
	life := newLife()
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(discard), Hooks: life.hooks()}
	nc, err := net.Dial("tcp", newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	life.conn(t)
	before := heap()
	if n, err := srv.Broadcast(parley.Bytes(make([]byte, size))); n != 1 || err != nil {
		t.Fatalf("%d took it, %v", n, err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.CopyN(io.Discard, nc, size); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); heap()-before > size/2; { // its last part may not have been accounted for
		if time.Since(began) > patience {
			t.Fatalf("the connection holds %d MiB", (heap()-before)>>20)
		}
	}
}

// Messages queue behind one that waits for its peer, for Broadcast as for Send:
// to wait for the wire's own consent is not to be slow.
//
// Verifies: RUNTIME-29
func TestBroadcastBehindAHeldMessage(t *testing.T) {
	for _, whenSlow := range []parley.SlowPolicy{parley.SlowDrop, parley.SlowCut} {
		bubble(t, fmt.Sprint(whenSlow), func(t *testing.T) {
			srv := &parley.Server{Protocol: tinyproto.Protocol{Eager: tinyproto.Never}, Handler: parley.HandlerFunc(discard), WhenSlow: whenSlow,
				Limits: parley.Limits{MaxOutput: 2000}}
			l := newMemory()
			serve(t, srv, l)
			peer := l.dial(t)
			go peer.say(tinyHello)
			peer.hear(tinyHello)
			synctest.Wait()
			var want []string
			for i := range 20 {
				text := fmt.Sprint("message ", i)
				want = append(want, text)
				if n, err := srv.Broadcast(parley.Text(text)); n != 1 || err != nil {
					t.Fatalf("message %d: %d, %v", i, n, err)
				}
			}
			if n, err := srv.Broadcast(parley.Bytes(make([]byte, 2001))); n != 0 || err != nil {
				t.Errorf("beyond the bound: %d, %v", n, err)
			}
			if n := srv.Stats().Missed; n != 1 {
				t.Errorf("Stats counts %d slow deliveries, want 1", n)
			}
			if whenSlow == parley.SlowCut {
				if _, err := io.Copy(io.Discard, peer); err != nil {
					t.Error(err)
				}
				return
			}
			for _, text := range want {
				go peer.say(tinyOK)
				peer.hear(tiny(text))
			}
		})
	}
}

// A slow peer misses a message or is cut; the others get everything.
//
// Verifies: RUNTIME-29, RUNTIME-40
func TestBroadcastToASlowPeer(t *testing.T) {
	protocols := []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy.Protocol{}, serpy2.Protocol{}}
	for _, p := range protocols {
		for _, whenSlow := range []parley.SlowPolicy{parley.SlowDrop, parley.SlowCut} {
			t.Run(fmt.Sprintf("%s/%v", label(p), whenSlow), func(t *testing.T) {
				life := newLife()
				srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(discard), WhenSlow: whenSlow, Hooks: life.hooks(),
					Limits: parley.Limits{MaxOutput: 1 << 20}, Timeouts: parley.Timeouts{Write: time.Hour}}
				addr := newServer(t, srv)
				var clients []*parley.Conn
				ctx := newContext(t)
				for range 3 {
					c, err := parley.Dial(ctx, p, addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					clients = append(clients, c)
					life.conn(t)
				}
				slow := bareDial(t, addr)
				if p.Name() == "tinyproto" {
					slow.say(tinyHello)
				}
				slowConn := life.conn(t)
				except := srv.Conns()[1]
				const size = 100_000
				total := 0
				for i := range 200 { // 20 MB: more than the sockets and the queue hold
					b := make([]byte, size)
					binary.BigEndian.PutUint32(b, uint32(i))
					n, err := srv.Broadcast(parley.Bytes(b), except)
					if err != nil {
						t.Fatal(err)
					}
					total += n
					for _, c := range []*parley.Conn{clients[0], clients[2]} {
						m, err := c.Receive(ctx)
						if err != nil || m.Len() != size || binary.BigEndian.Uint32(m.Bytes()) != uint32(i) {
							t.Fatalf("message %d: %v, %v", i, m, err)
						}
					}
				}
				if n := clients[1].Stats().MessagesIn; n != 0 {
					t.Errorf("the one that was left out got %d messages", n)
				}
				st := srv.Stats()
				if missed := uint64(600 - total); st.Missed == 0 || whenSlow == parley.SlowDrop && st.Missed != missed {
					t.Errorf("Stats counts %d slow deliveries, %d were missed", st.Missed, missed)
				}
				if whenSlow == parley.SlowCut {
					if err := life.reason(t); !errors.Is(err, parley.ErrSlowConsumer) {
						t.Errorf("the slow one ended with %v, want ErrSlowConsumer", err)
					}
				} else if slowConn.Err() != nil {
					t.Errorf("the slow one ended with %v", slowConn.Err())
				}
			})
		}
	}
	t.Run("impossible", func(t *testing.T) {
		life := newLife()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
		c := connect(t, true, srv, &parley.Dialer{})
		life.conn(t)
		if n, err := srv.Broadcast(parley.Float(1)); n != 0 || !errors.Is(err, parley.ErrNotRepresentable) {
			t.Errorf("got %d, %v, want ErrNotRepresentable", n, err)
		}
		if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
			t.Errorf("afterwards: %v, %v", m, err)
		}
	})
	t.Run("unsolicited", func(t *testing.T) {
		life := newLife()
		srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
		c := connect(t, false, srv, &parley.Dialer{})
		life.conn(t)
		if n, err := srv.Broadcast(parley.Text("news")); n != 0 || err != nil {
			t.Errorf("before the first command: %d, %v", n, err)
		}
		if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
			t.Errorf("the answer: %v, %v", m, err)
		}
		if n, err := srv.Broadcast(parley.Text("news")); n != 1 || err != nil {
			t.Errorf("after it: %d, %v", n, err)
		}
		expect(t, c, "news")
	})
}

// Who is not in a large room is left out, and a nil in a room is nobody.
//
// Verifies: RUNTIME-29
func TestBroadcastExceptMany(t *testing.T) {
	const conns, in = 40, 3
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
	n := parleytest.NewNetwork(t)
	n.Serve(srv, "hub:1")
	ctx := newContext(t)
	clients := make(map[uint64]*parley.Conn)
	for range conns {
		c, err := n.Dialer(serpy2.Protocol{}).Dial(ctx, "hub:1")
		if err != nil {
			t.Fatal(err)
		}
		s, err := srv.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		clients[s.ID()] = c
	}
	all := srv.Conns()
	room, others := all[:in], append(slices.Clone(all[in:]), nil)
	if sent, err := srv.Broadcast(parley.Text("first"), others...); sent != in || err != nil {
		t.Fatalf("sent to %d, %v, want %d", sent, err, in)
	}
	if sent, err := srv.BroadcastTo(parley.Text("second"), append(slices.Clone(room), nil)); sent != in || err != nil {
		t.Fatalf("sent to %d, %v, want %d", sent, err, in)
	}
	if sent, err := srv.Broadcast(parley.Text("third")); sent != conns || err != nil {
		t.Fatalf("sent to %d, %v, want %d", sent, err, conns)
	}
	for i, s := range all {
		want := []string{"first", "second", "third"}
		if i >= in {
			want = want[2:]
		}
		for _, w := range want {
			m, err := clients[s.ID()].Receive(ctx)
			wantText(t, m, err, w)
		}
	}
}
