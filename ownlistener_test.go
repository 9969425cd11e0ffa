package parley_test

import (
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
)

// Whoever closes a listener that he has given to Serve turns new clients away; those
// that are connected go on, and Serve ends with the server. That is what the original
// says of its Server.close.
func TestClosedListenerLeavesConnectionsAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &parley.Server{Protocol: serpy.Protocol{}, Pull: true, EventLoops: *eventLoops}
	serve(t, srv, l)
	c, err := parley.Dial(t.Context(), serpy.Protocol{}, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	child, err := srv.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if late, err := parley.Dial(t.Context(), serpy.Protocol{}, l.Addr().String()); err == nil {
		late.CloseNow()
		t.Error("somebody could still connect")
	}
	for _, way := range [][2]*parley.Conn{{c, child}, {child, c}} {
		if err := way[0].Send(t.Context(), parley.Text("still here")); err != nil {
			t.Fatal(err)
		}
		if m, err := way[1].Receive(t.Context()); err != nil || m.Text() != "still here" {
			t.Errorf("got %v, %v", m, err)
		}
	}
	if n := len(srv.Conns()); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
