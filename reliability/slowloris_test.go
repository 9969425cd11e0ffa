package reliability

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// The attack called Slowloris: every connection begins something and brings a
// byte a second, for ever. Each is shed when its time is over, and honest
// clients do not notice.
//
// Verifies: RUNTIME-08, RUNTIME-10
func TestSlowloris(t *testing.T) {
	limit := time.Duration(scale(5000, 1000)) * time.Millisecond
	cases := []struct {
		name, wire, opening, answer, head string
		timeouts                          parley.Timeouts
	}{
		{"tinyproto in a message", "tinyproto", "\xff", "\xff", tinyHead(1000), parley.Timeouts{Progress: limit}},
		{"serpy in a block", "serpy", "", "", "x", parley.Timeouts{Progress: limit}},
		{"serpy2 in a message", "serpy2", "", "", serpy2Head(0x21, 0, 1000), parley.Timeouts{Progress: limit}},
		{"tinyproto before the hello", "tinyproto", "", "\xff", "", parley.Timeouts{Handshake: limit}},
	}
	n := scale(5000, 200)
	eachDriver(t, func(t *testing.T, d driver) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				together(t)
				w := formOf(c.wire)
				server := startChild(t, d, w, childConfig{Timeouts: c.timeouts})
				honest := dial(t, w, server.addr)
				if _, err := latencies(honest, 200*time.Millisecond); err != nil { // warm up
					t.Fatal(err)
				}
				var shed []time.Duration
				text := disturbed(t, honest, limit, func() (end func()) {
					crowd := gather(t, server.addr, n, c.opening, c.answer)
					shed = make([]time.Duration, len(crowd.conns))
					crowd.each(func(i int, nc *net.TCPConn) { shed[i] = dribble(nc, c.head, crowd.since[i]) })
					return crowd.wg.Wait
				})
				slices.Sort(shed)
				least, most := shed[0], shed[len(shed)-1]
				figure(t, "%d connections, one byte a second, limit %v: shed after %v to %v; %s", len(shed), limit, least.Round(time.Millisecond), most.Round(time.Millisecond), text)
				if bound := within(limit + limit/10); least < limit || most > bound {
					t.Errorf("want %v to %v", limit, bound)
				}
				eventually(t, "the server to be rid of their descriptors", func() bool { return server.descriptors() <= 30 })
			})
		}
	})
}

// dribble begins with head, if there is one, writes a byte a second behind it,
// and returns how long the server bore that: since the first byte, or since
// before the connection was made if there is none.
func dribble(nc *net.TCPConn, head string, made time.Time) time.Duration {
	start := made
	if head != "" {
		start = time.Now()
		io.WriteString(nc, head)
	}
	for tick := start.Add(time.Second); ; tick = tick.Add(time.Second) {
		nc.SetReadDeadline(tick)
		_, err := nc.Read(make([]byte, 1))
		took := time.Since(start)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || took > time.Minute {
			return took
		}
		if head != "" {
			nc.Write([]byte{'.'})
		}
	}
}

// On oneline, where one client is served at a time, slow ones hold up the
// others no longer than their limit each.
//
// Verifies: ONELINE-10, ONELINE-29
func TestSlowlorisOnOneline(t *testing.T) {
	const limit, slow = 500 * time.Millisecond, 3
	eachDriver(t, func(t *testing.T, d driver) {
		w := formOf("oneline")
		addr := start(t, d, &parley.Server{Protocol: w.protocol, Handler: echo, Timeouts: parley.Timeouts{Progress: limit, Handshake: time.Minute}})
		for range slow {
			nc := connect(t, addr)
			go dribble(nc, "a line that does not", time.Now())
		}
		began := time.Now()
		honest := parley.Dialer{Protocol: w.protocol, Timeouts: parley.Timeouts{Handshake: time.Minute}}
		c, err := honest.Dial(bounded(t), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if m, err := c.Call(bounded(t), parley.Text("honest")); err != nil || m.Text() != "honest" {
			t.Errorf("%v, %v", m, err)
		}
		took := time.Since(began)
		figure(t, "behind %d slow clients, limit %v each: served after %v", slow, limit, took.Round(time.Millisecond))
		if bound := within(slow*(limit+limit/10) + time.Second); took > bound {
			t.Errorf("want at most %v", bound)
		}
	})
}
