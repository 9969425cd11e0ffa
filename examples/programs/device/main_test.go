package main

import (
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/parleytest"
)

// Two clients share the device; a shutdown lets them have their answers.
func TestDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := parleytest.NewNetwork(t)
		srv := (&supply{}).server()
		network.Serve(srv, "psu:5025")
		dial := func() *parley.Conn {
			c, err := network.Dialer(line.SCPI()).Dial(t.Context(), "psu:5025")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		a, b := dial(), dial()
		if err := a.Send(t.Context(), parley.Text("VOLT 3.3")); err != nil {
			t.Fatal(err)
		}
		ask := func(c *parley.Conn, q, want string) {
			t.Helper()
			if m, err := c.Call(t.Context(), parley.Text(q)); err != nil || m.Text() != want {
				t.Errorf("%s: %v, %v; want %s", q, m, err, want)
			}
		}
		ask(a, "volt?", "3.300")
		ask(b, "VOLT?", "3.300")
		ask(b, "VOLT 31", "ERROR: 0 to 30 V")
		ask(b, "*IDN?", "ACME,PSU,1,0.1")
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-a.Done()
		if err := a.Err(); err != parley.ErrPeerClosed {
			t.Errorf("the client's end: %v", err)
		}
	})
}
