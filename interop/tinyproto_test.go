package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

var tinyprotos = []string{"tinyproto2", "tinyproto3"}

// eagerness is the two ways in which parley sends, with the size classes: what
// is eager and what is not, and what needs many reads.
var eagerness = []struct {
	name     string
	protocol tinyproto.Protocol
	sizes    []int
}{
	{"eager", tinyproto.Protocol{}, []int{0, 1, small, small + 1, large, huge}},
	{"never eager", tinyproto.Protocol{Eager: tinyproto.Never}, []int{0, 1, small, large}},
}

// burst is many small messages, some of them empty, and what they are together.
func burst(n int) (messages []parley.Message, together described) {
	var all []byte
	for i := range n {
		b := mix(i % 100)
		messages = append(messages, parley.Bytes(b))
		all = append(all, b...)
	}
	return messages, describe(parley.Bytes(all))
}

// mark is the plugin of peers/tinyproto.py: it puts a byte behind the message.
// Two of them only fit when they are undone in reverse order.
type mark byte

// marks makes the plugins of the same name in the driver.
func marks(names string) (plugins []parley.Plugin) {
	for _, b := range []byte(names) {
		plugins = append(plugins, mark(b))
	}
	return plugins
}

func (m mark) Name() string                        { return "mark" }
func (m mark) New(wire.Role, int64) wire.Transform { return m }

func (m mark) Send(dst, p []byte) ([]byte, error) {
	return append(append(dst, p...), byte(m)), nil
}

func (m mark) Receive(dst, p []byte) ([]byte, error) {
	rest, ok := bytes.CutSuffix(p, []byte{byte(m)})
	if !ok {
		return dst, fmt.Errorf("no %q at the end of %q", byte(m), p)
	}
	return append(dst, rest...), nil
}

// received is what describe says about the bytes that r brings.
func received(t *testing.T, r io.Reader) described {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return described{Type: "bytes", Len: int(n), Text: fmt.Sprintf("sha256 %x", h.Sum(nil))}
}

func TestTinyProtoOriginalServer(t *testing.T) {
	each(t, tinyprotoOriginalServer, tinyprotos...)
}

func tinyprotoOriginalServer(t *testing.T, o origin) {
	for _, e := range eagerness {
		t.Run("echo "+e.name, func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			c := dial(t, &parley.Dialer{Protocol: e.protocol}, get[int](p, "listen", args{"echo": true}))
			for _, size := range e.sizes {
				m := parley.Bytes(mix(size))
				same(t, "echo", describe(call(t, c, m)), describe(m))
			}
			got := call(t, c, parley.Text("Grüße"))
			same(t, "text", describe(got), describe(parley.Bytes([]byte("Grüße"))))
		})
	}

	t.Run("confirm", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, get[int](p, "listen", nil))
		p.do("accept", nil)
		for _, size := range []int{0, 1, small, large} {
			m := parley.Bytes(mix(size))
			if err := c.Confirm(soon(t), m); err != nil {
				t.Fatal(err)
			}
			same(t, "message", get[described](p, "recv", nil), describe(m))
		}
	})

	// An original takes messages back to back as long as it does not speak.
	t.Run("burst", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, get[int](p, "listen", nil))
		p.do("accept", nil)
		messages, want := burst(200)
		for _, m := range messages {
			send(t, c, m)
		}
		same(t, "messages", get[described](p, "join", args{"count": len(messages)}), want)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		p.do("ended", nil)
	})

	t.Run("push", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, get[int](p, "listen", nil))
		p.do("accept", nil)
		for _, size := range []int{0, 1, small, large} {
			s := mixed(size)
			p.do("send", args{"value": s.python})
			same(t, "message", describe(receive(t, c)), describe(s.message))
		}
		p.do("send", args{"value": "b'again'", "times": 20})
		for range 20 {
			same(t, "message", describe(receive(t, c)), describe(parley.Bytes([]byte("again"))))
		}
	})

	t.Run("streams", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: inPieces}, get[int](p, "listen", nil))
		p.do("accept", nil)
		tinyprotoStreams(t, p, c)
	})

	t.Run("plugins", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: marks("AB")}, get[int](p, "listen", args{"marks": "AB"}))
		p.do("accept", nil)
		for _, size := range []int{0, 1, small, large} {
			s := mixed(size)
			send(t, c, s.message)
			same(t, "there", get[described](p, "recv", nil), describe(s.message))
			p.do("send", args{"value": s.python})
			same(t, "back", describe(receive(t, c)), describe(s.message))
		}
	})

	t.Run("connection limit", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		port := get[int](p, "listen", args{"limit": 1})
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, port)
		p.do("accept", nil)
		_, err := parley.Dial(soon(t), tinyproto.Protocol{}, address(port))
		var refused *parley.RefusedError
		if o.name == "tinyproto2" && (!errors.As(err, &refused) || refused.Code != 0) {
			t.Errorf("got %v, want a RefusedError with version 2's code 00", err)
		}
		if err == nil {
			t.Error("a connection beyond the limit was not refused")
		}
		send(t, c, parley.Text("still here"))
		same(t, "first", get[described](p, "recv", nil), describe(parley.Bytes([]byte("still here"))))
	})

	t.Run("server stops", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, get[int](p, "listen", nil))
		p.do("accept", nil)
		p.do("stop", nil)
		if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("got %v, want ErrPeerClosed", err)
		}
	})
}

// inPieces makes streams of the larger messages.
var inPieces = parley.Limits{MaxMessage: small}

// tinyprotoStreams streams in both directions. c must have the limits inPieces.
func tinyprotoStreams(t *testing.T, p *process, c *parley.Conn) {
	for _, size := range []int{large, huge} {
		s := mixed(size)
		want := describe(s.message)
		if err := c.SendStream(soon(t), int64(size), bytes.NewReader(s.message.Bytes())); err != nil {
			t.Fatal(err)
		}
		same(t, "sent", get[described](p, "recv", nil), want)
		p.ask("send", args{"value": s.python})
		stream, err := c.ReceiveStream(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "received", received(t, stream), want)
		p.answer()
	}
}

func TestTinyProtoOriginalClient(t *testing.T) {
	each(t, tinyprotoOriginalClient, tinyprotos...)
}

func tinyprotoOriginalClient(t *testing.T, o origin) {
	for _, e := range eagerness {
		t.Run("echo "+e.name, func(t *testing.T) {
			t.Parallel()
			echo := parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })
			port := serve(t, &parley.Server{Protocol: e.protocol, Handler: echo})
			p := o.start(t)
			p.do("connect", args{"port": port})
			for _, size := range e.sizes {
				s := mixed(size)
				p.do("send", args{"value": s.python})
				same(t, "echo", get[described](p, "recv", nil), describe(s.message))
			}
		})
	}

	t.Run("push", func(t *testing.T) {
		t.Parallel()
		greeting := parley.Text("welcome")
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Hooks: parley.Hooks{
			OnOpen: func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, greeting) },
		}}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port})
		same(t, "greeting", get[described](p, "recv", nil), describe(parley.Bytes(greeting.Bytes())))
		c := accept(t, srv)
		for _, size := range []int{0, 1, small, large} {
			m := parley.Bytes(mix(size))
			if err := c.Confirm(soon(t), m); err != nil {
				t.Fatal(err)
			}
			same(t, "message", get[described](p, "recv", nil), describe(m))
		}
		messages, want := burst(200)
		for _, m := range messages {
			send(t, c, m)
		}
		same(t, "messages", get[described](p, "join", args{"count": len(messages)}), want)
	})

	t.Run("streams", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Limits: inPieces}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port})
		tinyprotoStreams(t, p, accept(t, srv))
	})

	t.Run("plugins", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Plugins: marks("AB")}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port, "marks": "AB"})
		c := accept(t, srv)
		for _, size := range []int{0, 1, small, large} {
			s := mixed(size)
			p.do("send", args{"value": s.python})
			same(t, "there", describe(receive(t, c)), describe(s.message))
			send(t, c, s.message)
			same(t, "back", get[described](p, "recv", nil), describe(s.message))
		}
	})

	t.Run("connection limit", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, MaxConns: 1}
		port := serve(t, srv)
		first, second := o.start(t), o.start(t)
		first.do("connect", args{"port": port})
		c := accept(t, srv)
		second.do("dial", args{"port": port})
		if got, want := get[string](second, "death", nil), "TinyProtoError: Initialisation error"; !bytes.Contains([]byte(got), []byte(want)) {
			t.Errorf("the second client's connection died of %q, want %q", got, want)
		}
		first.do("send", args{"value": "b'still here'"})
		same(t, "first", describe(receive(t, c)), describe(parley.Bytes([]byte("still here"))))
	})

	t.Run("client closes", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port})
		c := accept(t, srv)
		p.do("send", args{"value": "b'last words'"})
		p.do("close", nil)
		same(t, "message", describe(receive(t, c)), describe(parley.Bytes([]byte("last words"))))
		if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("got %v, want ErrPeerClosed", err)
		}
	})

	t.Run("server closes", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port})
		c := accept(t, srv)
		send(t, c, parley.Text("last words"))
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		same(t, "message", get[described](p, "recv", nil), describe(parley.Bytes([]byte("last words"))))
		p.do("ended", nil)
	})
}
