package parley_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// flawed is a protocol whose first machine has a flaw.
type flawed struct {
	parley.Protocol
	made *atomic.Int32
	flaw func(wire.Machine) wire.Machine
}

func (p flawed) New(role wire.Role, limits wire.Limits) wire.Machine {
	if m := p.Protocol.New(role, limits); p.made.Add(1) > 1 {
		return m
	} else {
		return p.flaw(m)
	}
}

// flaws is a machine that does something else where a field is set.
type flaws struct {
	wire.Machine
	receive func(p []byte, ev *wire.Event) (int, error) // once a message has come
	send    func(dst []byte, m parley.Message) ([]byte, wire.Sent, error)
	output  func(dst []byte) []byte
	await   func() int
	end     func(dst []byte) []byte
	accept  func()
	eof     func(rest []byte, ev *wire.Event) error
	armed   bool // the first message has come
}

func (f *flaws) Receive(p []byte, ev *wire.Event) (int, error) {
	if f.armed && f.receive != nil {
		return f.receive(p, ev)
	}
	n, err := f.Machine.Receive(p, ev)
	f.armed = f.armed || ev.Kind == wire.EventMessage
	return n, err
}

func (f *flaws) Send(dst []byte, m parley.Message) ([]byte, wire.Sent, error) {
	if f.send != nil {
		return f.send(dst, m)
	}
	return f.Machine.Send(dst, m)
}

func (f *flaws) Output(dst []byte) []byte {
	if f.armed && f.output != nil {
		return f.output(dst)
	}
	return f.Machine.Output(dst)
}

func (f *flaws) Awaiting() int {
	if f.armed && f.await != nil {
		return f.await()
	}
	return f.Machine.Awaiting()
}

func (f *flaws) Close(dst []byte) []byte {
	if f.end != nil {
		return f.end(dst)
	}
	return f.Machine.Close(dst)
}

func (f *flaws) Accept() {
	if f.accept != nil {
		f.accept()
	}
	f.Machine.Accept()
}

func (f *flaws) ReceiveEOF(rest []byte, ev *wire.Event) error {
	if f.eof != nil {
		return f.eof(rest, ev)
	}
	return f.Machine.ReceiveEOF(rest, ev)
}

// A machine that panics or breaks its contract costs its connection, with an error
// that says what it has done.
//
// Verifies: RUNTIME-57
func TestFlawedMachine(t *testing.T) {
	event := func(n int, e wire.Event) func([]byte, *wire.Event) (int, error) {
		return func(p []byte, ev *wire.Event) (int, error) {
			if len(p) == 0 {
				*ev = wire.Event{}
				return 0, nil
			}
			*ev = e
			return n, nil
		}
	}
	series := func(events ...wire.Event) func([]byte, *wire.Event) (int, error) {
		return func(p []byte, ev *wire.Event) (int, error) {
			if len(p) == 0 || len(events) == 0 {
				*ev = wire.Event{}
				return 0, nil
			}
			*ev, events = events[0], events[1:]
			return 1, nil
		}
	}
	offer := wire.Event{Kind: wire.EventOffer, N: 4}
	const half, end = "half", "end" // what the client does behind its messages
	const goexit = "in the machine of tinyproto, serving 127.0.0.1"
	flawsOf := []struct {
		name string
		f    flaws
		then string
		says string
	}{
		{"Receive panics", flaws{receive: func([]byte, *wire.Event) (int, error) { panic("enough") }}, "", "panic in the machine of tinyproto"},
		{"negative n", flaws{receive: event(-1, wire.Event{})}, "", "Receive has consumed -1 bytes"},
		{"n too large", flaws{receive: event(1<<20, wire.Event{})}, "", "Receive has consumed 1048576 bytes"},
		{"no progress", flaws{receive: event(0, wire.Event{Kind: wire.EventConfirmed})}, "", "without consuming a byte"},
		{"messages of nothing", flaws{receive: event(0, wire.Event{Kind: wire.EventMessage, Message: parley.Text("x")})}, "", "without consuming a byte"},
		{"an unknown event", flaws{receive: event(1, wire.Event{Kind: 200})}, "", "no event 200"},
		{"a second open", flaws{receive: event(1, wire.Event{Kind: wire.EventOpen})}, "", "second EventOpen"},
		{"data without an offer", flaws{receive: event(1, wire.Event{Kind: wire.EventData, Data: []byte("x")})}, "", "without an EventOffer"},
		{"an end without an offer", flaws{receive: event(1, wire.Event{Kind: wire.EventEnd})}, "", "without an EventOffer"},
		{"more than offered", flaws{receive: series(offer, wire.Event{Kind: wire.EventData, Data: []byte("12345")})}, "", "brings more"},
		{"less than offered", flaws{receive: series(offer, wire.Event{Kind: wire.EventEnd})}, "", "ends after 0"},
		{"an offer of less than nothing", flaws{receive: event(1, wire.Event{Kind: wire.EventOffer, N: -2})}, "", "-2 bytes is offered"},
		{"a message inside a message", flaws{receive: series(offer, wire.Event{Kind: wire.EventMessage})}, "", "inside a message"},
		{"too many confirmed", flaws{receive: event(1, wire.Event{Kind: wire.EventConfirmed, N: 100})}, "", "100 messages are confirmed"},
		{"less than none confirmed", flaws{receive: event(1, wire.Event{Kind: wire.EventConfirmed, N: -1})}, "", "-1 messages are confirmed"},
		{"lost without a reason", flaws{receive: event(1, wire.Event{Kind: wire.EventLost})}, "", "EventLost without a reason"},
		{"Send panics", flaws{send: func([]byte, parley.Message) ([]byte, wire.Sent, error) { panic("enough") }}, "", "panic in the machine"},
		{"Send loses output", flaws{send: func([]byte, parley.Message) ([]byte, wire.Sent, error) { return nil, wire.Sent{}, nil }}, "", "Send returns 0 bytes"},
		{"Send has an unknown body", flaws{send: func(dst []byte, m parley.Message) ([]byte, wire.Sent, error) {
			return append(dst, "x"...), wire.Sent{Body: 9}, nil
		}}, "", "body 9"},
		{"Output panics", flaws{output: func([]byte) []byte { panic("enough") }}, "", "panic in the machine"},
		{"Output loses output", flaws{output: func([]byte) []byte { return nil }}, "", "Output returns 0 bytes"},
		{"Awaiting panics", flaws{await: func() int { panic("enough") }}, end, "panic in the machine"},
		{"Awaiting is negative", flaws{await: func() int { return -1 }}, end, "Awaiting returns -1"},
		{"Close panics", flaws{end: func([]byte) []byte { panic("enough") }}, end, "panic in the machine"},
		{"Accept panics", flaws{accept: func() { panic("enough") }}, "", "panic in the machine"},
		{"ReceiveEOF panics", flaws{eof: func([]byte, *wire.Event) error { panic("enough") }}, half, "panic in the machine"},
		{"Receive ends the goroutine", flaws{receive: func([]byte, *wire.Event) (int, error) { runtime.Goexit(); return 0, nil }}, "", goexit},
		{"Send ends the goroutine", flaws{send: func([]byte, parley.Message) ([]byte, wire.Sent, error) {
			runtime.Goexit()
			return nil, wire.Sent{}, nil
		}}, "", goexit},
		{"Output ends the goroutine", flaws{output: func([]byte) []byte { runtime.Goexit(); return nil }}, "", goexit},
		{"Awaiting ends the goroutine", flaws{await: func() int { runtime.Goexit(); return 0 }}, end, goexit},
		{"Close ends the goroutine", flaws{end: func([]byte) []byte { runtime.Goexit(); return nil }}, end, goexit},
		{"Accept ends the goroutine", flaws{accept: runtime.Goexit}, "", goexit},
		{"ReceiveEOF ends the goroutine", flaws{eof: func([]byte, *wire.Event) error { runtime.Goexit(); return nil }}, half, goexit},
		{"ReceiveEOF tells something else", flaws{eof: func(_ []byte, ev *wire.Event) error { ev.Kind = wire.EventData; return nil }}, half, "ReceiveEOF tells event data"},
	}
	for _, flaw := range flawsOf {
		t.Run(flaw.name, func(t *testing.T) {
			reasons := make(chan error, 10)
			p := flawed{tinyproto.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine { f := flaw.f; f.Machine = m; return &f }}
			srv := &parley.Server{Protocol: p, MaxConns: 1, WhenFull: parley.FullWait,
				Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					switch m.Text() {
					case "end":
						go c.Close()
						return nil
					case "x": // without end, and the peer reads no answers
						return nil
					}
					return c.Send(ctx, m)
				}),
				Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { reasons <- err }}}
			addr := newServer(t, srv)
			peer := bareDial(t, addr)
			peer.say(tinyHello)
			peer.hear(tinyHello)
			io.WriteString(peer, tiny("first"))
			switch more := tinyOK + tiny("second"); flaw.then {
			case half:
				io.WriteString(peer, more)
				peer.Conn.(*net.TCPConn).CloseWrite()
			case end:
				io.WriteString(peer, tinyOK+tiny("end"))
			default: // a large one begins
				io.WriteString(peer, more+tinyHead(100<<10))
			}
			if err := next(t, reasons, "OnClose was not called"); err == nil || !strings.Contains(err.Error(), flaw.says) {
				t.Errorf("the end: %v, want %q", err, flaw.says)
			}
			peer.Close()
			serves(t, srv, tinyproto.Protocol{}, addr)
		})
	}
	for _, fault := range faults {
		t.Run("New: "+fault.name, func(t *testing.T) {
			p := flawed{tinyproto.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine { fault.do(); return m }}
			srv := &parley.Server{Protocol: p, MaxConns: 1, WhenFull: parley.FullWait, Handler: parley.HandlerFunc(echo)}
			addr := newServer(t, srv)
			bareDial(t, addr).hearEnd()
			serves(t, srv, tinyproto.Protocol{}, addr)
		})
	}
	t.Run("dialling", func(t *testing.T) {
		addr := newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)})
		d := &parley.Dialer{Protocol: flawed{tinyproto.Protocol{}, new(atomic.Int32), func(wire.Machine) wire.Machine { panic("enough") }}}
		if _, err := d.Dial(newContext(t), addr); err == nil || !strings.Contains(err.Error(), "panic in the New of tinyproto") {
			t.Errorf("Dial: %v", err)
		}
		d.Protocol = flawed{tinyproto.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine {
			return &flaws{Machine: m, send: func([]byte, parley.Message) ([]byte, wire.Sent, error) { panic("enough") }}
		}}
		c, err := d.Dial(newContext(t), addr)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.Send(newContext(t), parley.Text("x")); err == nil || !strings.Contains(err.Error(), "panic in the machine of tinyproto") {
				t.Errorf("Send: %v", err)
			}
		}
	})
}

// What a machine does that ends the goroutine of a caller costs its own connection: the
// caller of Broadcast ends when all the others have got the message, and a shutdown goes
// on.
//
// Verifies: RUNTIME-57
func TestMachineEndsTheCaller(t *testing.T) {
	reasons := make(chan error, 10)
	p := flawed{serpy2.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine {
		f := &flaws{Machine: m, send: func([]byte, parley.Message) ([]byte, wire.Sent, error) {
			runtime.Goexit()
			return nil, wire.Sent{}, nil
		}}
		return f
	}}
	srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { reasons <- err }}}
	addr := newServer(t, srv)
	var clients []*parley.Conn
	for range 5 {
		c, err := parley.Dial(newContext(t), serpy2.Protocol{}, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		clients = append(clients, c)
		for len(srv.Conns()) < len(clients) {
			runtime.Gosched()
		}
	}
	ended := make(chan bool, 1)
	go func() {
		defer func() { ended <- true }()
		srv.BroadcastTo(parley.Text("news"), srv.Conns())
		t.Error("the machine has not been asked")
	}()
	next(t, ended, "Broadcast has not ended")
	if err := next(t, reasons, "OnClose was not called"); !strings.Contains(err.Error(), "runtime.Goexit") {
		t.Errorf("the end: %v", err)
	}
	got := 0
	for _, c := range clients {
		if m, err := c.Receive(newContext(t)); err == nil && m.Text() == "news" {
			got++
		}
	}
	if got != len(clients)-1 {
		t.Errorf("%d of %d have got the message", got, len(clients)-1)
	}
	for _, c := range clients {
		c.CloseNow()
	}
	if err := srv.Shutdown(newContext(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A machine that ends the goroutine in the middle of a batch ends its connection, and
// the event loop goes on.
//
// Verifies: RUNTIME-57
func TestMachineEndsABatch(t *testing.T) {
	n := 0
	p := flawed{serpy2.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine {
		f := &flaws{Machine: m}
		f.receive = func(b []byte, ev *wire.Event) (int, error) {
			if n++; n == 5 {
				runtime.Goexit()
			}
			return m.Receive(b, ev)
		}
		return f
	}}
	reasons := make(chan error, 10)
	srv := &parley.Server{Protocol: p, MaxConns: 1, WhenFull: parley.FullWait, Handler: parley.HandlerFunc(echo),
		Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { reasons <- err }}}
	addr := newServer(t, srv)
	peer := bareDial(t, addr)
	io.WriteString(peer, strings.Repeat(serpy2Text("a"), 20))
	if err := next(t, reasons, "OnClose was not called"); !strings.Contains(err.Error(), "runtime.Goexit") {
		t.Errorf("the end: %v", err)
	}
	peer.Close()
	serves(t, srv, serpy2.Protocol{}, addr)
}

// serves checks that the server serves the next client, and ends when it is told to.
func serves(t *testing.T, srv *parley.Server, p parley.Protocol, addr string) {
	t.Helper()
	within(t, "the server", func() { srv.Stats(); srv.Conns(); srv.Broadcast(parley.Text("x")) })
	c, err := parley.Dial(newContext(t), p, addr)
	if err != nil {
		t.Fatalf("the next client: %v", err)
	}
	if a, err := c.Call(newContext(t), parley.Text("hello")); err != nil || a.Text() != "hello" {
		t.Errorf("the next client got %q, %v", a.Text(), err)
	}
	c.Close()
	if err := srv.Shutdown(newContext(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
