package parley_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// unsound is a plugin that has a fault when it meets a message with "fault" in it.
type unsound struct {
	in    string
	fault func()
}

func (unsound) Name() string { return "unsound" }

func (u unsound) New(wire.Role, int64) wire.Transform {
	if u.in == "New" {
		u.fault()
	}
	return u
}

func (u unsound) meet(in string, dst, p []byte) ([]byte, error) {
	if u.in == in && strings.Contains(string(p), "fault") {
		u.fault()
	}
	return append(dst, p...), nil
}

func (u unsound) Send(dst, p []byte) ([]byte, error) { return u.meet("Send", dst, p) }

func (u unsound) Receive(dst, p []byte) ([]byte, error) { return u.meet("Receive", dst, p) }

// A plugin that panics or ends its goroutine costs its connection, whoever has called it.
//
// Verifies: RUNTIME-57
func TestUnsoundPlugin(t *testing.T) {
	for _, fault := range faults {
		for _, in := range []string{"Send", "Receive", "Broadcast"} {
			t.Run(fault.name+"/"+in, func(t *testing.T) {
				reasons := make(chan error, 10)
				step := in
				if in == "Broadcast" {
					step = "Send"
				}
				srv := &parley.Server{Protocol: tinyproto.Protocol{}, MaxConns: 1, WhenFull: parley.FullWait,
					Plugins: []parley.Plugin{unsound{step, fault.do}}, Handler: parley.HandlerFunc(echo),
					Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { reasons <- err }}}
				addr := newServer(t, srv)
				c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if in == "Broadcast" {
					c.Call(newContext(t), parley.Text("hello")) // so that it is open
					go srv.Broadcast(parley.Text("fault"))
				} else {
					c.Send(newContext(t), parley.Text("fault"))
				}
				err = next(t, reasons, "OnClose was not called")
				if !strings.Contains(err.Error(), "in plugin unsound") {
					t.Errorf("the end: %v", err)
				}
				if goexit := strings.Contains(err.Error(), "runtime.Goexit"); goexit != (fault.name == "goexit") {
					t.Errorf("the end: %v, by %s", err, fault.name)
				}
				serves(t, srv, tinyproto.Protocol{}, addr)
			})
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		_, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: []parley.Plugin{unsound{"New", fault.do}}}).NewConn(newContext(t), ours)
		if err == nil || !strings.Contains(err.Error(), "panic") || errors.Is(err, parley.ErrNoPlugins) {
			t.Errorf("NewConn: %v", err)
		}
	}
}
